//! Kernels for the processor, where Burn's are the limit.
//!
//! Each function takes tensors and gives none if these are not 32-bit numbers in the processor's
//! memory, outside any graph; the caller then uses Burn's operations. The inner loops are written
//! once, for vectors of any width, and compiled for each instruction set that a processor may turn
//! out to have at run time.
//!
//! No digit of a result depends on the number of threads or on the rows beside it: a completion is
//! the same in any batch.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled without the vectors of the processor"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "several arrays share an index, and plain loops become vectors"
)]

mod attention;
mod dots;
mod exponential;
mod host;
mod lanes;
mod prefetch;
mod processor;
mod product;
mod row;
#[cfg(test)]
mod sample;
mod softmax;
mod tile;

use burn::tensor::Tensor;

use super::rounding::to_f32;

use attention::{Cached, Query};
use host::{Host, tensor};

/// Runs `work` on a thread that hands out work quickly, if `tensor` is the processor's.
pub(super) fn on_threads<T: Send>(tensor: &Tensor<2>, work: impl FnOnce() -> T + Send) -> T {
    if Host::of(tensor).is_some() {
        rayon::scope(|_| work())
    } else {
        work()
    }
}

/// The product `x · w`.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - `w`: `[k, columns]`, perhaps a transposed view
/// - output: `[rows, columns]`
pub(super) fn product(x: &Tensor<2>, w: &Tensor<2>) -> Option<Tensor<2>> {
    let ([rows, k], [_, columns]) = (x.dims(), w.dims());
    let (x, w) = (Host::of(x)?, Host::of(w)?);
    let (w, strides) = w.strided()?;
    let w = &w[..k * columns];
    let x = x.rows();
    let out = match strides.as_slice() {
        [stride, 1] if *stride == columns => product::product(&x, w, k, columns),
        [1, stride] if *stride == k => dots::dots(&x, w, k),
        _ => return None,
    };
    Some(tensor(out, [rows, columns]))
}

/// See [`RmsNorm`](super::norm::RmsNorm).
///
/// # Shapes
///
/// - `x`, output: `[rows, d]`
/// - `weight`: `[1, d]`
pub(super) fn rms_norm(x: &Tensor<2>, weight: &Tensor<2>, epsilon: f64) -> Option<Tensor<2>> {
    let shape = x.dims();
    let (x, weight) = (Host::of(x)?, Host::of(weight)?);
    Some(tensor(
        row::rms_norm(&x.rows(), &weight.rows(), to_f32(epsilon)),
        shape,
    ))
}

/// `silu(gate) · up`.
///
/// # Shapes
///
/// - all: `[rows, width]`
pub(super) fn swiglu(gate: &Tensor<2>, up: &Tensor<2>) -> Option<Tensor<2>> {
    let shape = gate.dims();
    let (gate, up) = (Host::of(gate)?, Host::of(up)?);
    Some(tensor(row::swiglu(&gate.rows(), &up.rows()), shape))
}

/// See [`Rotation`](super::rope::Rotation).
///
/// # Shapes
///
/// - `x`, output: `[batch, time, heads, head_dim]`
/// - `cos`, `sin`: `[batch, time, 1, head_dim / 2]`
pub(super) fn rotate(x: &Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Option<Tensor<4>> {
    let shape = x.dims();
    let (x, cos, sin) = (Host::of(x)?, Host::of(cos)?, Host::of(sin)?);
    let half = shape[3] / 2;
    Some(tensor(
        row::rotate(&x.rows(), &cos.rows(), &sin.rows(), half),
        shape,
    ))
}

/// Causal attention of groups of heads to the keys that they share.
///
/// # Shapes
///
/// - `q`: `[batch, time, heads, head_dim]`
/// - `k`, `v`: `[batch, kv_heads, past + time, head_dim]`
/// - `starts`: the first real column of each sequence
/// - output: `[batch · time, heads · head_dim]`
pub(super) fn attention(
    q: &Tensor<4>,
    k: &Tensor<4>,
    v: &Tensor<4>,
    starts: &[usize],
) -> Option<Tensor<2>> {
    let ([batch, time, heads, d], [_, kv_heads, total, _]) = (q.dims(), k.dims());
    let (q, k, v) = (Host::of(q)?, together(k)?, together(v)?);
    let out = attention::attention(&Query {
        q: &q.rows(),
        k: cached(&k)?,
        v: cached(&v)?,
        starts,
        kv_heads,
        group: heads / kv_heads,
        d,
        time,
        past: total - time,
        scale: to_f32((d as f64).powf(-0.5)),
    });
    Some(tensor(out, [batch * time, heads * d]))
}

/// A view whose rows lie one after the other within a head, or else a copy.
fn together(x: &Tensor<4>) -> Option<Host> {
    let d = x.dims()[3];
    let host = Host::of(x)?;
    let is_together = matches!(host.strided()?.1.as_slice(), [_, _, row, 1] if *row == d);
    if is_together {
        return Some(host);
    }
    let copy = tensor(host.rows().into_owned(), x.dims());
    Host::of(&copy)
}

fn cached(host: &Host) -> Option<Cached<'_>> {
    let (data, strides) = host.strided()?;
    Some(Cached {
        data,
        sequence: strides[0],
        head: strides[1],
    })
}
