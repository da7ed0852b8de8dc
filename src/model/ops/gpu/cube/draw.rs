//! Tokens drawn on the device: the host reads a token and its log-probability for each row.
//!
//! The first kernel sums the weights of parts of each row. The second one finds the part by the
//! inverse of the distribution, then the strip within the part, then the token within the strip:
//! three short walks, each in the order of the tokens.

#![expect(
    clippy::too_many_lines,
    reason = "a kernel is one function, because the units of a cube wait for each other"
)]
#![expect(
    clippy::float_cmp,
    reason = "the largest of some numbers is one of them"
)]

use burn::tensor::DType;
use cubecl::prelude::*;

use super::{
    handle::OnDevice,
    launch::{cube, cubes, narrow},
    reduce,
};

/// The tokens of a strip, and the strips of a part.
const STRIP: usize = 32;

/// The tokens of a part.
const PART: usize = STRIP * STRIP;

/// The units that sum a part.
const UNITS: usize = 128;

/// The largest score of each part, and the sum of the weights that it gives.
#[cube(launch)]
fn of_parts(
    logits: &[f32],
    tops: &mut [f32],
    sums: &mut [f32],
    all: u32,
    width: u32,
    parts: u32,
    temperature: f32,
) {
    let (place, parts, width) = (CUBE_POS, parts as usize, width as usize);
    if place >= all as usize {
        terminate!();
    }
    let (row, part) = (place / parts, place % parts);
    let left = width - part * PART;
    let count = select(left < PART, left, PART);
    let begin = row * width + part * PART;
    let mut top = reduce::least();
    let mut at = UNIT_POS as usize;
    while at < count {
        let score = logits[begin + at] / temperature;
        top = select(score > top, score, top);
        at += UNITS;
    }
    let top = reduce::largest(top, UNITS);
    let mut sum = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < count {
        sum += (logits[begin + at] / temperature - top).exp();
        at += UNITS;
    }
    let sum = reduce::sum(sum, UNITS);
    if UNIT_POS == 0 {
        tops[place] = top;
        sums[place] = sum;
    }
}

/// The token of a row, and its log-probability.
///
/// A unit walks a strip. If `is_greedy`, the weight of the first of the largest is 1 and that of the
/// others 0, so that the same walks find it.
#[cube(launch)]
fn chosen(
    logits: &[f32],
    tops: &[f32],
    sums: &[f32],
    points: &[f32],
    tokens: &mut [f32],
    rows: u32,
    width: u32,
    parts: u32,
    temperature: f32,
    #[comptime] is_greedy: bool,
) {
    let (row, parts, width) = (CUBE_POS, parts as usize, width as usize);
    if row >= rows as usize {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let line = row * parts;
    // Every unit walks the parts, so that none waits for another.
    let mut top = tops[line];
    for part in 1..parts {
        let other = tops[line + part];
        top = select(other > top, other, top);
    }
    let mut total = 0.0f32;
    for part in 0..parts {
        total += sums[line + part] * (tops[line + part] - top).exp();
    }
    let mut rest = points[row] * total;
    let mut part = 0usize;
    let mut is_found = false;
    if comptime!(is_greedy) {
        rest = 0.0f32;
        for one in 0..parts {
            if !is_found && tops[line + one] == top {
                part = one;
                is_found = true;
            }
        }
    } else {
        // If rounding leaves a rest after all parts, it is the last one with any weight.
        let mut walked = rest;
        for one in 0..parts {
            let weight = sums[line + one] * (tops[line + one] - top).exp();
            if !is_found && weight > 0.0f32 {
                part = one;
                rest = walked;
                if walked < weight {
                    is_found = true;
                } else {
                    walked -= weight;
                }
            }
        }
    }

    let left = width - part * PART;
    let count = select(left < PART, left, PART);
    let begin = row * width + part * PART;
    let mut strips = Shared::<[f32]>::new_slice(STRIP);
    let mut sum = 0.0f32;
    for one in 0..STRIP {
        let at = unit * STRIP + one;
        if at < count {
            let score = logits[begin + at] / temperature;
            if comptime!(is_greedy) {
                sum += select(score == top, 1.0f32, 0.0f32);
            } else {
                sum += (score - top).exp();
            }
        }
    }
    strips[unit] = sum;
    sync_cube();
    if unit == 0 {
        let mut strip = 0usize;
        let mut walked = rest;
        let mut is_there = false;
        for one in 0..STRIP {
            let weight = strips[one];
            if !is_there && weight > 0.0f32 {
                strip = one;
                rest = walked;
                if walked < weight {
                    is_there = true;
                } else {
                    walked -= weight;
                }
            }
        }
        let mut token = strip * STRIP;
        let mut walked = rest;
        let mut is_last = false;
        for one in 0..STRIP {
            let at = strip * STRIP + one;
            if at < count {
                let score = logits[begin + at] / temperature;
                let mut weight = (score - top).exp();
                if comptime!(is_greedy) {
                    weight = select(score == top, 1.0f32, 0.0f32);
                }
                if !is_last && weight > 0.0f32 {
                    token = at;
                    if walked < weight {
                        is_last = true;
                    } else {
                        walked -= weight;
                    }
                }
            }
        }
        let found = part * PART + token;
        // Whole numbers up to 2²⁴ are exact.
        tokens[2 * row] = f32::cast_from(u32::cast_from(found));
        tokens[2 * row + 1] = logits[row * width + found] / temperature - top - total.ln();
    }
}

/// The token of each row and its log-probability, `[rows, 2]`. `points` are within the unit
/// interval, `[rows, 1]`.
pub(super) fn draw(logits: &OnDevice, points: &OnDevice, temperature: Option<f32>) -> OnDevice {
    let width = logits.width();
    let rows = logits.count() / width;
    let parts = width.div_ceil(PART);
    let [tops, sums] = [(); 2].map(|()| logits.fresh([rows, parts], DType::F32));
    let out = logits.fresh([rows, 2], DType::F32);
    let client = logits.client();
    of_parts::launch(
        &client,
        cubes(rows * parts),
        cube(UNITS),
        logits.arg(),
        tops.arg(),
        sums.arg(),
        narrow(rows * parts),
        narrow(width),
        narrow(parts),
        temperature.unwrap_or(1.0),
    );
    chosen::launch(
        &client,
        cubes(rows),
        cube(STRIP),
        logits.arg(),
        tops.arg(),
        sums.arg(),
        points.arg(),
        out.arg(),
        narrow(rows),
        narrow(width),
        narrow(parts),
        temperature.unwrap_or(1.0),
        temperature.is_none(),
    );
    out
}
