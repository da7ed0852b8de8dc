//! Causal attention of groups of query heads.

use burn::tensor::Tensor;

/// See [`attention`](crate::model::ops::attention).
///
/// `softmax` is a parameter because the operation picks an implementation of it, too.
pub(in crate::model::ops) fn attention(
    [q, k, v]: [Tensor<4>; 3],
    visibility: Option<Tensor<4>>,
    softmax: impl FnOnce(Tensor<4>) -> Tensor<4>,
) -> Tensor<2> {
    let ([batch, last, heads, d], [_, kv_heads, total, _]) = (q.dims(), k.dims());
    let rows = heads / kv_heads * last;
    // The heads of a group become rows of one matrix, so that no key is repeated.
    let scale = (d as f64).powf(-0.5);
    let q = q
        .mul_scalar(scale)
        .swap_dims(1, 2)
        .reshape([batch, kv_heads, rows, d]);
    let scores = q.matmul(k.swap_dims(2, 3));
    let scores = match visibility {
        Some(visibility) => {
            let time = visibility.dims()[2];
            let scores = scores.reshape([batch, heads, last, total]);
            let visibility = visibility.narrow(2, time - last, last);
            (scores + visibility).reshape([batch, kv_heads, rows, total])
        }
        None => scores,
    };
    softmax(scores)
        .matmul(v)
        .reshape([batch, heads, last, d])
        .swap_dims(1, 2)
        .reshape([batch * last, heads * d])
}
