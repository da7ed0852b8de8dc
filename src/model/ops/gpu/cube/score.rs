//! The log-probability of a token of each row, and the entropy of the row, in two passes over the
//! logits.

use burn::tensor::DType;
use cubecl::prelude::*;

use crate::model::ops::graph::Formula;

use super::{
    handle::{OnDevice, Whole},
    launch::{cube, cubes, narrow, units_of_row},
    reduce,
};

/// The logarithm of the softmax of logits at a temperature, at one token of each row: `[rows, 1]`.
#[derive(Clone, Debug)]
pub(super) struct LogProb {
    /// `[rows, 1]`
    pub(super) tokens: Whole,
    pub(super) temperature: f32,
}

/// The largest of a row of logits, over the temperature.
#[cube]
fn top_of(
    logits: &[f32],
    begin: usize,
    width: usize,
    temperature: f32,
    #[comptime] units: usize,
) -> f32 {
    let mut top = reduce::least();
    let mut at = UNIT_POS as usize;
    while at < width {
        let score = logits[begin + at] / temperature;
        top = select(score > top, score, top);
        at += units;
    }
    reduce::largest(top, units)
}

/// The sum of the exponentials of a row of scores less the largest one.
#[cube]
fn sum_of(
    logits: &[f32],
    begin: usize,
    width: usize,
    temperature: f32,
    top: f32,
    #[comptime] units: usize,
) -> f32 {
    let mut sum = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < width {
        sum += (logits[begin + at] / temperature - top).exp();
        at += units;
    }
    reduce::sum(sum, units)
}

#[cube(launch)]
fn value<I: Int>(
    logits: &[f32],
    tokens: &[I],
    out: &mut [f32],
    rows: u32,
    width: u32,
    temperature: f32,
    #[comptime] units: usize,
    #[define(I)] _dtype: ElemType,
) {
    let (row, width) = (CUBE_POS, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let begin = row * width;
    let top = top_of(logits, begin, width, temperature, units);
    let sum = sum_of(logits, begin, width, temperature, top, units);
    if UNIT_POS == 0 {
        let token = u32::cast_from(tokens[row]) as usize;
        out[row] = logits[begin + token] / temperature - top - sum.ln();
    }
}

#[cube(launch)]
fn gradient<I: Int>(
    logits: &[f32],
    tokens: &[I],
    gradient: &[f32],
    out: &mut [f32],
    rows: u32,
    width: u32,
    temperature: f32,
    #[comptime] units: usize,
    #[define(I)] _dtype: ElemType,
) {
    let (row, width) = (CUBE_POS, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let begin = row * width;
    let top = top_of(logits, begin, width, temperature, units);
    let sum = sum_of(logits, begin, width, temperature, top, units);
    let token = u32::cast_from(tokens[row]) as usize;
    let factor = gradient[row] / temperature;
    let mut at = UNIT_POS as usize;
    while at < width {
        let share = (logits[begin + at] / temperature - top).exp() / sum;
        out[begin + at] = (select(at == token, 1.0f32, 0.0f32) - share) * factor;
        at += units;
    }
}

/// The entropy in nats: the logarithm of the sum, less the mean score over the largest one.
#[cube(launch)]
fn entropies(
    logits: &[f32],
    out: &mut [f32],
    rows: u32,
    width: u32,
    temperature: f32,
    #[comptime] units: usize,
) {
    let (row, width) = (CUBE_POS, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let begin = row * width;
    let top = top_of(logits, begin, width, temperature, units);
    let mut sum = 0.0f32;
    let mut weighted = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < width {
        let score = logits[begin + at] / temperature - top;
        let weight = score.exp();
        sum += weight;
        // What has no weight adds nothing, even if its score is minus infinity.
        weighted += select(weight == 0.0f32, 0.0f32, weight * score);
        at += units;
    }
    let sum = reduce::sum(sum, units);
    let weighted = reduce::sum(weighted, units);
    if UNIT_POS == 0 {
        out[row] = sum.ln() - weighted / sum;
    }
}

/// The entropy of each row, `[rows, 1]`.
pub(super) fn entropy(logits: &OnDevice, temperature: f32) -> OnDevice {
    let width = logits.width();
    let rows = logits.count() / width;
    let out = logits.fresh([rows, 1], DType::F32);
    let units = units_of_row(width);
    entropies::launch(
        &logits.client(),
        cubes(rows),
        cube(units),
        logits.arg(),
        out.arg(),
        narrow(rows),
        narrow(width),
        temperature,
        units,
    );
    out
}

impl Formula<OnDevice, 1> for LogProb {
    fn value(&self, [logits]: [&OnDevice; 1]) -> OnDevice {
        let width = logits.width();
        let rows = logits.count() / width;
        let out = logits.fresh([rows, 1], DType::F32);
        let units = units_of_row(width);
        value::launch(
            &logits.client(),
            cubes(rows),
            cube(units),
            logits.arg(),
            self.tokens.arg(),
            out.arg(),
            narrow(rows),
            narrow(width),
            self.temperature,
            units,
            self.tokens.element(),
        );
        out
    }

    fn gradients(
        &self,
        [logits]: [&OnDevice; 1],
        gradient: &OnDevice,
        _: [bool; 1],
    ) -> [Option<OnDevice>; 1] {
        let out = logits.fresh_like();
        let width = logits.width();
        let rows = logits.count() / width;
        let units = units_of_row(width);
        self::gradient::launch(
            &logits.client(),
            cubes(rows),
            cube(units),
            logits.arg(),
            self.tokens.arg(),
            gradient.arg(),
            out.arg(),
            narrow(rows),
            narrow(width),
            self.temperature,
            units,
            self.tokens.element(),
        );
        [Some(out)]
    }
}
