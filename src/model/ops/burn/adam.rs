//! A step of Adam, operation by operation.

use burn::tensor::{DType, Tensor};

use crate::model::ops::adam_step::AdamStep;

/// See [`adam_step`](crate::model::ops::adam_step).
pub(in crate::model::ops) fn adam_step(
    step: &AdamStep,
    parameter: Tensor<2>,
    gradient: Tensor<2>,
    moments: Option<[Tensor<2>; 2]>,
) -> [Tensor<2>; 3] {
    // Half precision has too few digits for squares and small steps.
    let dtype = parameter.dtype();
    let parameter = widened(parameter);
    let gradient = widened(gradient) * step.clip;
    let [old_first, old_second] = match moments {
        Some([first, second]) => [Some(first), Some(second)],
        None => [None, None],
    };
    let first = moment(old_first, gradient.clone(), step.first);
    let second = moment(old_second, gradient.clone() * gradient, step.second);
    let divisor = second.clone().sqrt() / step.root_bias + step.epsilon;
    let decayed = match step.decay {
        Some(decay) => parameter * decay,
        None => parameter,
    };
    let new = (decayed - first.clone() / divisor * step.rate).cast(dtype);
    [new, first, second]
}

/// Half precision as single precision; wider types unchanged.
fn widened(tensor: Tensor<2>) -> Tensor<2> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => tensor.cast(DType::F32),
        _ => tensor,
    }
}

/// Moves a running mean towards `value`.
fn moment(old: Option<Tensor<2>>, value: Tensor<2>, [decay, rest]: [f64; 2]) -> Tensor<2> {
    let new = value * rest;
    match old {
        Some(old) => old * decay + new,
        None => new,
    }
}
