//! Operations without a case in the common suite, on every device that this binary and this machine
//! have.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{
    fixture::{distance_to_exact, numbers},
    implementations::gpus,
};
use crate::model::{
    fixture::values,
    ops::{self, burn as formula},
};

fn devices() -> Vec<Device> {
    let gpus = gpus().into_iter().map(|(_, device)| device);
    [Device::flex()].into_iter().chain(gpus).collect()
}

fn tensor<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let data = TensorData::new(numbers(seed, shape.iter().product()), shape);
    Tensor::from_data(data, device)
}

/// The largest distance of numbers from those of the plain formula; infinite if one is NaN.
fn worst<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f64 {
    let expected: Vec<f64> = values(expected).into_iter().map(f64::from).collect();
    distance_to_exact(&values(found), &expected)
}

#[test]
fn a_sum_and_its_norm_are_those_of_the_formulas() {
    let inputs = |device: &Device| {
        let [x, change] = [1, 2].map(|seed| tensor::<2>(seed, [70, 37], device));
        (x, change, tensor::<2>(3, [1, 37], device))
    };
    let (x, change, weight) = inputs(&Device::flex());
    let sum = x + change;
    let normed = formula::rms_norm(sum.clone(), &weight, 1e-6);
    for device in devices() {
        let (x, change, weight) = inputs(&device);

        let found = ops::sum_and_norm(x, change, &weight, 1e-6);

        let [found_sum, found_normed] = found;
        assert_eq!(values(found_sum), values(sum.clone()));
        // 3e-6: as in the common suite.
        assert!(worst(found_normed, normed.clone()) < 3e-6);
    }
}

#[test]
fn keys_and_values_go_to_their_place_and_to_no_other_owner_of_the_buffers() {
    let [batch, time, heads, half, capacity, past] = [2, 3, 5, 9, 11, 4];
    let new = |device: &Device| {
        let shape = [batch, time, heads, 2 * half];
        [1, 2].map(|seed| tensor::<4>(seed, shape, device))
    };
    let angles =
        |device: &Device| [3, 4].map(|seed| tensor::<4>(seed, [batch, time, 1, half], device));
    let buffers = |device: &Device| {
        let shape = [batch, heads, capacity, 2 * half];
        [5, 6].map(|seed| tensor::<4>(seed, shape, device))
    };
    let flex = Device::flex();
    let ([k, v], [cos, sin]) = (new(&flex), angles(&flex));
    let place = [0..batch, 0..heads, past..past + time, 0..2 * half];
    let rotated = formula::rotate(k, cos, sin);
    let [keys, all_values] = buffers(&flex);
    let expected = [
        keys.slice_assign(place.clone(), rotated.swap_dims(1, 2)),
        all_values.slice_assign(place, v.swap_dims(1, 2)),
    ];
    for device in devices() {
        for is_shared in [false, true] {
            let before = buffers(&device);
            let kept = is_shared.then(|| before.clone());

            let found = ops::place(new(&device), angles(&device), before, past);

            for (found, expected) in found.into_iter().zip(expected.clone()) {
                // 3e-6: as the rotation in the common suite.
                assert!(worst(found, expected) < 3e-6);
            }
            for (kept, old) in kept.into_iter().flatten().zip(buffers(&flex)) {
                assert_eq!(values(kept), values(old));
            }
        }
    }
}

#[test]
fn log_probs_with_their_gradient_and_entropies_are_those_of_the_formula() {
    let [rows, vocabulary] = [6, 1300];
    for temperature in [1.0, 0.7] {
        let found = |device: &Device, is_formula: bool| {
            let logits = tensor::<2>(1, [rows, vocabulary], device).mul_scalar(5.0);
            let logits = logits.autodiff().require_grad();
            let tokens = TensorData::new(vec![0_i64, 1299, 7, 700, 64, 1023], [rows, 1]);
            let tokens = Tensor::<2, Int>::from_data(tokens, device);
            let weights = tensor::<2>(2, [rows, 1], device).autodiff();
            let (entropy, log_probs) = if is_formula {
                let scores = formula::LogSoftmax::new(logits.clone(), temperature);
                (scores.entropy(), scores.of(tokens.clone()))
            } else {
                let scores = ops::log_softmax(logits.clone(), temperature);
                (scores.entropy(), scores.of(tokens.clone()))
            };
            let mut gradients = (log_probs.clone() * weights).sum().backward();
            let gradient = logits.grad_remove(&mut gradients).unwrap();
            [log_probs.inner(), entropy, gradient]
        };
        let expected = found(&Device::flex(), true);
        for device in devices() {
            let all = found(&device, false).into_iter().zip(expected.clone());
            for (index, (found, expected)) in all.enumerate() {
                let worst = worst(found, expected);
                // 1e-5: sums of 1,300 numbers of order ten.
                assert!(
                    worst < 1e-5,
                    "temperature {temperature}, output {index}: {worst}"
                );
            }
        }
    }
}

#[test]
fn an_entropy_counts_nothing_for_what_has_no_probability() {
    // Not on the processor: the formula multiplies minus infinity by zero.
    for (_, device) in gpus() {
        let mut logits = vec![f32::NEG_INFINITY; 64];
        (logits[3], logits[60]) = (1.0, 1.0);
        let logits = Tensor::<2>::from_data(TensorData::new(logits, [1, 64]), &device);

        let entropy = ops::log_softmax(logits, 1.0).entropy();

        // By hand: two tokens of the same probability.
        assert!((values(entropy)[0] - 2.0_f32.ln()).abs() < 1e-6);
    }
}
