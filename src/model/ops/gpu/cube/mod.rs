//! Kernels for any GPU, written once for CUDA, Vulkan, Metal and DirectX.
//!
//! Each function computes numbers of 32 or 16 bits in the memory of a GPU, or says why it does not.
//! Sums are in 32 bits and in an order that depends on the length of a row alone, so that no digit
//! of a row depends on the other rows.

#![expect(
    clippy::used_underscore_binding,
    reason = "the types of a kernel's numbers are an argument that its expansion alone reads"
)]

mod adam;
mod decode;
mod draw;
mod gate;
mod handle;
mod launch;
mod norm;
mod reduce;
mod rotation;
mod score;
mod softmax;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::{
    model::{
        ops::{
            adam_step::AdamStep,
            fallback::Declined,
            gpu_facts::GpuFacts,
            graph::{apply, each},
        },
        rounding::to_f32,
    },
    seed::Stream,
};

use decode::Sizes;
use gate::SwiGlu;
use handle::{OnDevice, Strided, Whole};
use norm::RmsNorm;
use rotation::{New, Rotate};
use score::LogProb;
use softmax::MaskedSoftmax;

/// Whether a tensor is in the memory of a GPU, in a graph or not.
pub(in crate::model::ops) fn is_here(tensor: &Tensor<2>) -> bool {
    Strided::of(&tensor.clone().inner()).is_ok()
}

/// What the device of a tensor says about itself, if it is a GPU.
pub(in crate::model::ops) fn facts(tensor: &Tensor<2>) -> Option<GpuFacts> {
    let client = OnDevice::of(tensor).ok()?.client();
    let properties = client.properties();
    Some(GpuFacts {
        name: properties.identity.name.clone(),
        compiled_for: properties.identity.fingerprint.clone(),
        memory_bytes: properties.memory.max_memory(),
        largest_tensor_bytes: properties.memory.max_page_size,
    })
}

/// See [`rms_norm`](crate::model::ops::rms_norm).
pub(in crate::model::ops) fn rms_norm(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    epsilon: f64,
) -> Result<Tensor<2>, Declined> {
    same_type([x.dtype(), weight.dtype()])?;
    let epsilon = to_f32(epsilon);
    apply::<OnDevice, _, 2, 2>(RmsNorm { epsilon }, [x, weight])
}

/// See [`sum_and_norm`](crate::model::ops::sum_and_norm).
pub(in crate::model::ops) fn sum_and_norm(
    inputs: [&Tensor<2>; 2],
    weight: &Tensor<2>,
    epsilon: f64,
) -> Result<[Tensor<2>; 2], Declined> {
    let [x, change] = inputs;
    same_type([x.dtype(), change.dtype(), weight.dtype()])?;
    let inputs = each([x, change, weight], OnDevice::of)?;
    let outputs = norm::sum_and_norm(to_f32(epsilon), inputs.each_ref());
    Ok(outputs.map(OnDevice::into_tensor))
}

/// See [`swiglu`](crate::model::ops::swiglu).
pub(in crate::model::ops) fn swiglu(
    gate: &Tensor<2>,
    up: &Tensor<2>,
) -> Result<Tensor<2>, Declined> {
    same_type([gate.dtype(), up.dtype()])?;
    apply::<OnDevice, _, 2, 2>(SwiGlu, [gate, up])
}

/// See [`rotate`](crate::model::ops::rotate).
pub(in crate::model::ops) fn rotate(
    x: &Tensor<4>,
    cos: &Tensor<4>,
    sin: &Tensor<4>,
) -> Result<Tensor<4>, Declined> {
    same_type([x.dtype(), cos.dtype(), sin.dtype()])?;
    let [cos, sin] = each([cos, sin], OnDevice::of)?;
    apply::<OnDevice, _, 1, 4>(Rotate { cos, sin }, [x])
}

/// See [`place`](crate::model::ops::place).
///
/// The buffers are given back if the kernel does not compute the inputs.
#[expect(
    clippy::result_large_err,
    reason = "the buffers go back to their owner"
)]
pub(in crate::model::ops) fn place(
    [k, v]: [&Tensor<4>; 2],
    [cos, sin]: [&Tensor<4>; 2],
    buffers: [Tensor<4>; 2],
    past: usize,
) -> Result<[Tensor<4>; 2], (Declined, [Tensor<4>; 2])> {
    let inputs = each([k, v, cos, sin], OnDevice::of);
    let are_here = each(buffers.each_ref(), |buffer| {
        let strides = Strided::of(buffer)?.strides().to_vec();
        let [_, heads, capacity, width] = buffer.dims();
        let is_contiguous = strides == [heads * capacity * width, capacity * width, width, 1];
        same_type([buffer.dtype(), k.dtype(), v.dtype(), cos.dtype()])?;
        is_contiguous.then_some(()).ok_or(Declined::Layout)
    });
    let [keys, values, cos, sin] = match are_here.and(inputs) {
        Ok(inputs) => inputs,
        Err(declined) => return Err((declined, buffers)),
    };
    let [time, capacity] = [k.dims()[1], buffers[0].dims()[2]];
    let new = New {
        keys: &keys,
        values: &values,
        cos: &cos,
        sin: &sin,
        time,
    };
    let buffers = buffers.map(|buffer| {
        let taken = Strided::taken(buffer).expect("it was read above");
        taken.alone()
    });
    rotation::place(&new, buffers.each_ref(), past, capacity);
    Ok(buffers.map(Strided::into_tensor))
}

/// See [`softmax`](crate::model::ops::softmax).
pub(in crate::model::ops) fn softmax(scores: &Tensor<4>) -> Result<Tensor<4>, Declined> {
    let [batch, heads, rows, _] = scores.dims();
    let starts = Tensor::<1, Int>::zeros([1], &scores.device().inner());
    let formula = MaskedSoftmax {
        scale: 1.0,
        last: 1,
        rows_of_one: batch * heads * rows,
        starts: Whole::of(&starts)?,
    };
    apply::<OnDevice, _, 1, 4>(formula, [scores])
}

/// See [`attention`](crate::model::ops::attention); `starts` copies them to a device.
pub(in crate::model::ops) fn attention(
    [q, k, v]: [&Tensor<4>; 3],
    starts: impl FnOnce(&Device) -> Tensor<1, Int>,
) -> Result<Tensor<2>, Declined> {
    same_type([q.dtype(), k.dtype(), v.dtype()])?;
    let ([batch, last, heads, d], [_, kv_heads, total, _]) = (q.dims(), k.dims());
    // Whether the tensors are on a GPU is known before anything is computed or copied there.
    let is_here = |tensor: &Tensor<4>| Strided::of(&tensor.clone().inner());
    each([q, k, v], is_here)?;
    let on_device = Whole::of(&starts(&q.device().inner()))?;
    let scale = (d as f64).powf(-0.5);
    let sizes = Sizes {
        batch,
        heads,
        kv_heads,
        head_dim: d,
        total,
    };
    if last == 1
        && sizes.fit()
        && let Ok(q) = OnDevice::of(q)
        && let Ok([k, v]) = each([k, v], lines)
        && k.strides() == v.strides()
    {
        let out = decode::attention(&q, [&k, &v], &on_device, to_f32(scale), sizes);
        return Ok(out.into_tensor());
    }
    // Products of narrow numbers would overflow without their scale.
    let (q, scale) = match q.dtype() {
        DType::F16 => (q.clone().mul_scalar(scale), 1.0),
        _ => (q.clone(), scale),
    };
    let formula = MaskedSoftmax {
        scale: to_f32(scale),
        last,
        rows_of_one: heads * last,
        starts: on_device,
    };
    // The heads of a group become rows of one matrix, so that no key is repeated.
    let rows = heads / kv_heads * last;
    let q = q.swap_dims(1, 2).reshape([batch, kv_heads, rows, d]);
    let scores = q.matmul(k.clone().swap_dims(2, 3));
    let shares = apply::<OnDevice, _, 1, 4>(formula, [&scores])?;
    let mixed = shares.matmul(v.clone());
    Ok(mixed
        .reshape([batch, heads, last, d])
        .swap_dims(1, 2)
        .reshape([batch * last, heads * d]))
}

/// Keys or values whose lines of one head are contiguous and aligned.
fn lines(cached: &Tensor<4>) -> Result<Strided, Declined> {
    let strided = Strided::of(cached)?;
    let d = cached.dims()[3];
    let is_read = matches!(strided.strides(), [row, head, line, 1]
        if *line == d && row.is_multiple_of(d) && head.is_multiple_of(d));
    is_read.then_some(strided).ok_or(Declined::Layout)
}

/// The log-probability of a token of each row, at a temperature.
///
/// # Shapes
///
/// - `logits`: `[rows, vocabulary]`, 32-bit numbers
/// - `tokens`, output: `[rows, 1]`
pub(in crate::model::ops) fn log_prob(
    logits: &Tensor<2>,
    tokens: &Tensor<2, Int>,
    temperature: f64,
) -> Result<Tensor<2>, Declined> {
    same_type([logits.dtype(), DType::F32])?;
    let formula = LogProb {
        tokens: Whole::of(tokens)?,
        temperature: to_f32(temperature),
    };
    apply::<OnDevice, _, 1, 2>(formula, [logits])
}

/// The entropy of each row of logits at a temperature, without a gradient.
///
/// # Shapes
///
/// - `logits`: `[rows, vocabulary]`, 32-bit numbers
/// - output: `[rows, 1]`
pub(in crate::model::ops) fn entropy(
    logits: &Tensor<2>,
    temperature: f64,
) -> Result<Tensor<2>, Declined> {
    same_type([logits.dtype(), DType::F32])?;
    let logits = OnDevice::of(&logits.clone().inner())?;
    Ok(score::entropy(&logits, to_f32(temperature)).into_tensor())
}

/// See [`adam_step`](crate::model::ops::adam_step).
pub(in crate::model::ops) fn adam_step(
    step: &AdamStep,
    parameter: &Tensor<2>,
    gradient: &Tensor<2>,
    moments: Option<&[Tensor<2>; 2]>,
) -> Result<[Tensor<2>; 3], Declined> {
    let shape = parameter.dims();
    let inputs = each([parameter, gradient], OnDevice::of)?;
    let moments = moments
        .map(|moments| each(moments.each_ref(), OnDevice::of))
        .transpose()?;
    if let Some([first, second]) = &moments {
        same_type([DType::F32, first.dtype(), second.dtype()])?;
    }
    let moments = moments.as_ref().map(<[OnDevice; 2]>::each_ref);
    let outputs = adam::adam_step(step, inputs.each_ref(), moments, shape);
    Ok(outputs.map(OnDevice::into_tensor))
}

/// Draws a token of each row without any filter, and returns it with its log-probability.
///
/// Temperature 0 takes the first of the most likely tokens. The numbers are those of the sampler but
/// for sums of 32 bits.
///
/// # Shapes
///
/// - `logits`: `[rows, vocabulary]`, 32-bit numbers
pub(in crate::model::ops) fn draw(
    logits: &Tensor<2>,
    temperature: f64,
    streams: &mut [&mut Stream],
) -> Result<Vec<(u32, f32)>, Declined> {
    same_type([logits.dtype(), DType::F32])?;
    let device: Device = logits.device();
    let read = OnDevice::of(logits)?;
    let is_greedy = temperature <= 0.0;
    let points: Vec<f32> = streams
        .iter_mut()
        .map(|stream| {
            if is_greedy {
                0.0
            } else {
                to_f32(stream.uniform())
            }
        })
        .collect();
    let rows = points.len();
    let points = Tensor::<2>::from_data(TensorData::new(points, [rows, 1]), &device);
    let temperature = (!is_greedy).then(|| to_f32(temperature));
    let drawn = draw::draw(&read, &OnDevice::of(&points)?, temperature);
    let drawn: Vec<f32> = drawn.into_tensor::<2>().into_data().iter::<f32>().collect();
    Ok(drawn
        .chunks_exact(2)
        .map(|one| (token(one[0]), one[1]))
        .collect())
}

/// A token that a kernel wrote as a real number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number below 2²⁴, which is exact"
)]
fn token(number: f32) -> u32 {
    number as u32
}

fn same_type<const N: usize>(types: [DType; N]) -> Result<(), Declined> {
    let is_same = types.iter().all(|one| *one == types[0]);
    is_same.then_some(()).ok_or(Declined::Dtype)
}
