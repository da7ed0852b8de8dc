//! The gate of a feed-forward layer.

use cubecl::prelude::*;

use crate::model::ops::graph::Formula;

use super::{
    handle::OnDevice,
    launch::{narrow, units},
};

/// See [`swiglu`](crate::model::ops::swiglu); of `gate` and `up`.
#[derive(Clone, Debug)]
pub(super) struct SwiGlu;

#[cube(launch)]
fn value<E: Float, N: Size>(
    gate: &[Vector<E, N>],
    up: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    count: u32,
    #[define(E)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= count as usize {
        terminate!();
    }
    let one = Vector::<f32, N>::new(1.0f32);
    let gate = Vector::<f32, N>::cast_from(gate[ABSOLUTE_POS]);
    let up = Vector::<f32, N>::cast_from(up[ABSOLUTE_POS]);
    let open = one / (one + (-gate).exp());
    out[ABSOLUTE_POS] = Vector::<E, N>::cast_from(gate * open * up);
}

#[cube(launch)]
fn gradients<E: Float, N: Size>(
    gate: &[Vector<E, N>],
    up: &[Vector<E, N>],
    gradient: &[Vector<E, N>],
    of_gate: &mut [Vector<E, N>],
    of_up: &mut [Vector<E, N>],
    count: u32,
    #[define(E)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= count as usize {
        terminate!();
    }
    let one = Vector::<f32, N>::new(1.0f32);
    let gate = Vector::<f32, N>::cast_from(gate[ABSOLUTE_POS]);
    let up = Vector::<f32, N>::cast_from(up[ABSOLUTE_POS]);
    let gradient = Vector::<f32, N>::cast_from(gradient[ABSOLUTE_POS]);
    let open = one / (one + (-gate).exp());
    let slope = open * (one + gate * (one - open));
    of_gate[ABSOLUTE_POS] = Vector::<E, N>::cast_from(gradient * up * slope);
    of_up[ABSOLUTE_POS] = Vector::<E, N>::cast_from(gradient * gate * open);
}

impl Formula<OnDevice, 2> for SwiGlu {
    fn value(&self, [gate, up]: [&OnDevice; 2]) -> OnDevice {
        let out = gate.fresh_like();
        let vector = gate.vector(gate.count());
        let count = gate.count() / vector;
        let (cubes, cube) = units(count);
        value::launch(
            &gate.client(),
            cubes,
            cube,
            vector,
            gate.arg(),
            up.arg(),
            out.arg(),
            narrow(count),
            gate.element(),
        );
        out
    }

    fn gradients(
        &self,
        [gate, up]: [&OnDevice; 2],
        gradient: &OnDevice,
        _: [bool; 2],
    ) -> [Option<OnDevice>; 2] {
        let (of_gate, of_up) = (gate.fresh_like(), gate.fresh_like());
        let vector = gate.vector(gate.count());
        let count = gate.count() / vector;
        let (cubes, cube) = units(count);
        gradients::launch(
            &gate.client(),
            cubes,
            cube,
            vector,
            gate.arg(),
            up.arg(),
            gradient.arg(),
            of_gate.arg(),
            of_up.arg(),
            narrow(count),
            gate.element(),
        );
        [Some(of_gate), Some(of_up)]
    }
}
