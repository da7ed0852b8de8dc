//! A linear map, with an adapter or without one.

use burn::tensor::Tensor;

use super::{
    adapter::{Adapter, Dropout},
    ops,
    parameter::{self, Layout, ParameterValues, Visit},
};

/// `x·W + b`, with an adapter or without one.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    weight: Tensor<2>,
    bias: Option<Tensor<2>>,
    adapter: Option<Adapter>,
}

impl Projection {
    /// Builds the projection `name` of the checkpoint, with a bias if the list has one.
    pub(super) fn build(name: &str, values: &mut ParameterValues) -> Self {
        let weight = values.take(&parameter::weight(name));
        let bias = values.take_if_listed(&parameter::bias(name));
        Self::new(weight, bias)
    }

    /// # Shapes
    ///
    /// - `weight`: `[in, out]`
    /// - `bias`: `[1, out]`
    pub(super) fn new(weight: Tensor<2>, bias: Option<Tensor<2>>) -> Self {
        Self {
            weight,
            bias,
            adapter: None,
        }
    }

    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]`
    pub(super) fn forward(&self, x: Tensor<2>, dropout: Option<&mut Dropout>) -> Tensor<2> {
        let output = match &self.adapter {
            None => ops::product(x, &self.weight),
            Some(adapter) => adapter.forward(x, &self.weight, dropout),
        };
        match &self.bias {
            Some(bias) => output + bias.clone(),
            None => output,
        }
    }

    /// As [`Self::forward`], for several maps of the same rows.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - outputs: `[rows, out]`
    pub(super) fn forward_each<const N: usize>(
        projections: [&Self; N],
        x: &Tensor<2>,
        mut dropout: Option<&mut Dropout>,
    ) -> [Tensor<2>; N] {
        if projections.iter().all(|one| one.adapter.is_none()) {
            let maps = projections.map(|one| (&one.weight, one.bias.as_ref()));
            return ops::products(x, maps);
        }
        projections.map(|one| one.forward(x.clone(), dropout.as_deref_mut()))
    }

    /// Whether it has an adapter.
    pub(super) fn is_adapted(&self) -> bool {
        self.adapter.is_some()
    }

    /// The weight, if there is neither an adapter nor a bias.
    pub(super) fn plain(&self) -> Option<&Tensor<2>> {
        (self.adapter.is_none() && self.bias.is_none()).then_some(&self.weight)
    }

    /// The frozen weight, `[in, out]`.
    pub(super) fn weight(&self) -> &Tensor<2> {
        &self.weight
    }

    /// Adds or removes the adapter.
    pub(super) fn set_adapter(&mut self, adapter: Option<Adapter>) {
        self.adapter = adapter;
    }

    /// Whether the adapter drops parts of its input in training.
    pub(super) fn drops(&self) -> bool {
        self.adapter.as_ref().is_some_and(Adapter::drops)
    }

    /// Takes from `dropout` what a pass over `rows` rows would take.
    pub(super) fn skip_dropout(&self, rows: usize, dropout: &mut Dropout) {
        if let Some(adapter) = &self.adapter {
            dropout.skip(rows * self.weight.dims()[0], adapter.dropout());
        }
    }

    /// Folds the adapter into the weight.
    pub(super) fn merge(&mut self) {
        if let Some(adapter) = self.adapter.take() {
            self.weight = adapter.merged(&self.weight);
        }
    }

    /// Recomputes what the adapter derives from its parameters, after they have changed.
    pub(super) fn refresh(&mut self) {
        if let Some(adapter) = &mut self.adapter {
            adapter.refresh(&self.weight);
        }
    }

    pub(super) fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        let weight = &mut self.weight;
        parameter::base(parameter::weight(name), Layout::Matrix, weight, visit);
        if let Some(bias) = &mut self.bias {
            parameter::base(parameter::bias(name), Layout::Vector, bias, visit);
        }
        if let Some(adapter) = &mut self.adapter {
            adapter.each_parameter(name, visit);
        }
    }
}
