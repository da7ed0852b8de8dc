//! Launches the CUDA texts through `CubeCL`: its compiler, its cache of kernels and its stream.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::LazyLock,
};

use burn_cubecl::tensor::CubeTensor;
use cubecl::{
    PrecompiledSource,
    ir::{UIntKind, attributes::BufferIOAttr, metadata::Info, settings::Dim3},
    prelude::*,
    server::{KernelArguments, MetadataBindingInfo},
};

use super::matrix::Matrix;
use crate::model::ops::gpu::cuda::shape::{AddParts, FewRows, MOST_MAPS, THREADS, texts};

/// A text with its constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kernel {
    FewRows(FewRows),
    AddParts(AddParts),
}

/// What the compiled kernels depend on besides their constants. `CubeCL` keeps them between processes,
/// and knows only their names.
static VERSION: LazyLock<u64> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    texts().hash(&mut hasher);
    hasher.finish()
});

const BLOCK: Dim3 = Dim3 {
    x: THREADS,
    y: 1,
    z: 1,
};

impl KernelMetadata for Kernel {
    fn id(&self) -> KernelId {
        // A kernel from the cache takes the size of its blocks from here.
        KernelId::new::<Self>()
            .info((*self, *VERSION))
            .cube_dim(BLOCK)
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl CubeKernel for Kernel {
    fn define(&self) -> KernelDefinition {
        let settings = KernelSettings::new(BLOCK, ExecutionMode::Unchecked, AddressType::U32);
        KernelDefinition {
            body: Scope::root(settings.clone()),
            settings,
            info: Info::default(),
        }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        let (source, name) = match self {
            Self::FewRows(few) => (few.text(), "few_rows"),
            Self::AddParts(add) => (add.text(), "add_parts"),
        };
        Some(PrecompiledSource {
            source,
            entrypoint_name: name.to_owned(),
            lang: "cuda",
        })
    }
}

/// The kernel's parameters in their order.
struct Parameters(KernelArguments);

impl Parameters {
    fn new() -> Self {
        Self(KernelArguments::new())
    }

    fn read(self, tensor: &CubeTensor) -> Self {
        let binding = tensor.handle.clone().binding();
        Self(self.0.with_buffer_io(binding, BufferIOAttr::ReadOnly))
    }

    fn write(self, tensor: &CubeTensor) -> Self {
        let binding = tensor.handle.clone().binding();
        Self(self.0.with_buffer_io(binding, BufferIOAttr::WriteOnly))
    }

    /// A number, after all tensors.
    fn number(self, number: usize) -> Self {
        let data = vec![number as u64];
        // Nothing of it is in a buffer: CubeCL passes it by value.
        Self(self.0.with_info(MetadataBindingInfo {
            dynamic_metadata_offset: data.len(),
            data,
        }))
    }
}

fn launch(kernel: Kernel, on: &CubeTensor, [x, y]: [usize; 2], parameters: Parameters) {
    let narrow = |blocks: usize| u32::try_from(blocks).unwrap_or(u32::MAX);
    let count = CubeCount::Static(narrow(x), narrow(y), 1);
    on.client.launch(Box::new(kernel), count, parameters.0);
}

/// The parts of the products of `x` with each matrix.
///
/// # Shapes
///
/// - output: `[splits, rows, columns of all matrices]`, 32-bit numbers
pub(super) fn few_rows(few: FewRows, x: &Matrix, weights: &[&Matrix]) -> CubeTensor {
    let ([rows, _], [_, splits]) = (x.dims(), few.grid());
    let part = x.fresh_wide(&[splits, rows, few.columns().iter().sum()]);
    let parameters = weights
        .iter()
        .fold(Parameters::new().read(x.tensor()), |parameters, weight| {
            parameters.read(weight.tensor())
        });
    let parameters = parameters.write(&part).number(rows);
    launch(Kernel::FewRows(few), x.tensor(), few.grid(), parameters);
    part
}

/// The sums of the parts, with a bias for each matrix that has one.
pub(super) fn add_parts(
    few: &FewRows,
    part: &CubeTensor,
    biases: [Option<&Matrix>; MOST_MAPS],
    like: &Matrix,
) -> Vec<Matrix> {
    let rows = part.meta.shape()[1];
    let columns = few.columns().into_iter().filter(|columns| *columns > 0);
    let outs: Vec<Matrix> = columns.map(|columns| like.fresh([rows, columns])).collect();
    let add = few.parts(biases.map(|bias| bias.is_some()), false);
    let mut parameters = Parameters::new().read(part);
    for bias in biases.into_iter().flatten() {
        parameters = parameters.read(bias.tensor());
    }
    for out in &outs {
        parameters = parameters.write(out.tensor());
    }
    launch(Kernel::AddParts(add), part, add.grid(rows), parameters);
    outs
}

/// `silu(gate) · up` of the sums of the parts of two matrices.
pub(super) fn add_gated_parts(few: &FewRows, part: &CubeTensor, like: &Matrix) -> Matrix {
    let rows = part.meta.shape()[1];
    let out = like.fresh([rows, few.columns()[0]]);
    let add = few.parts([false; MOST_MAPS], true);
    let parameters = Parameters::new().read(part).write(out.tensor());
    launch(Kernel::AddParts(add), part, add.grid(rows), parameters);
    out
}
