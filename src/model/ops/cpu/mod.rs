//! Kernels for the processor, where Burn's are the limit.
//!
//! Each function takes tensors and gives none if these are not 32-bit numbers in the processor's
//! memory; the caller then uses Burn's operations. Products and attention also leave tensors of a
//! graph to Burn; norm, gate, rotation and softmax are differentiated here. The inner loops are written
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

mod adam;
mod attention;
mod back;
mod distribution;
mod dots;
mod exponential;
mod formula;
mod fresh;
mod graph;
mod host;
mod lanes;
mod packed;
mod prefetch;
mod processor;
mod product;
mod row;
#[cfg(test)]
mod sample;
mod scores;
mod strip;
mod sweep;
pub(super) mod team;
mod tile;

use burn::tensor::{DType, Tensor};

use super::rounding::to_f32;

pub use adam::{AdamStep, adam_step};

use attention::{Cached, Query};
use host::{Host, Narrow, tensor};
use packed::Packed;
use tile::Weights;

/// Whether a tensor lies in the processor's memory, in 32 bits, in a graph or not.
pub(super) fn is_on_processor(tensor: &Tensor<2>) -> bool {
    Host::of(&tensor.clone().inner()).is_some()
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

/// The products of `x` with several matrices, each with a bias perhaps, where `x` has many rows: they
/// are packed once.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - of each matrix: `[k, columns]`, of its bias `[1, columns]`
/// - outputs: `[rows, columns]`
pub(super) fn products<const N: usize>(
    x: &Tensor<2>,
    maps: [(&Tensor<2>, Option<&Tensor<2>>); N],
) -> Option<[Tensor<2>; N]> {
    let [rows, k] = x.dims();
    if !product::has_tiles(rows) {
        return None;
    }
    let maps = graph::each(maps, |(w, bias)| {
        let bias = match bias {
            Some(bias) => Some(Host::of(bias)?),
            None => None,
        };
        Some((Host::of(w)?, w.dims()[1], bias))
    })?;
    let biases = maps
        .each_ref()
        .map(|(.., bias)| bias.as_ref().map(Host::rows));
    let mut weights = Vec::with_capacity(N);
    for ((w, columns, _), bias) in maps.iter().zip(&biases) {
        weights.push(Weights {
            w: w.matrix(k, *columns)?,
            columns: *columns,
            bias: bias.as_deref(),
        });
    }
    let x = Packed::of(&Host::of(x)?.rows(), k);
    let outs = tile::products::<N>(&x, weights.try_into().ok()?);
    let mut columns = maps.iter().map(|(_, columns, _)| *columns);
    Some(outs.map(|out| tensor(out, [rows, columns.next().unwrap_or(0)])))
}

/// See [`Mlp`](super::mlp::Mlp); where `x` has many rows, what is gated goes no way through memory
/// but as rows that lie ready for the last product.
///
/// # Shapes
///
/// - `x`, output: `[rows, d]`
/// - `gate`, `up`: `[d, width]`
/// - `down`: `[width, d]`
pub(super) fn mlp(x: &Tensor<2>, [gate, up, down]: [&Tensor<2>; 3]) -> Option<Tensor<2>> {
    let ([rows, k], [width, columns]) = (x.dims(), down.dims());
    if !product::has_tiles(rows) {
        return None;
    }
    let (x, gate, up, down) = (
        Host::of(x)?,
        Host::of(gate)?,
        Host::of(up)?,
        Host::of(down)?,
    );
    let (gate, up) = (gate.matrix(k, width)?, up.matrix(k, width)?);
    let w = down.matrix(width, columns)?;
    let gated = tile::gated(&Packed::of(&x.rows(), k), gate, up, width);
    let down = Weights {
        w,
        columns,
        bias: None,
    };
    let [out] = tile::products(&gated, [down]);
    Some(tensor(out, [rows, columns]))
}

/// The product `x · w` of 16 bits, summed in 32 and then rounded to 16, as values of 32 bits.
///
/// None but for a transposed view `w`, which is an output head. The plain product turns the head over
/// and widens it whole; here a few columns are wide at a time.
///
/// # Shapes
///
/// - as [`product`]
pub(super) fn narrow_product(x: &Tensor<2>, w: &Tensor<2>) -> Option<Tensor<2>> {
    let ([rows, k], [_, columns]) = (x.dims(), w.dims());
    let w = Narrow::of(w)?;
    let x = Host::of(&x.clone().cast(DType::F32))?;
    let out = w.columns(k, columns)?.dots(&x.rows(), k);
    Some(tensor(out, [rows, columns]))
}

/// See [`RmsNorm`](super::norm::RmsNorm).
///
/// # Shapes
///
/// - `x`, output: `[rows, d]`
/// - `weight`: `[1, d]`
pub(super) fn rms_norm(x: &Tensor<2>, weight: &Tensor<2>, epsilon: f64) -> Option<Tensor<2>> {
    let epsilon = to_f32(epsilon);
    graph::apply(formula::RmsNorm { epsilon }, [x, weight])
}

/// `silu(gate) · up`.
///
/// # Shapes
///
/// - all: `[rows, width]`
pub(super) fn swiglu(gate: &Tensor<2>, up: &Tensor<2>) -> Option<Tensor<2>> {
    graph::apply(formula::SwiGlu, [gate, up])
}

/// See [`Rotation`](super::rope::Rotation).
///
/// # Shapes
///
/// - `x`, output: `[batch, time, heads, head_dim]`
/// - `cos`, `sin`: `[batch, time, 1, head_dim / 2]`
pub(super) fn rotate(x: &Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Option<Tensor<4>> {
    let (half, cos, sin) = (x.dims()[3] / 2, Host::of(cos)?, Host::of(sin)?);
    graph::apply(formula::Rotate { cos, sin, half }, [x])
}

/// Softmax along the last dimension.
///
/// # Shapes
///
/// - `scores`, output: `[batch, heads, rows, columns]`
pub(super) fn softmax(scores: &Tensor<4>) -> Option<Tensor<4>> {
    let width = scores.dims()[3];
    graph::apply(formula::Softmax { width }, [scores])
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
