//! Drawing tokens, on the host and on the device of the logits.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    model::{
        SamplingSettings,
        ops::{Declined, Sampler, burn::draw},
        rounding::to_f32,
    },
    seed::{Stream, stream},
};

fn sampler(temperature: f64) -> Sampler {
    Sampler::new(&SamplingSettings {
        temperature,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        max_completion_tokens: 1,
    })
}

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
        let (mut ours, mut theirs) = (streams(), streams());

        let found = draw(
            &tensor,
            temperature,
            &mut ours.iter_mut().collect::<Vec<_>>(),
        );
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
    let tensor = Tensor::<2>::from_data(TensorData::new(logits.clone(), [1, 64]), &Device::flex());
    for temperature in [0.0, 1.0] {
        let numbers = || stream(3, "sampling", 0, 0);

        let on_host = sampler(temperature).draw(&logits, vec![&mut numbers()]);
        let on_device = draw(&tensor, temperature, &mut [&mut numbers()]).unwrap();

        assert!(on_host[0].1.is_nan(), "host, temperature {temperature}");
        assert!(on_device[0].1.is_nan(), "device, temperature {temperature}");
    }
}
