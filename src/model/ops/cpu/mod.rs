//! Kernels for the processor, where Burn's are the limit.
//!
//! Each function computes 32-bit numbers in the memory of the processor, or says why it does not
//! compute its inputs. Products, attention and the step of Adam also decline tensors of a graph.
//! Norm, gate, rotation and softmax have gradients. The inner loops are written once, for vectors
//! of any width, and compiled for each instruction set that a processor may have.
//!
//! No digit of a result depends on the number of threads or on the other rows: a completion is the
//! same in any batch.

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
mod draw;
mod host;
mod product;
mod row;
mod simd;
mod threads;

use burn::tensor::{DType, Tensor};

use crate::model::rounding::to_f32;

use super::{
    fallback::Declined,
    graph::{apply, each},
};

pub(super) use adam::adam_step;
pub(in crate::model) use draw::Sampler;

use attention::{AttentionInputs, Cached};
use host::{HalfHost, Host, tensor};
use product::{
    dots,
    packed::Packed,
    tile::{self, Weights},
};
use row::formula::{RmsNorm, Rotate, Softmax, SwiGlu};

/// Whether a tensor is in the memory of the processor, in a graph or not.
pub(super) fn is_here(tensor: &Tensor<2>) -> bool {
    Host::of(&tensor.clone().inner()).is_ok()
}

/// Whether products of so many rows are packed, so that several of the same rows should be computed
/// together.
pub(super) fn packs(rows: usize) -> bool {
    product::has_tiles(rows)
}

/// The product `x · w`.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - `w`: `[k, columns]`, perhaps a transposed view
/// - output: `[rows, columns]`
pub(super) fn product(x: &Tensor<2>, w: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    let ([rows, k], [_, columns]) = (x.dims(), w.dims());
    let (x, w) = (Host::of(x)?, Host::of(w)?);
    let (w, strides) = w.strided()?;
    let w = &w[..k * columns];
    let x = x.rows();
    let out = match strides.as_slice() {
        [stride, 1] if *stride == columns => product::product(&x, w, k, columns),
        [1, stride] if *stride == k => dots::dots(&x, w, k),
        _ => return Err(Declined::Layout),
    };
    Ok(tensor(out, [rows, columns]))
}

/// The products of `x` with several matrices, with a bias or without one. The rows are packed once.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - each matrix: `[k, columns]`, its bias: `[1, columns]`
/// - outputs: `[rows, columns]`
pub(super) fn products<const N: usize>(
    x: &Tensor<2>,
    maps: [(&Tensor<2>, Option<&Tensor<2>>); N],
) -> Result<[Tensor<2>; N], Declined> {
    let [rows, k] = x.dims();
    let maps = each(maps, |(w, bias)| {
        let bias = bias.map(Host::of).transpose()?;
        Ok((Host::of(w)?, w.dims()[1], bias))
    })?;
    let biases = maps
        .each_ref()
        .map(|(.., bias)| bias.as_ref().map(Host::rows));
    let x = Host::of(x)?;
    let mut columns = maps.each_ref().map(|(_, columns, _)| *columns).into_iter();
    let mut biases = biases.iter();
    let weights = each(maps.each_ref(), |(w, columns, _)| {
        Ok(Weights {
            w: w.matrix(k, *columns)?,
            columns: *columns,
            bias: biases.next().and_then(Option::as_deref),
        })
    })?;
    let outs = tile::products(&Packed::of(&x.rows(), k), weights);
    Ok(outs.map(|out| tensor(out, [rows, columns.next().unwrap_or(0)])))
}

/// `down(silu(gate(x)) · up(x))`. The gated rows are written once, already packed for the product
/// with `down`.
///
/// # Shapes
///
/// - `x`, output: `[rows, d]`
/// - `gate`, `up`: `[d, width]`
/// - `down`: `[width, d]`
pub(super) fn gated_mlp(
    x: &Tensor<2>,
    [gate, up, down]: [&Tensor<2>; 3],
) -> Result<Tensor<2>, Declined> {
    let ([rows, k], [width, columns]) = (x.dims(), down.dims());
    let [x, gate, up, down] = each([x, gate, up, down], Host::of)?;
    let (gate, up) = (gate.matrix(k, width)?, up.matrix(k, width)?);
    let down = Weights {
        w: down.matrix(width, columns)?,
        columns,
        bias: None,
    };
    let gated = tile::gated(&Packed::of(&x.rows(), k), gate, up, width);
    let [out] = tile::products(&gated, [down]);
    Ok(tensor(out, [rows, columns]))
}

/// The product `x · w` with an output head `w`, as 32-bit numbers.
///
/// The sums of a head of 16-bit numbers are rounded to 16 bits, as Burn's are. Burn would transpose
/// and widen the whole head; this widens a few columns at a time.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - `w`: `[k, columns]`, a transposed view
/// - output: `[rows, columns]`
pub(super) fn logits(x: &Tensor<2>, w: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    if w.dtype() == DType::F32 {
        return product(x, w);
    }
    let ([rows, k], [_, columns]) = (x.dims(), w.dims());
    let w = HalfHost::of(w)?;
    let x = Host::of(&x.clone().cast(DType::F32))?;
    let out = w.columns(k, columns)?.dots(&x.rows(), k);
    Ok(tensor(out, [rows, columns]))
}

/// See [`rms_norm`](super::rms_norm).
pub(super) fn rms_norm(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    epsilon: f64,
) -> Result<Tensor<2>, Declined> {
    let epsilon = to_f32(epsilon);
    apply::<Host, _, 2, 2>(RmsNorm { epsilon }, [x, weight])
}

/// See [`swiglu`](super::swiglu).
pub(super) fn swiglu(gate: &Tensor<2>, up: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    apply::<Host, _, 2, 2>(SwiGlu, [gate, up])
}

/// See [`rotate`](super::rotate).
pub(super) fn rotate(
    x: &Tensor<4>,
    cos: &Tensor<4>,
    sin: &Tensor<4>,
) -> Result<Tensor<4>, Declined> {
    let (half, cos, sin) = (x.dims()[3] / 2, Host::of(cos)?, Host::of(sin)?);
    apply::<Host, _, 1, 4>(Rotate { cos, sin, half }, [x])
}

/// See [`softmax`](super::softmax).
pub(super) fn softmax(scores: &Tensor<4>) -> Result<Tensor<4>, Declined> {
    let width = scores.dims()[3];
    apply::<Host, _, 1, 4>(Softmax { width }, [scores])
}

/// See [`attention`](super::attention).
pub(super) fn attention(
    q: &Tensor<4>,
    k: &Tensor<4>,
    v: &Tensor<4>,
    starts: &[usize],
) -> Result<Tensor<2>, Declined> {
    let ([batch, time, heads, d], [_, kv_heads, total, _]) = (q.dims(), k.dims());
    let (q, k, v) = (
        Host::of(q)?,
        with_contiguous_rows(k)?,
        with_contiguous_rows(v)?,
    );
    let out = attention::attention(&AttentionInputs {
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
    Ok(tensor(out, [batch * time, heads * d]))
}

/// A view in which the rows of each head are contiguous, or else a copy.
fn with_contiguous_rows(x: &Tensor<4>) -> Result<Host, Declined> {
    let d = x.dims()[3];
    let host = Host::of(x)?;
    let is_contiguous = matches!(host.strided()?.1.as_slice(), [_, _, row, 1] if *row == d);
    if is_contiguous {
        return Ok(host);
    }
    Ok(host.like(host.rows().into_owned()))
}

fn cached(host: &Host) -> Result<Cached<'_>, Declined> {
    let (data, strides) = host.strided()?;
    Ok(Cached {
        data,
        sequence: strides[0],
        head: strides[1],
    })
}
