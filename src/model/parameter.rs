//! A decoder's parameters, by the names of its checkpoint.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

/// The token embedding, in the checkpoint.
pub(super) const EMBEDDING: &str = "model.embed_tokens";

/// The final norm, in the checkpoint.
pub(super) const FINAL_NORM: &str = "model.norm";

/// The output head, in the checkpoint.
pub(super) const HEAD: &str = "lm_head";

/// The norm before the attention of a block.
pub(super) const INPUT_NORM: &str = "input_layernorm";

/// The attention of a block.
pub(super) const ATTENTION: &str = "self_attn";

/// The norms of each head of queries and of keys, in the attention.
pub(super) const HEAD_NORMS: [&str; 2] = ["q_norm", "k_norm"];

/// The norm before the feed-forward layer of a block.
pub(super) const MLP_NORM: &str = "post_attention_layernorm";

/// The feed-forward layer of a block.
pub(super) const MLP: &str = "mlp";

/// The block with the number `index`, in the checkpoint.
pub(super) fn block(index: usize) -> String {
    format!("model.layers.{index}")
}

/// The weight of a layer.
pub(super) fn weight(layer: &str) -> String {
    format!("{layer}.weight")
}

/// The bias of a projection.
pub(super) fn bias(layer: &str) -> String {
    format!("{layer}.bias")
}

/// How the layout of a parameter in memory follows from its layout in the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[out, in]` in the checkpoint, `[in, out]` in memory.
    Matrix,
    /// The same in both: rows are looked up.
    Table,
    /// `[n]` in the checkpoint, `[1, n]` in memory.
    Vector,
}

impl Layout {
    /// The shape in the checkpoint of a tensor with the shape `dims` in memory.
    pub(super) fn shape_in_file(self, dims: [usize; 2]) -> Vec<usize> {
        match self {
            Self::Matrix => vec![dims[1], dims[0]],
            Self::Table => dims.to_vec(),
            Self::Vector => vec![dims[1]],
        }
    }
}

/// What a parameter is for, which decides its layout and its initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A row for each token: the embedding, or an output head.
    Table,
    /// A matrix that reads the residual stream, or what a block has made of it.
    Input,
    /// A matrix whose product is added to the residual stream.
    Output,
    /// The weight of a norm.
    Norm,
    /// What is added to a product.
    Bias,
}

impl Role {
    /// The layout of parameters with this role.
    pub(super) fn layout(self) -> Layout {
        match self {
            Self::Table => Layout::Table,
            Self::Input | Self::Output => Layout::Matrix,
            Self::Norm | Self::Bias => Layout::Vector,
        }
    }
}

/// One entry of the list of a decoder's parameters: a parameter without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterShape {
    /// The name in the checkpoint.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The shape in memory.
    pub dims: [usize; 2],
}

impl ParameterShape {
    /// The number of its elements.
    pub fn elements(&self) -> usize {
        self.dims[0] * self.dims[1]
    }
}

/// The values of the parameters from which a decoder is built, by name.
#[derive(Debug)]
pub(super) struct ParameterValues(BTreeMap<String, Tensor<2>>);

impl ParameterValues {
    /// Asks `source` for the value of each parameter of a list.
    pub(super) fn read<E>(
        list: Vec<ParameterShape>,
        mut source: impl FnMut(&ParameterShape) -> Result<Tensor<2>, E>,
    ) -> Result<Self, E> {
        let mut values = BTreeMap::new();
        for shape in list {
            let value = source(&shape)?;
            values.insert(shape.name, value);
        }
        Ok(Self(values))
    }

    /// Removes and returns a value that every list has.
    ///
    /// # Panics
    ///
    /// If the list did not have the name.
    pub(super) fn take(&mut self, name: &str) -> Tensor<2> {
        self.take_if_listed(name)
            .unwrap_or_else(|| unreachable!("the list of parameters has no `{name}`"))
    }

    /// Removes and returns a value that only some lists have.
    pub(super) fn take_if_listed(&mut self, name: &str) -> Option<Tensor<2>> {
        self.0.remove(name)
    }
}

/// One parameter of a decoder, to be read or replaced.
#[derive(Debug)]
pub(super) struct Parameter<'a> {
    /// The name in the checkpoint; for an adapter, PEFT's name without its prefix.
    pub(super) name: String,
    /// How the checkpoint stores it.
    pub(super) layout: Layout,
    /// Whether it belongs to an adapter.
    pub(super) is_adapter: bool,
    /// The value.
    pub(super) tensor: &'a mut Tensor<2>,
}

/// What is done with each parameter.
pub(super) type Visit<'v> = dyn FnMut(Parameter<'_>) + 'v;

/// Passes a parameter of the base model to `visit`.
pub(super) fn base(name: String, layout: Layout, tensor: &mut Tensor<2>, visit: &mut Visit<'_>) {
    visit(Parameter {
        name,
        layout,
        is_adapter: false,
        tensor,
    });
}
