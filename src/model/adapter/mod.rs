//! Low-rank adapters beside a frozen weight.

mod dora;
mod dropout;
mod lora;

use burn::tensor::{Device, Tensor, TensorData};

use crate::seed::stream;

use super::{
    AdapterKind, AdapterSettings,
    parameter::{Layout, Parameter, Visit},
    rounding::to_f32,
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
    /// An adapter that leaves the projection `name` as it is, with random numbers of its own.
    ///
    /// None, if the settings ask for none.
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
        let dropped = dropout.and_then(|dropout| dropout.apply(&x, self.lora().dropout));
        match self {
            Self::Lora(lora) => lora.forward(x, dropped, weight),
            Self::Dora(dora) => dora.forward(x, dropped, weight),
        }
    }

    /// The weight that alone does what weight and adapter do together.
    pub(super) fn merged(&self, weight: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Lora(lora) => weight.clone() + lora.delta().cast(weight.dtype()),
            Self::Dora(dora) => dora.merged(weight),
        }
    }

    /// Recomputes what is kept of the parameters.
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

    fn lora(&self) -> &Lora {
        match self {
            Self::Lora(lora) => lora,
            Self::Dora(dora) => &dora.lora,
        }
    }
}

/// PEFT's initial `A`: uniform within ±1/√in.
fn initial_a(settings: &AdapterSettings, name: &str, weight: &Tensor<2>, seed: u64) -> Vec<f32> {
    let width = weight.dims()[0];
    let bound = (width as f64).powf(-0.5);
    let mut stream = stream(seed, &format!("adapter {name}"), 0, 0);
    (0..width * settings.r)
        .map(|_| to_f32((2.0 * stream.uniform() - 1.0) * bound))
        .collect()
}

/// A tensor of 32-bit numbers: adapters are trained in 32 bits whatever the weights have.
fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(values, shape),
        (device, burn::tensor::DType::F32),
    )
}
