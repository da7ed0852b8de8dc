//! A decoder's parameters, by the names of its checkpoint.

use burn::tensor::Tensor;

/// How a parameter's layout in memory follows from that in the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[out, in]` in the checkpoint, `[in, out]` in memory.
    Matrix,
    /// The same in both: the rows are looked up.
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

/// One parameter of a decoder, to be read or replaced.
#[derive(Debug)]
pub(super) struct Parameter<'a> {
    /// The name in the checkpoint, or for an adapter PEFT's name without its prefix.
    pub(super) name: String,
    /// How the checkpoint keeps it.
    pub(super) layout: Layout,
    /// Whether it belongs to an adapter.
    pub(super) is_adapter: bool,
    /// The value.
    pub(super) tensor: &'a mut Tensor<2>,
}

/// What is done with each parameter.
pub(super) type Visit<'v> = dyn FnMut(Parameter<'_>) + 'v;

/// Shows a parameter of the base model to `visit`.
pub(super) fn base(name: String, layout: Layout, tensor: &mut Tensor<2>, visit: &mut Visit<'_>) {
    visit(Parameter {
        name,
        layout,
        is_adapter: false,
        tensor,
    });
}
