//! What a binary without the backend for NVIDIA GPUs has instead of products on them: no tensor is
//! there.

use burn::tensor::Tensor;

use crate::model::ops::fallback::Declined;

pub(in crate::model::ops) fn product(_: &Tensor<2>, _: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn products<const N: usize>(
    _: &Tensor<2>,
    _: [(&Tensor<2>, Option<&Tensor<2>>); N],
) -> Result<[Tensor<2>; N], Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn gated_mlp(
    _: &Tensor<2>,
    _: [&Tensor<2>; 3],
) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn logits(_: &Tensor<2>, _: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn product_by_choice(
    _: &Tensor<2>,
    _: &Tensor<2>,
    _: [usize; 3],
) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn libraries() -> Vec<(&'static str, Option<String>)> {
    Vec::new()
}
