//! The rotation of queries and keys, and the cache that keys and values go to.

use cubecl::prelude::*;

use crate::model::ops::graph::Formula;

use super::{
    handle::{OnDevice, Strided},
    launch::{narrow, units},
};

/// See [`rotate`](crate::model::ops::rotate).
#[derive(Clone, Debug)]
pub(super) struct Rotate {
    pub(super) cos: OnDevice,
    pub(super) sin: OnDevice,
}

/// Rotates by the angles times `turn`, which is 1 or -1.
#[cube(launch)]
fn rotated<E: Float, N: Size>(
    x: &[Vector<E, N>],
    cos: &[Vector<E, N>],
    sin: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    pairs: u32,
    heads: u32,
    half: u32,
    turn: f32,
    #[define(E)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= pairs as usize {
        terminate!();
    }
    let half = half as usize;
    let (head, column) = (ABSOLUTE_POS / half, ABSOLUTE_POS % half);
    let angle = head / heads as usize * half + column;
    let first = head * 2 * half + column;
    let cos = Vector::<f32, N>::cast_from(cos[angle]);
    let sin = Vector::<f32, N>::cast_from(sin[angle]) * Vector::new(turn);
    let a = Vector::<f32, N>::cast_from(x[first]);
    let b = Vector::<f32, N>::cast_from(x[first + half]);
    out[first] = Vector::<E, N>::cast_from(a * cos - b * sin);
    out[first + half] = Vector::<E, N>::cast_from(b * cos + a * sin);
}

impl Rotate {
    fn by(&self, x: &OnDevice, turn: f32) -> OnDevice {
        let out = x.fresh_like();
        let (half, width) = (self.cos.width(), x.width());
        let vector = x.vector(half);
        let tokens = self.cos.count() / half;
        let heads = x.count() / width / tokens;
        let pairs = x.count() / 2 / vector;
        let (cubes, cube) = units(pairs);
        rotated::launch(
            &x.client(),
            cubes,
            cube,
            vector,
            x.arg(),
            self.cos.arg(),
            self.sin.arg(),
            out.arg(),
            narrow(pairs),
            narrow(heads),
            narrow(half / vector),
            turn,
            x.element(),
        );
        out
    }
}

impl Formula<OnDevice, 1> for Rotate {
    fn value(&self, [x]: [&OnDevice; 1]) -> OnDevice {
        self.by(x, 1.0)
    }

    fn gradients(
        &self,
        [_]: [&OnDevice; 1],
        gradient: &OnDevice,
        _: [bool; 1],
    ) -> [Option<OnDevice>; 1] {
        // The transpose of a rotation turns back.
        [Some(self.by(gradient, -1.0))]
    }
}

/// New keys, which are rotated on the way, and new values.
pub(super) struct New<'a> {
    /// `[batch, time, heads, head_dim]`
    pub(super) keys: &'a OnDevice,
    pub(super) values: &'a OnDevice,
    /// `[batch, time, 1, head_dim / 2]`
    pub(super) cos: &'a OnDevice,
    pub(super) sin: &'a OnDevice,
    pub(super) time: usize,
}

/// A unit rotates a pair of vectors of a key, and copies the same pair of a value.
#[cube(launch)]
fn placed<E: Float, N: Size>(
    new_keys: &[Vector<E, N>],
    new_values: &[Vector<E, N>],
    cos: &[Vector<E, N>],
    sin: &[Vector<E, N>],
    keys: &mut [Vector<E, N>],
    values: &mut [Vector<E, N>],
    pairs: u32,
    time: u32,
    heads: u32,
    half: u32,
    past: u32,
    capacity: u32,
    #[define(E)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= pairs as usize {
        terminate!();
    }
    let (time, heads, half) = (time as usize, heads as usize, half as usize);
    let (place, column) = (ABSOLUTE_POS / half, ABSOLUTE_POS % half);
    let (token, head) = (place / heads, place % heads);
    let (row, step) = (token / time, token % time);
    let from = place * 2 * half + column;
    let line = (row * heads + head) * capacity as usize + past as usize + step;
    let to = line * 2 * half + column;
    let cos = Vector::<f32, N>::cast_from(cos[token * half + column]);
    let sin = Vector::<f32, N>::cast_from(sin[token * half + column]);
    let a = Vector::<f32, N>::cast_from(new_keys[from]);
    let b = Vector::<f32, N>::cast_from(new_keys[from + half]);
    keys[to] = Vector::<E, N>::cast_from(a * cos - b * sin);
    keys[to + half] = Vector::<E, N>::cast_from(b * cos + a * sin);
    values[to] = new_values[from];
    values[to + half] = new_values[from + half];
}

/// Writes keys and values into their buffers, after `past` tokens.
///
/// The buffers are contiguous and have no other reader.
pub(super) fn place(new: &New<'_>, [keys, values]: [&Strided; 2], past: usize, capacity: usize) {
    let (half, width) = (new.cos.width(), new.keys.width());
    let vector = new.keys.vector(half);
    let tokens = new.cos.count() / half;
    let heads = new.keys.count() / width / tokens;
    let pairs = new.keys.count() / 2 / vector;
    let (cubes, cube) = units(pairs);
    placed::launch(
        &new.keys.client(),
        cubes,
        cube,
        vector,
        new.keys.arg(),
        new.values.arg(),
        new.cos.arg(),
        new.sin.arg(),
        keys.arg(),
        values.arg(),
        narrow(pairs),
        narrow(new.time),
        narrow(heads),
        narrow(half / vector),
        narrow(past),
        narrow(capacity),
        new.keys.element(),
    );
}
