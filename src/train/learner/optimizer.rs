//! AdamW with decoupled decay, and one norm clip over all gradients.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor};

use crate::{
    model::{AdamStep, adam_step},
    settings::{above_to, from_below, from_to, settings},
};

settings! {
    /// The table `optimizer`: AdamW with decoupled weight decay, and one clip of the norm of all
    /// gradients.
    pub struct OptimizerSettings {
        /// The decay of the first moment.
        #[key(from_below(0.0, 1.0), default = 0.9)]
        pub beta1: f64,
        /// The decay of the second moment.
        #[key(from_below(0.0, 1.0), default = 0.999)]
        pub beta2: f64,
        /// Added to the root of the second moment.
        #[key(above_to(0.0, 1.0), default = 1e-8)]
        pub epsilon: f64,
        /// The decoupled weight decay.
        #[key(from_to(0.0, 10.0), default = 0.0)]
        pub weight_decay: f64,
        /// The largest global norm of the gradients.
        #[key(above_to(0.0, 1e9), default = 1.0)]
        pub max_grad_norm: f64,
    }
}

/// Tensors by the name of a parameter, each with the shape of that parameter.
pub(in crate::train) type Named = BTreeMap<String, Tensor<2>>;

/// AdamW (arXiv 1711.05101) as in PyTorch: decay first, epsilon outside the root.
#[derive(Clone, Debug)]
pub(super) struct AdamW {
    settings: OptimizerSettings,
    /// Updates so far.
    pub(super) updates: u32,
    /// Running mean of the gradients.
    pub(super) first: Named,
    /// Running mean of their squares.
    pub(super) second: Named,
}

impl AdamW {
    pub(super) fn new(settings: OptimizerSettings) -> Self {
        Self {
            settings,
            updates: 0,
            first: Named::new(),
            second: Named::new(),
        }
    }

    /// The parameters after one update.
    ///
    /// `norm` is the [`global_norm`] of the gradients. The caller checks that it is finite.
    pub(super) fn update(
        &mut self,
        parameters: &Named,
        gradients: Named,
        norm: f64,
        rate: f64,
    ) -> Named {
        self.updates += 1;
        let step = self.step(clip_factor(norm, self.settings.max_grad_norm), rate);
        let updated = gradients.into_iter().filter_map(|(name, gradient)| {
            let parameter = parameters.get(&name)?.clone();
            let moments = self.first.remove(&name).zip(self.second.remove(&name));
            let moments = moments.map(|(first, second)| [first, second]);
            let [value, first, second] = adam_step(&step, parameter, gradient, moments);
            self.first.insert(name.clone(), first);
            self.second.insert(name.clone(), second);
            Some((name, value))
        });
        updated.collect()
    }

    fn step(&self, clip: f64, rate: f64) -> AdamStep {
        let OptimizerSettings {
            beta1,
            beta2,
            epsilon,
            weight_decay,
            ..
        } = self.settings;
        let updates = f64::from(self.updates);
        AdamStep {
            clip,
            first: [beta1, 1.0 - beta1],
            second: [beta2, 1.0 - beta2],
            root_bias: (1.0 - beta2.powf(updates)).sqrt(),
            epsilon,
            decay: (weight_decay != 0.0).then_some(1.0 - rate * weight_decay),
            rate: rate / (1.0 - beta1.powf(updates)),
        }
    }
}

/// Converts half precision to single precision, and leaves wider types as they are.
fn widened(tensor: Tensor<2>) -> Tensor<2> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => tensor.cast(DType::F32),
        _ => tensor,
    }
}

/// The factor that clips the gradients, by PyTorch's formula.
fn clip_factor(norm: f64, largest: f64) -> f64 {
    if largest > 0.0 {
        (largest / (norm + 1e-6)).min(1.0)
    } else {
        1.0
    }
}

/// The Euclidean norm of all gradients together, in one transfer from the device.
pub(super) fn global_norm(gradients: &Named) -> f64 {
    let squares: Vec<Tensor<1>> = gradients
        .values()
        .map(|gradient| {
            let gradient = widened(gradient.clone());
            // `sum` would add large tensors in the order of the processor's threads.
            let square = gradient.clone() * gradient;
            square.sum_dim(1).sum_dim(0).reshape([1])
        })
        .collect();
    if squares.is_empty() {
        return 0.0;
    }
    let squares = Tensor::cat(squares, 0).into_data();
    squares.iter::<f64>().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        sequences: Vec<Sequence>,
    }

    #[derive(Deserialize)]
    struct Sequence {
        cfg: Config,
        p0: Vec<f64>,
        grads: Vec<Vec<f64>>,
        trace: Vec<Trace>,
        final_m: Vec<f64>,
        final_v: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Config {
        lr: f64,
        betas: (f64, f64),
        eps: f64,
        wd: f64,
        max_norm: Option<f64>,
    }

    #[derive(Deserialize)]
    struct Trace {
        grad_norm: f64,
        clip_coef: f64,
        params: Vec<f64>,
    }

    /// Splits six numbers over two parameters, so that the norm is over both.
    fn named(values: &[f64], dtype: DType) -> Named {
        let device = Device::flex();
        let tensor = |values: &[f64]| {
            let data = TensorData::new(values.to_vec(), [1, values.len()]).convert_dtype(dtype);
            Tensor::from_data(data, (&device, dtype))
        };
        [
            ("a".to_owned(), tensor(&values[..2])),
            ("b".to_owned(), tensor(&values[2..])),
        ]
        .into()
    }

    fn flat(named: &Named) -> Vec<f64> {
        named
            .values()
            .flat_map(|tensor| tensor.to_data().iter::<f64>().collect::<Vec<_>>())
            .collect()
    }

    fn assert_close(ours: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.iter().zip(expected) {
            let error = (ours - expected).abs();
            assert!(
                error <= tolerance * expected.abs().max(1e-3),
                "{ours} {expected}"
            );
        }
    }

    /// Oracle: tests/golden/rl/adamw.json, made by make/misc.py with `torch.optim.AdamW`.
    fn check(dtype: DType, tolerance: f64) {
        let golden: Golden =
            serde_json::from_str(include_str!("../../../tests/golden/rl/adamw.json")).unwrap();
        assert_eq!(golden.sequences.len(), 4);
        for sequence in golden.sequences {
            let settings = OptimizerSettings {
                beta1: sequence.cfg.betas.0,
                beta2: sequence.cfg.betas.1,
                epsilon: sequence.cfg.eps,
                weight_decay: sequence.cfg.wd,
                max_grad_norm: sequence.cfg.max_norm.unwrap_or(0.0),
            };
            let mut optimizer = AdamW::new(settings.clone());
            let mut parameters = named(&sequence.p0, dtype);
            assert_eq!(sequence.trace.len(), 12);
            for (gradient, trace) in sequence.grads.iter().zip(&sequence.trace) {
                let gradients = named(gradient, dtype);
                let norm = global_norm(&gradients);
                assert_close(&[norm], &[trace.grad_norm], tolerance);
                let factor = clip_factor(norm, settings.max_grad_norm);
                assert_close(&[factor], &[trace.clip_coef], tolerance);
                parameters = optimizer.update(&parameters, gradients, norm, sequence.cfg.lr);
                assert_close(&flat(&parameters), &trace.params, tolerance);
            }
            assert_close(&flat(&optimizer.first), &sequence.final_m, tolerance);
            assert_close(&flat(&optimizer.second), &sequence.final_v, tolerance);
        }
    }

    #[test]
    fn updates_are_the_golden_ones_in_the_precision_of_training() {
        // 1e-6: f32.
        check(DType::F32, 1e-6);
    }

    #[test]
    fn updates_are_the_golden_ones_in_double_precision() {
        // 1e-12: f64, another order of the same operations.
        check(DType::F64, 1e-12);
    }

    #[test]
    fn half_precision_keeps_its_type_and_its_moments_are_single() {
        let parameters = named(&[1.0; 6], DType::BF16);
        let gradients = named(&[0.001; 6], DType::BF16);
        let settings = OptimizerSettings {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 0.0,
        };
        let mut optimizer = AdamW::new(settings);
        let norm = global_norm(&gradients);

        let updated = optimizer.update(&parameters, gradients, norm, 0.5);

        assert!(updated.values().all(|tensor| tensor.dtype() == DType::BF16));
        assert!(
            optimizer
                .second
                .values()
                .all(|tensor| tensor.dtype() == DType::F32)
        );
        // The first update is the rate, whatever the gradient: 1 - 0.5. 0.01: bf16.
        assert!(
            flat(&updated)
                .iter()
                .all(|value| (value - 0.5).abs() < 0.01)
        );
    }

    #[test]
    fn a_norm_that_is_not_finite_is_reported() {
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(!global_norm(&named(&[1.0, 2.0, bad], DType::F32)).is_finite());
        }
    }
}
