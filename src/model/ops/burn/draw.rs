//! Tokens drawn from logits that stay where they are.
//!
//! A row of a vocabulary is half a megabyte, and 64 of them take longer to move to the host than a
//! step of the decoder takes. Here the device sums the weights of parts of each row, the host chooses
//! a part by the same inverse of the distribution as [`Sampler`](super::Sampler), and only that part
//! is read.

use burn::tensor::Tensor;

use crate::{
    model::{rounding::to_f32, token_batch::indices},
    seed::Stream,
};

use super::sampler::pick;

/// The widest part of a row that is read.
const WIDEST: usize = 1024;

/// With narrower parts there would be too many sums to read.
const NARROWEST: usize = 32;

/// Draws a token of each row, without any filter, and its log-probability; as the sampler does, but
/// with sums of 32-bit numbers.
///
/// At temperature 0 the most likely token is taken. None, if the vocabulary does not split into
/// parts of one length.
///
/// # Shapes
///
/// - `logits`: `[rows, vocabulary]`
pub(super) fn draw(
    logits: &Tensor<2>,
    temperature: f64,
    streams: &mut [&mut Stream],
) -> Option<Vec<(u32, f32)>> {
    let [rows, vocabulary] = logits.dims();
    let width = (NARROWEST..=WIDEST)
        .rev()
        .find(|width| vocabulary.is_multiple_of(*width))?;
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
        return Some(
            best.map(|(token, total)| (token, to_f32(-total.ln())))
                .collect(),
        );
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
    Some(
        drawn
            .map(|(((part, rest), weights), total)| {
                let (place, _) = pick(weights, *rest);
                let token = u32::try_from(part * width + place).expect("a token has 32 bits");
                (token, to_f32((weights[place] / total).ln()))
            })
            .collect(),
    )
}

fn floats(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::{
        model::{SamplingSettings, generate::Sampler},
        seed::stream,
    };

    #[test]
    fn tokens_and_log_probs_are_those_of_the_sampler() {
        let (rows, vocabulary) = (40, 3 * 512);
        let mut numbers = stream(1, "logits", 0, 0);
        let logits: Vec<f32> = (0..rows * vocabulary)
            .map(|_| to_f32(2.0 * numbers.normal()))
            .collect();
        let data = TensorData::new(logits.clone(), [rows, vocabulary]);
        let tensor = Tensor::<2>::from_data(data, &Device::flex());
        for temperature in [0.0, 0.7, 1.0] {
            let streams = || -> Vec<Stream> {
                (0..)
                    .take(rows)
                    .map(|row| stream(2, "sampling", 0, row))
                    .collect()
            };
            let sampler = Sampler::new(&SamplingSettings {
                temperature,
                top_k: 0,
                top_p: 1.0,
                min_p: 0.0,
                max_completion_tokens: 1,
            });
            let (mut ours, mut theirs) = (streams(), streams());

            let found = draw(
                &tensor,
                temperature,
                &mut ours.iter_mut().collect::<Vec<_>>(),
            );
            let expected = sampler.draw(&logits, theirs.iter_mut().collect());

            for (found, expected) in found.unwrap().iter().zip(expected) {
                assert_eq!(found.0, expected.0, "temperature {temperature}");
                // 1e-5: sums of 1,536 numbers of 32 bits, in parts.
                assert!((found.1 - expected.1).abs() < 1e-5);
            }
            // A stream goes on at the same place, whichever way drew from it.
            let next = |streams: &mut Vec<Stream>| streams[0].next_u64();
            assert_eq!(next(&mut ours), next(&mut theirs));
        }
    }

    #[test]
    fn a_vocabulary_without_a_divisor_is_left_to_the_sampler() {
        let logits = Tensor::<2>::zeros([1, 1031], &Device::flex());

        assert!(draw(&logits, 1.0, &mut [&mut stream(1, "sampling", 0, 0)]).is_none());
    }
}
