//! The operations of the model: the only names that layers, sampler and optimiser know.
//!
//! Each function picks an implementation by where its tensors are and what they are. An
//! implementation is a folder: `burn` has the plain formulas in Burn's tensors, which work
//! everywhere and which every other implementation is tested against; `cpu` has kernels for the
//! processor, `gpu` for GPUs. An implementation declines what it does not compute, with a reason, and
//! the next one takes over, at last the plain formula; [`fallbacks`] says how often.
//! [`graph`] gives an implementation's operations a forward and a backward.

mod adam_step;
mod adapted;
mod burn;
mod cpu;
mod fallback;
mod gpu;
mod gpu_facts;
mod graph;
mod inverse_cdf;
mod log_softmax;
mod starts;
mod survey;
#[cfg(test)]
mod tests;

use ::burn::tensor::Tensor;

use crate::seed::Stream;

use fallback::count;

pub use adam_step::AdamStep;
pub use fallback::{Declined, Fallback, Implementation, Operation, fallbacks};
pub use gpu_facts::GpuFacts;
pub use survey::{gpu_facts, survey};

pub(super) use adapted::AdaptedWeight;
pub(super) use cpu::Sampler;
pub(super) use log_softmax::LogSoftmax;
pub(super) use starts::Starts;

/// The implementation for tensors such as this one, in a graph or not.
pub(super) fn implementation(tensor: &Tensor<2>) -> Implementation {
    if cpu::is_here(tensor) {
        Implementation::Cpu
    } else if gpu::is_here(tensor) {
        Implementation::Gpu
    } else {
        Implementation::Burn
    }
}

/// Asks the kernels for GPUs where those for the processor decline. If the numbers are not on a GPU
/// either, the first reason says more.
fn or_gpu<T>(
    found: Result<T, Declined>,
    gpu: impl FnOnce() -> Result<T, Declined>,
) -> Result<T, Declined> {
    found.or_else(|declined| {
        gpu().map_err(|reason| match reason {
            Declined::Elsewhere => declined,
            _ => reason,
        })
    })
}

/// The product `x · w`.
///
/// # Shapes
///
/// - `x`: `[rows, k]`: two dimensions, because Burn copies the weight for a third
/// - `w`: `[k, columns]`
/// - output: `[rows, columns]`
pub fn product(x: Tensor<2>, w: &Tensor<2>) -> Tensor<2> {
    or_gpu(cpu::product(&x, w), || gpu::product(&x, w)).unwrap_or_else(|declined| {
        count(Operation::Product, declined);
        burn::product(x, w)
    })
}

/// The libraries that kernels for this machine's GPUs need, each with the reason why it is missing, if
/// it is.
pub fn gpu_libraries() -> Vec<(&'static str, Option<String>)> {
    gpu::libraries()
}

/// The product of a few rows with a span of `k`, steps in flight and warps side by side of the caller's
/// choice, for the benchmark that compares them.
///
/// # Shapes
///
/// - `x`: `[rows, k]`, at most 64 rows of bf16 numbers on an NVIDIA GPU
/// - `w`: `[k, columns]`
/// - output: `[rows, columns]`
pub fn gpu_product_by_choice(
    x: &Tensor<2>,
    w: &Tensor<2>,
    choice: [usize; 3],
) -> Result<Tensor<2>, Declined> {
    gpu::product_by_choice(x, w, choice)
}

/// The products of the same rows with several matrices, with a bias or without one.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - each matrix: `[k, columns]`, its bias: `[1, columns]`
/// - outputs: `[rows, columns]`
pub fn products<const N: usize>(
    x: &Tensor<2>,
    maps: [(&Tensor<2>, Option<&Tensor<2>>); N],
) -> [Tensor<2>; N] {
    if let Ok(outputs) = gpu::products(x, maps) {
        return outputs;
    }
    if cpu::packs(x.dims()[0]) {
        match cpu::products(x, maps) {
            Ok(outputs) => return outputs,
            Err(declined) => count(Operation::Products, declined),
        }
    }
    maps.map(|(w, bias)| {
        let output = product(x.clone(), w);
        match bias {
            Some(bias) => output + bias.clone(),
            None => output,
        }
    })
}

/// The product with a weight and its low-rank adapter, `x·W + s·x'·A·B`, where `x'` is `x` with
/// some elements dropped.
///
/// # Shapes
///
/// - `x`, `dropped`: `[rows, in]`
/// - output: `[rows, out]`
pub(super) fn lora_product(
    x: Tensor<2>,
    dropped: Option<Tensor<2>>,
    adapted: &AdaptedWeight<'_>,
) -> Tensor<2> {
    burn::lora_product(x, dropped, adapted, by_gpu)
}

/// The product with a weight and its low-rank adapter, each output of which is scaled:
/// `x·W + (r - 1)·x'·W + r·s·x'·A·B`, where `x'` is `x` with some elements dropped.
///
/// # Shapes
///
/// - `x`, `dropped`: `[rows, in]`
/// - `ratio`, which is `r`: `[1, out]`, 32-bit numbers
/// - output: `[rows, out]`
pub(super) fn dora_product(
    x: Tensor<2>,
    dropped: Option<Tensor<2>>,
    adapted: &AdaptedWeight<'_>,
    ratio: Tensor<2>,
) -> Tensor<2> {
    burn::dora_product(x, dropped, adapted, ratio, by_gpu)
}

/// A product with a frozen weight in a graph, which only kernels for GPUs compute.
fn by_gpu(x: Tensor<2>, w: &Tensor<2>) -> Tensor<2> {
    gpu::product(&x, w).unwrap_or_else(|_| burn::product(x, w))
}

/// The gated feed-forward layer `down(silu(gate(x)) · up(x))`.
///
/// # Shapes
///
/// - `x`, output: `[rows, d]`
/// - `gate`, `up`: `[d, width]`
/// - `down`: `[width, d]`
pub fn gated_mlp(x: &Tensor<2>, [gate, up, down]: [&Tensor<2>; 3]) -> Tensor<2> {
    if let Ok(output) = gpu::gated_mlp(x, [gate, up, down]) {
        return output;
    }
    if cpu::packs(x.dims()[0]) {
        match cpu::gated_mlp(x, [gate, up, down]) {
            Ok(output) => return output,
            Err(declined) => count(Operation::GatedMlp, declined),
        }
    }
    let gate = product(x.clone(), gate);
    let up = product(x.clone(), up);
    product(swiglu(gate, up), down)
}

/// The product of hidden states with the output head, as 32-bit numbers.
///
/// # Shapes
///
/// - `hidden`: `[rows, d]`
/// - `head`: `[d, vocabulary]`, a transposed view: products of two dimensions read it without a
///   copy
/// - output: `[rows, vocabulary]`
pub fn logits(hidden: Tensor<2>, head: Tensor<2>) -> Tensor<2> {
    let found = cpu::logits(&hidden, &head);
    or_gpu(found, || gpu::logits(&hidden, &head)).unwrap_or_else(|declined| {
        count(Operation::Logits, declined);
        burn::logits(hidden, head)
    })
}

/// The logarithm of the softmax of logits at a temperature.
///
/// # Shapes
///
/// - `logits`: `[rows, vocabulary]`
pub(super) fn log_softmax(logits: Tensor<2>, temperature: f64) -> LogSoftmax {
    LogSoftmax::new(logits, temperature)
}

/// Scales each row to a mean square of one, then each column by a weight.
///
/// # Shapes
///
/// - `x`, output: `[rows, d]`
/// - `weight`: `[1, d]`
pub(super) fn rms_norm(x: Tensor<2>, weight: &Tensor<2>, epsilon: f64) -> Tensor<2> {
    let found = cpu::rms_norm(&x, weight, epsilon);
    or_gpu(found, || gpu::rms_norm(&x, weight, epsilon)).unwrap_or_else(|declined| {
        count(Operation::RmsNorm, declined);
        burn::rms_norm(x, weight, epsilon)
    })
}

/// The sum of two matrices, and its [`rms_norm`].
///
/// Only kernels for GPUs outside a graph compute both at once.
///
/// # Shapes
///
/// - `x`, `change`, outputs: `[rows, d]`
/// - `weight`: `[1, d]`
pub(super) fn sum_and_norm(
    x: Tensor<2>,
    change: Tensor<2>,
    weight: &Tensor<2>,
    epsilon: f64,
) -> [Tensor<2>; 2] {
    gpu::sum_and_norm([&x, &change], weight, epsilon).unwrap_or_else(|_| {
        let sum = x + change;
        [sum.clone(), rms_norm(sum, weight, epsilon)]
    })
}

/// `silu(gate) · up`.
///
/// # Shapes
///
/// - all: `[rows, width]`
pub(super) fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    or_gpu(cpu::swiglu(&gate, &up), || gpu::swiglu(&gate, &up)).unwrap_or_else(|declined| {
        count(Operation::SwiGlu, declined);
        burn::swiglu(gate, up)
    })
}

/// Rotates each pair of numbers of each head; the two of a pair are half a head apart.
///
/// # Shapes
///
/// - `x`, output: `[batch, time, heads, head_dim]`
/// - `cos`, `sin`: `[batch, time, 1, head_dim / 2]`
pub(super) fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let found = cpu::rotate(&x, &cos, &sin);
    or_gpu(found, || gpu::rotate(&x, &cos, &sin)).unwrap_or_else(|declined| {
        count(Operation::Rotation, declined);
        burn::rotate(x, cos, sin)
    })
}

/// Writes keys, which it [rotates](rotate), and values into buffers, after `past` tokens.
///
/// A buffer without another owner is written in place.
///
/// # Shapes
///
/// - `k`, `v`: `[batch, time, heads, head_dim]`
/// - `cos`, `sin`: `[batch, time, 1, head_dim / 2]`
/// - buffers, outputs: `[batch, heads, capacity, head_dim]`
pub(super) fn place(
    [k, v]: [Tensor<4>; 2],
    [cos, sin]: [Tensor<4>; 2],
    buffers: [Tensor<4>; 2],
    past: usize,
) -> [Tensor<4>; 2] {
    gpu::place([&k, &v], [&cos, &sin], buffers, past).unwrap_or_else(|(_, [keys, values])| {
        let [batch, time, heads, width] = k.dims();
        let place = [0..batch, 0..heads, past..past + time, 0..width];
        let k = rotate(k, cos, sin).swap_dims(1, 2);
        [
            keys.slice_assign(place.clone(), k),
            values.slice_assign(place, v.swap_dims(1, 2)),
        ]
    })
}

/// Softmax along the last dimension.
///
/// # Shapes
///
/// - `scores`, output: `[batch, heads, rows, columns]`
pub(super) fn softmax(scores: Tensor<4>) -> Tensor<4> {
    or_gpu(cpu::softmax(&scores), || gpu::softmax(&scores)).unwrap_or_else(|declined| {
        count(Operation::Softmax, declined);
        burn::softmax(scores)
    })
}

/// Causal attention of groups of query heads to the keys that they share.
///
/// A query sees what is between the start of its sequence and itself. `visibility` makes the mask that is added
/// to scores like the queries, or none if every query sees every column; it is called only if the
/// mask is needed. What padding attends to is not specified.
///
/// # Shapes
///
/// - `q`: `[batch, last, heads, head_dim]`, the last tokens of each sequence
/// - `k`, `v`: `[batch, kv_heads, past + time, head_dim]`
/// - `visibility`: `[batch or 1, 1, time, past + time]`
/// - output: `[batch · last, heads · head_dim]`
pub(super) fn attention(
    [q, k, v]: [Tensor<4>; 3],
    starts: &Starts<'_>,
    visibility: impl FnOnce(&Tensor<4>) -> Option<Tensor<4>>,
) -> Tensor<2> {
    let found = cpu::attention(&q, &k, &v, starts.rows());
    or_gpu(found, || {
        gpu::attention([&q, &k, &v], |device| starts.on(device))
    })
    .unwrap_or_else(|declined| {
        count(Operation::Attention, declined);
        let visibility = visibility(&q);
        burn::attention([q, k, v], visibility, softmax)
    })
}

/// The parameter and both moments after a step of Adam. Without moments, they begin at 0.
///
/// # Shapes
///
/// - all: the shape of the parameter
pub fn adam_step(
    step: &AdamStep,
    parameter: Tensor<2>,
    gradient: Tensor<2>,
    moments: Option<[Tensor<2>; 2]>,
) -> [Tensor<2>; 3] {
    let found = cpu::adam_step(step, &parameter, &gradient, moments.as_ref());
    let gpu = || gpu::adam_step(step, &parameter, &gradient, moments.as_ref());
    or_gpu(found, gpu).unwrap_or_else(|declined| {
        count(Operation::AdamStep, declined);
        burn::adam_step(step, parameter, gradient, moments)
    })
}

/// Draws a token of each row, and returns it with its log-probability before any filter.
///
/// Logits on another device stay there, unless a filter needs all of them.
///
/// # Shapes
///
/// - `logits`: `[rows, vocabulary]`, 32-bit numbers
pub(super) fn draw(
    sampler: &Sampler,
    logits: Tensor<2>,
    mut streams: Vec<&mut Stream>,
) -> Vec<(u32, f32)> {
    if !cpu::is_here(&logits) {
        let drawn = if sampler.keeps_all() {
            let temperature = sampler.temperature();
            gpu::draw(&logits, temperature, &mut streams)
                .or_else(|_| burn::draw(&logits, temperature, &mut streams))
        } else {
            Err(Declined::Filters)
        };
        match drawn {
            Ok(drawn) => return drawn,
            Err(declined) => count(Operation::Draw, declined),
        }
    }
    let logits = logits.into_data();
    let logits = logits
        .as_slice::<f32>()
        .expect("the output head gives 32-bit numbers");
    sampler.draw(logits, streams)
}
