//! Drawing tokens, on the host and on the device of the logits.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    model::{
        SamplingSettings,
        ops::{Declined, Sampler, burn::draw, gpu},
        rounding::to_f32,
    },
    seed::{Stream, stream},
};

use super::implementations::gpus;

fn sampler(temperature: f64) -> Sampler {
    Sampler::new(&SamplingSettings {
        temperature,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        max_completion_tokens: 1,
    })
}

type Draw = fn(&Tensor<2>, f64, &mut [&mut Stream]) -> Result<Vec<(u32, f32)>, Declined>;

/// Every way to draw without filters, and where its logits are.
fn ways() -> Vec<(Draw, Device)> {
    let formula: Draw = draw;
    let kernels = gpus().into_iter();
    let kernels = kernels.flat_map(|(_, device)| [(formula, device.clone()), (gpu::draw, device)]);
    [(formula, Device::flex())]
        .into_iter()
        .chain(kernels)
        .collect()
}

#[test]
fn tokens_and_log_probs_are_those_of_the_sampler() {
    let (rows, vocabulary) = (40, 3 * 512);
    let mut numbers = stream(1, "logits", 0, 0);
    let logits: Vec<f32> = (0..rows * vocabulary)
        .map(|_| to_f32(2.0 * numbers.normal()))
        .collect();
    for (draw, device) in ways() {
        let data = TensorData::new(logits.clone(), [rows, vocabulary]);
        let tensor = Tensor::<2>::from_data(data, &device);
        for temperature in [0.0, 0.7, 1.0] {
            let streams = || -> Vec<Stream> {
                (0..)
                    .take(rows)
                    .map(|row| stream(2, "sampling", 0, row))
                    .collect()
            };
            let (mut ours, mut theirs) = (streams(), streams());

            let mut borrowed: Vec<&mut Stream> = ours.iter_mut().collect();
            let found = draw(&tensor, temperature, &mut borrowed);
            let expected = sampler(temperature).draw(&logits, theirs.iter_mut().collect());

            for (found, expected) in found.unwrap().iter().zip(expected) {
                assert_eq!(found.0, expected.0, "temperature {temperature}");
                // 1e-5: sums of 1,536 numbers of 32 bits, in parts.
                assert!((found.1 - expected.1).abs() < 1e-5);
            }
            // A stream continues at the same place, whichever way drew from it.
            let next = |streams: &mut Vec<Stream>| streams[0].next_u64();
            assert_eq!(next(&mut ours), next(&mut theirs));
        }
    }
}

#[test]
fn kernels_take_any_vocabulary_and_what_has_no_weight_is_never_drawn() {
    for (_, device) in gpus() {
        // Two parts, of which the second is short, and one that has no weight at all.
        let mut logits = vec![f32::NEG_INFINITY; 2 * 1031];
        for (place, share) in [(5, 0.2_f64), (1030, 0.3), (1031 + 1029, 0.5), (1031, 0.5)] {
            logits[place] = to_f32(share.ln());
        }
        let tensor = Tensor::<2>::from_data(TensorData::new(logits.clone(), [2, 1031]), &device);
        for draws in 0..20 {
            let mut ours = [
                stream(7, "sampling", draws, 0),
                stream(7, "sampling", draws, 1),
            ];
            let theirs = ours.clone();
            let mut borrowed: Vec<&mut Stream> = ours.iter_mut().collect();

            let found = gpu::draw(&tensor, 1.0, &mut borrowed).unwrap();

            let mut theirs = theirs;
            let expected = sampler(1.0).draw(&logits, theirs.iter_mut().collect());
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found.0, expected.0);
                // 1e-6: sums of a few numbers of order one.
                assert!((found.1 - expected.1).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn a_vocabulary_without_a_divisor_is_left_to_the_sampler() {
    let logits = Tensor::<2>::zeros([1, 1031], &Device::flex());

    let found = draw(&logits, 1.0, &mut [&mut stream(1, "sampling", 0, 0)]);

    assert_eq!(found, Err(Declined::Vocabulary));
}

#[test]
fn the_log_prob_shows_that_a_logit_is_not_a_number() {
    let mut logits = vec![0.0_f32; 64];
    logits[7] = f32::NAN;
    for temperature in [0.0, 1.0] {
        let numbers = || stream(3, "sampling", 0, 0);
        let on_host = sampler(temperature).draw(&logits, vec![&mut numbers()]);
        assert!(on_host[0].1.is_nan(), "host, temperature {temperature}");
        for (draw, device) in ways() {
            let data = TensorData::new(logits.clone(), [1, 64]);
            let tensor = Tensor::<2>::from_data(data, &device);

            let on_device = draw(&tensor, temperature, &mut [&mut numbers()]).unwrap();

            assert!(on_device[0].1.is_nan(), "device, temperature {temperature}");
        }
    }
}
