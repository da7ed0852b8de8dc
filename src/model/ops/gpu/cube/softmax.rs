//! The softmax of attention scores, over the keys that a query sees.

use cubecl::prelude::*;

use crate::model::ops::graph::Formula;

use super::{
    handle::{OnDevice, Whole},
    launch::{cube, cubes, narrow, units_of_row},
    reduce,
};

/// The softmax of scores times a factor. The queries are the last tokens of each row; each sees
/// itself, and the tokens before it from the start of its row on. What it does not see gets 0.
///
/// The scores are `[batch, …, last, total]`.
#[derive(Clone, Debug)]
pub(super) struct MaskedSoftmax {
    pub(super) scale: f32,
    /// Queries of each row.
    pub(super) last: usize,
    /// Rows of scores that belong to one row of the batch.
    pub(super) rows_of_one: usize,
    /// The first token of each row of the batch.
    pub(super) starts: Whole,
}

/// The first key that the query of a row of scores sees, and how many it sees before itself.
#[cube]
fn seen<I: Int>(
    starts: &[I],
    row: usize,
    rows_of_one: usize,
    last: usize,
    total: usize,
) -> (usize, usize) {
    let query = total - last + row % last;
    let start = u32::cast_from(starts[row / rows_of_one]) as usize;
    let first = select(start < query, start, query);
    (first, query + 1 - first)
}

#[cube(launch)]
fn value<E: Float, I: Int>(
    scores: &[E],
    starts: &[I],
    out: &mut [E],
    rows: u32,
    rows_of_one: u32,
    last: u32,
    total: u32,
    scale: f32,
    #[comptime] units: usize,
    #[define(E, I)] _dtypes: [ElemType; 2],
) {
    let (row, total) = (CUBE_POS, total as usize);
    if row >= rows as usize {
        terminate!();
    }
    let (first, count) = seen::<I>(starts, row, rows_of_one as usize, last as usize, total);
    let begin = row * total;
    let unit = UNIT_POS as usize;

    let mut top = reduce::least();
    let mut at = unit;
    while at < count {
        let score = f32::cast_from(scores[begin + first + at]) * scale;
        top = select(score > top, score, top);
        at += units;
    }
    let top = reduce::largest(top, units);

    let mut sum = 0.0f32;
    let mut at = unit;
    while at < count {
        sum += (f32::cast_from(scores[begin + first + at]) * scale - top).exp();
        at += units;
    }
    let sum = reduce::sum(sum, units);

    let mut at = unit;
    while at < total {
        let mut share = 0.0f32;
        if at >= first && at < first + count {
            share = (f32::cast_from(scores[begin + at]) * scale - top).exp() / sum;
        }
        out[begin + at] = E::cast_from(share);
        at += units;
    }
}

// With shares p, ds = scale · p · (dp - Σ p·dp).
#[cube(launch)]
fn gradient<E: Float, I: Int>(
    scores: &[E],
    starts: &[I],
    gradient: &[E],
    out: &mut [E],
    rows: u32,
    rows_of_one: u32,
    last: u32,
    total: u32,
    scale: f32,
    #[comptime] units: usize,
    #[define(E, I)] _dtypes: [ElemType; 2],
) {
    let (row, total) = (CUBE_POS, total as usize);
    if row >= rows as usize {
        terminate!();
    }
    let (first, count) = seen::<I>(starts, row, rows_of_one as usize, last as usize, total);
    let begin = row * total;
    let unit = UNIT_POS as usize;

    let mut top = reduce::least();
    let mut at = unit;
    while at < count {
        let score = f32::cast_from(scores[begin + first + at]) * scale;
        top = select(score > top, score, top);
        at += units;
    }
    let top = reduce::largest(top, units);

    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    let mut at = unit;
    while at < count {
        let place = begin + first + at;
        let weight = (f32::cast_from(scores[place]) * scale - top).exp();
        sum += weight;
        product += weight * f32::cast_from(gradient[place]);
        at += units;
    }
    let sum = reduce::sum(sum, units);
    let shift = reduce::sum(product, units) / sum;

    let mut at = unit;
    while at < total {
        let mut slope = 0.0f32;
        if at >= first && at < first + count {
            let share = (f32::cast_from(scores[begin + at]) * scale - top).exp() / sum;
            slope = share * (f32::cast_from(gradient[begin + at]) - shift) * scale;
        }
        out[begin + at] = E::cast_from(slope);
        at += units;
    }
}

impl Formula<OnDevice, 1> for MaskedSoftmax {
    fn value(&self, [scores]: [&OnDevice; 1]) -> OnDevice {
        let out = scores.fresh_like();
        let total = scores.width();
        let rows = scores.count() / total;
        let units = units_of_row(total);
        value::launch(
            &scores.client(),
            cubes(rows),
            cube(units),
            scores.arg(),
            self.starts.arg(),
            out.arg(),
            narrow(rows),
            narrow(self.rows_of_one),
            narrow(self.last),
            narrow(total),
            self.scale,
            units,
            [scores.element(), self.starts.element()],
        );
        out
    }

    fn gradients(
        &self,
        [scores]: [&OnDevice; 1],
        gradient: &OnDevice,
        _: [bool; 1],
    ) -> [Option<OnDevice>; 1] {
        let out = scores.fresh_like();
        let total = scores.width();
        let rows = scores.count() / total;
        let units = units_of_row(total);
        self::gradient::launch(
            &scores.client(),
            cubes(rows),
            cube(units),
            scores.arg(),
            self.starts.arg(),
            gradient.arg(),
            out.arg(),
            narrow(rows),
            narrow(self.rows_of_one),
            narrow(self.last),
            narrow(total),
            self.scale,
            units,
            [scores.element(), self.starts.element()],
        );
        [Some(out)]
    }
}
