//! Tokens drawn from logits that stay on their device.
//!
//! A row of a vocabulary is half a megabyte, and copying 64 of them to the host takes longer than a
//! step of the decoder. Here the device sums the weights of parts of each row. The host chooses a
//! part by the same inverse of the distribution as [`Sampler`](crate::model::ops::Sampler), and
//! reads that part alone.

use burn::tensor::Tensor;

use crate::{
    model::{
        ops::{fallback::Declined, inverse_cdf::pick},
        rounding::to_f32,
        token_batch::indices,
    },
    seed::Stream,
};

/// The widest part of a row that is read.
const WIDEST: usize = 1024;

/// The narrowest part: with narrower ones there would be too many sums to read.
const NARROWEST: usize = 32;

/// Draws a token of each row without any filter, and returns it with its log-probability.
///
/// This is what the sampler draws, but for sums of 32-bit numbers. Temperature 0 takes the most
/// likely token. A vocabulary that does not split into parts of one length is declined.
///
/// # Shapes
///
/// - `logits`: `[rows, vocabulary]`
pub(in crate::model::ops) fn draw(
    logits: &Tensor<2>,
    temperature: f64,
    streams: &mut [&mut Stream],
) -> Result<Vec<(u32, f32)>, Declined> {
    let [rows, vocabulary] = logits.dims();
    let width = (NARROWEST..=WIDEST)
        .rev()
        .find(|width| vocabulary.is_multiple_of(*width))
        .ok_or(Declined::Vocabulary)?;
    let parts = vocabulary / width;
    let is_greedy = temperature <= 0.0;
    let scores = if is_greedy {
        logits.clone()
    } else {
        logits.clone().div_scalar(temperature)
    };
    let largest = scores.clone().max_dim(1);
    let weights = (scores - largest).exp().reshape([rows * parts, width]);
    let sums = floats(weights.clone().sum_dim(1));
    let totals: Vec<f64> = sums.chunks(parts).map(|row| row.iter().sum()).collect();
    if is_greedy {
        // The weight of the largest is 1.
        let best = logits.clone().argmax(1).into_data();
        let best = best.iter::<u32>().zip(totals);
        return Ok(best
            .map(|(token, total)| (token, to_f32(-total.ln())))
            .collect());
    }
    let chosen: Vec<(usize, f64)> = sums
        .chunks(parts)
        .zip(&totals)
        .zip(streams)
        .map(|((sums, total), stream)| pick(sums, stream.uniform() * total))
        .collect();
    let places = chosen.iter().enumerate();
    let places = places.map(|(row, (part, _))| (row * parts + part) as i64);
    let read = floats(weights.select(0, indices(places, &logits.device())));
    let drawn = chosen.iter().zip(read.chunks(width)).zip(totals);
    Ok(drawn
        .map(|(((part, rest), weights), total)| {
            let (place, _) = pick(weights, *rest);
            let token = u32::try_from(part * width + place).expect("a token has 32 bits");
            (token, to_f32((weights[place] / total).ln()))
        })
        .collect())
}

fn floats(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
