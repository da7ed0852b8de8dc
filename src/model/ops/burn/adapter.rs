//! Products with an adapted weight. The product with the frozen weight itself is an argument.

use burn::tensor::{DType, Tensor};

use crate::model::ops::adapted::AdaptedWeight;

/// See [`lora_product`](crate::model::ops::lora_product).
pub(in crate::model::ops) fn lora_product(
    x: Tensor<2>,
    dropped: Option<Tensor<2>>,
    adapted: &AdaptedWeight<'_>,
    product: impl Fn(Tensor<2>, &Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    let low_rank = low_rank(dropped.unwrap_or_else(|| x.clone()), adapted);
    product(x, adapted.weight) + low_rank
}

/// See [`dora_product`](crate::model::ops::dora_product).
pub(in crate::model::ops) fn dora_product(
    x: Tensor<2>,
    dropped: Option<Tensor<2>>,
    adapted: &AdaptedWeight<'_>,
    ratio: Tensor<2>,
    product: impl Fn(Tensor<2>, &Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    let ratio = ratio.cast(x.dtype());
    let plain = product(x.clone(), adapted.weight);
    match dropped {
        None => (plain + low_rank(x, adapted)) * ratio,
        Some(dropped) => {
            let change = product(dropped.clone(), adapted.weight);
            plain + change * (ratio.clone() - 1.0) + low_rank(dropped, adapted) * ratio
        }
    }
}

/// `s·x·A·B`, in the type of `x`.
fn low_rank(x: Tensor<2>, adapted: &AdaptedWeight<'_>) -> Tensor<2> {
    let dtype = x.dtype();
    let narrow = x
        .cast(DType::F32)
        .matmul(adapted.a.clone())
        .mul_scalar(adapted.scale);
    narrow.matmul(adapted.b.clone()).cast(dtype)
}
