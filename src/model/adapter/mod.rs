//! Low-rank adapters of a frozen weight.

mod dora;
mod dropout;
mod lora;
pub(super) mod peft;

use burn::tensor::Tensor;

use crate::seed::stream;

use super::{
    parameter::{Layout, Parameter, Visit},
    rounding::to_f32,
    settings::{AdapterKind, AdapterSettings},
};

pub use dropout::Dropout;

use dora::Dora;
use lora::Lora;

/// An adapter of one projection.
#[derive(Clone, Debug)]
pub(super) enum Adapter {
    /// See [`Lora`].
    Lora(Box<Lora>),
    /// See [`Dora`].
    Dora(Box<Dora>),
}

impl Adapter {
    /// A new adapter of the projection `name`, which does not change its output yet; its random
    /// numbers depend on the name. None if the settings ask for none.
    pub(super) fn new(
        settings: &AdapterSettings,
        name: &str,
        weight: &Tensor<2>,
        seed: u64,
    ) -> Option<Self> {
        let lora = || Lora::new(settings, initial_a(settings, name, weight, seed), weight);
        match settings.kind {
            AdapterKind::None => None,
            AdapterKind::Lora => Some(Self::Lora(Box::new(lora()))),
            AdapterKind::Dora => Some(Self::Dora(Box::new(Dora::new(lora(), weight)))),
        }
    }

    /// The adapted product, without the bias.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - `weight`: `[in, out]`
    /// - output: `[rows, out]`
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        weight: &Tensor<2>,
        dropout: Option<&mut Dropout>,
    ) -> Tensor<2> {
        let dropped = dropout.and_then(|dropout| dropout.apply(&x, self.dropout()));
        match self {
            Self::Lora(lora) => lora.forward(x, dropped, weight),
            Self::Dora(dora) => dora.forward(x, dropped, weight),
        }
    }

    /// The weight that has the same effect as `weight` with the adapter.
    pub(super) fn merged(&self, weight: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Lora(lora) => lora.merged(weight),
            Self::Dora(dora) => dora.merged(weight),
        }
    }

    /// Recomputes what the adapter derives from its parameters.
    pub(super) fn refresh(&mut self, weight: &Tensor<2>) {
        match self {
            Self::Lora(_) => {}
            Self::Dora(dora) => dora.refresh(weight),
        }
    }

    pub(super) fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        let mut show = |short: &str, layout: Layout, tensor: &mut Tensor<2>| {
            visit(Parameter {
                name: format!("{name}.{short}"),
                layout,
                is_adapter: true,
                tensor,
            });
        };
        if let Self::Dora(dora) = self {
            show("lora_magnitude_vector", Layout::Vector, &mut dora.magnitude);
        }
        let lora = match self {
            Self::Lora(lora) => lora,
            Self::Dora(dora) => &mut dora.lora,
        };
        show("lora_A.weight", Layout::Matrix, &mut lora.a);
        show("lora_B.weight", Layout::Matrix, &mut lora.b);
    }

    /// Whether elements of the input are dropped in training.
    pub(super) fn drops(&self) -> bool {
        self.dropout() > 0.0
    }

    /// The probability of each element of the input to be dropped in training.
    pub(super) fn dropout(&self) -> f64 {
        self.lora().dropout
    }

    fn lora(&self) -> &Lora {
        match self {
            Self::Lora(lora) => lora,
            Self::Dora(dora) => &dora.lora,
        }
    }
}

/// The initial `A` of PEFT: uniform within ±1/√in.
fn initial_a(settings: &AdapterSettings, name: &str, weight: &Tensor<2>, seed: u64) -> Vec<f32> {
    let width = weight.dims()[0];
    let bound = (width as f64).powf(-0.5);
    let mut stream = stream(seed, &format!("adapter {name}"), 0, 0);
    (0..width * settings.r)
        .map(|_| to_f32((2.0 * stream.uniform() - 1.0) * bound))
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::Value;

    use super::{lora::tensor, *};
    use crate::model::{
        fixture::{distance, values},
        parameter,
        projection::Projection,
    };

    /// 1e-5: 32 bits, sums of up to eight products of order ten.
    const CLOSE: f32 = 1e-5;

    /// A matrix of the goldens, or a vector as one row.
    fn read(value: &Value) -> Tensor<2> {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone())
            .or_else(|_| serde_json::from_value(value.clone()).map(|row| vec![row]))
            .unwrap();
        let shape = [rows.len(), rows[0].len()];
        tensor(
            rows.into_iter().flatten().map(to_f32).collect(),
            shape,
            &Device::flex(),
        )
    }

    fn assert_close(name: &str, found: Tensor<2>, expected: Tensor<2>) {
        assert_eq!(found.dims(), expected.dims(), "{name}");
        let worst = distance(&values(found), &values(expected));
        assert!(worst < CLOSE, "{name}: {worst}");
    }

    fn leaf(value: Tensor<2>) -> Tensor<2> {
        value.autodiff().require_grad()
    }

    fn adapter(case: &Value, weight: &Tensor<2>) -> Adapter {
        let lora = Lora {
            a: leaf(read(&case["A"]).transpose()),
            b: leaf(read(&case["B"]).transpose()),
            scale: case["scaling"].as_f64().unwrap(),
            dropout: 0.0,
        };
        if case["kind"] == "lora" {
            return Adapter::Lora(Box::new(lora));
        }
        let mut dora = Dora::new(lora, weight);
        dora.magnitude = leaf(read(&case["magnitude"]));
        Adapter::Dora(Box::new(dora))
    }

    #[test]
    fn outputs_gradients_and_merged_weights_are_those_of_peft() {
        // Oracle: tests/golden/rl/dora.json, made by its `make/dora.py` and checked against PEFT.
        let text = include_str!("../../../tests/golden/rl/dora.json");
        let golden: Value = serde_json::from_str(text).unwrap();
        for (index, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
            let at = |key: &str| format!("case {index}, {key}");
            let weight = read(&case["W"]).transpose();
            let mut adapter = adapter(case, &weight);
            let x = leaf(read(&case["x"]));
            let dropout = case["dropout"].as_f64().unwrap();
            let dropped =
                (dropout > 0.0).then(|| x.clone() * read(&case["dropout_keep"]) / (1.0 - dropout));

            let y = match &adapter {
                Adapter::Lora(lora) => lora.forward(x.clone(), dropped, &weight),
                Adapter::Dora(dora) => dora.forward(x.clone(), dropped, &weight),
            };
            let bias = case["bias"].as_array().map(|_| read(&case["bias"]));
            let y = bias.map_or(y.clone(), |bias| y.clone() + bias);
            let mut gradients = (y.clone() * read(&case["upstream"])).sum().backward();

            assert_close(&at("y"), y.inner(), read(&case["y"]));
            assert_close(
                &at("merged_W"),
                adapter.merged(&weight).transpose(),
                read(&case["merged_W"]),
            );
            assert_close(
                &at("dx"),
                x.grad_remove(&mut gradients).unwrap(),
                read(&case["dx"]),
            );
            adapter.each_parameter("", &mut |parameter: Parameter<'_>| {
                let found = parameter.tensor.grad_remove(&mut gradients).unwrap();
                let (key, found) = match parameter.name.as_str() {
                    ".lora_A.weight" => ("dA", found.transpose()),
                    ".lora_B.weight" => ("dB", found.transpose()),
                    _ => ("dm", found),
                };
                assert_close(&at(key), found, read(&case[key]));
            });
        }
    }

    #[test]
    fn dropout_hits_its_rate_keeps_the_mean_and_repeats() {
        let x = Tensor::<2>::ones([200, 500], &Device::flex());
        let draw = |seed| {
            Dropout::new(stream(seed, "dropout", 0, 0))
                .apply(&x, 0.1)
                .unwrap()
        };
        let dropped = values(draw(1));

        let zeros = dropped.iter().filter(|value| **value == 0.0).count();
        let mean = dropped.iter().sum::<f32>() / 1e5;

        // 500: five standard deviations of the count of 100,000 draws; the mean follows.
        assert!(zeros.abs_diff(10_000) < 500, "{zeros}");
        assert!((mean - 1.0).abs() < 0.006, "{mean}");
        assert_eq!(dropped, values(draw(1)));
        assert_ne!(dropped, values(draw(2)));
        assert!(
            Dropout::new(stream(1, "dropout", 0, 0))
                .apply(&x, 0.0)
                .is_none()
        );
    }

    #[test]
    fn a_mask_that_is_made_on_the_device_is_the_hosts() {
        // Kernels are for 32 bits: other types go the way of a GPU.
        let x = Tensor::<2>::ones([30, 70], &Device::flex());
        let draw = |x: &Tensor<2>| {
            let mut dropout = Dropout::new(stream(3, "dropout", 0, 0));
            let both = [dropout.apply(x, 0.3), dropout.apply(x, 0.3)];
            both.map(|one| values(one.unwrap().cast(burn::tensor::DType::F32)))
        };

        let host = draw(&x);
        let device = draw(&x.cast(burn::tensor::DType::F64));

        for (host, device) in host.iter().zip(&device) {
            // 1e-7: a scale of 32 bits.
            assert!(distance(host, device) < 1e-7);
        }
        assert_ne!(host[0], host[1]);
    }

    #[test]
    fn adapters_begin_as_in_peft() {
        let settings = crate::model::fixture::adapter(AdapterKind::Dora);
        let weight = tensor((0..32u8).map(f32::from).collect(), [4, 8], &Device::flex());
        let mut projection = Projection::new(weight.clone(), None);
        projection.set_adapter(Adapter::new(&settings, "q_proj", &weight, 1));

        let norms = weight.square().sum_dim(0).sqrt();
        projection.each_parameter("q_proj", &mut |parameter: parameter::Parameter<'_>| {
            let values = values(parameter.tensor.clone());
            match parameter.name.as_str() {
                // U(-1/√in, 1/√in) with 4 inputs.
                "q_proj.lora_A.weight" => {
                    assert!(values.iter().all(|value| value.abs() <= 0.5));
                    assert!(values.iter().any(|value| value.abs() > 0.3));
                }
                "q_proj.lora_B.weight" => assert!(values.iter().all(|value| *value == 0.0)),
                "q_proj.lora_magnitude_vector" => {
                    assert!(
                        distance(&values, &crate::model::fixture::values(norms.clone())) < CLOSE
                    );
                }
                _ => {}
            }
        });
    }
}
