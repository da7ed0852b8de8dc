//! Products on CUDA devices, of bf16 numbers.
//!
//! Up to 64 rows are the CUDA text `few_rows.cu`, from 65 rows on cuBLASLt computes, and where that
//! library is missing, cubek's double-buffered kernels do. All of them read weights as they are
//! stored, also transposed ones.

mod generic;
mod launch;
mod library;
mod matrix;
#[cfg(test)]
mod tests;

use std::sync::Once;

use burn::{backend::Cube, tensor::Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::cuda::shape::{Choice, FewRows, MOST_MAPS, MOST_ROWS, Stored};
use crate::model::ops::{
    fallback::{Declined, Operation, count},
    graph::{Formula, apply},
};
use library::LibraryError;
use matrix::Matrix;

/// The libraries that products need, each with the reason why it is missing, if it is.
pub(in crate::model::ops) fn libraries() -> Vec<(&'static str, Option<String>)> {
    let in_words = |error: LibraryError| error.to_string();
    vec![
        ("NVRTC", library::missing_compiler().map(in_words)),
        ("cuBLASLt", library::missing().map(LibraryError::to_string)),
    ]
}

/// The product `x · w`; in a graph if `x` is in one. Weights in a graph are declined.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - `w`: `[k, columns]`, perhaps a transposed view
/// - output: `[rows, columns]`
pub(in crate::model::ops) fn product(x: &Tensor<2>, w: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    let w = Matrix::of(w)?;
    // Of the inputs, only their place is of interest: `apply` reads them.
    Matrix::of(&x.clone().inner())?;
    apply::<Matrix, _, 1, 2>(Times { w }, [x])
}

/// The [product](product) of up to 64 rows with another span of `k` for a block, with so many steps in
/// flight and so many warps side by side, for a benchmark that compares the choices.
pub(in crate::model::ops) fn product_by_choice(
    x: &Tensor<2>,
    w: &Tensor<2>,
    [span, ahead, side]: [usize; 3],
) -> Result<Tensor<2>, Declined> {
    let (x, w) = (few(x)?, Matrix::of(w)?);
    let choice = Choice { span, ahead, side };
    let shape = shape(&x, &[&w]).and_then(|shape| shape.with(choice));
    let shape = shape.ok_or(Declined::Layout)?;
    let part = launch::few_rows(shape, &x, &[&w]);
    let mut outs = launch::add_parts(&shape, &part, [None; MOST_MAPS], &x);
    let out = outs.pop().ok_or(Declined::Layout)?;
    Ok(out.into_tensor())
}

/// The products of `x` with several matrices, with a bias or without one, in one launch and another
/// one that adds the parts. Other numbers of rows than those of a decode step, and graphs, are
/// declined.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - each matrix: `[k, columns]`, its bias: `[1, columns]`
/// - outputs: `[rows, columns]`
pub(in crate::model::ops) fn products<const N: usize>(
    x: &Tensor<2>,
    maps: [(&Tensor<2>, Option<&Tensor<2>>); N],
) -> Result<[Tensor<2>; N], Declined> {
    let x = few(x)?;
    let mut weights = Vec::new();
    let mut biases: [Option<Matrix>; MOST_MAPS] = [const { None }; MOST_MAPS];
    for (index, (weight, bias)) in maps.into_iter().enumerate() {
        weights.push(Matrix::of(weight)?);
        let place = biases.get_mut(index).ok_or(Declined::Layout)?;
        *place = bias.map(Matrix::of).transpose()?;
    }
    let weights: Vec<&Matrix> = weights.iter().collect();
    let shape = shape(&x, &weights).ok_or(Declined::Layout)?;
    let part = launch::few_rows(shape, &x, &weights);
    let outs = launch::add_parts(&shape, &part, biases.each_ref().map(Option::as_ref), &x);
    let outs: Vec<Tensor<2>> = outs.into_iter().map(Matrix::into_tensor).collect();
    outs.try_into().map_err(|_| Declined::Layout)
}

/// `down(silu(gate(x)) · up(x))` of the rows of a decode step, in four launches.
///
/// # Shapes
///
/// - `x`, output: `[rows, d]`
/// - `gate`, `up`: `[d, width]`
/// - `down`: `[width, d]`
pub(in crate::model::ops) fn gated_mlp(
    x: &Tensor<2>,
    [gate, up, down]: [&Tensor<2>; 3],
) -> Result<Tensor<2>, Declined> {
    let x = few(x)?;
    let (gate, up, down) = (Matrix::of(gate)?, Matrix::of(up)?, Matrix::of(down)?);
    let shape = shape(&x, &[&gate, &up]).ok_or(Declined::Layout)?;
    let part = launch::few_rows(shape, &x, &[&gate, &up]);
    let gated = launch::add_gated_parts(&shape, &part, &x);
    Ok(multiply(&gated, &down).into_tensor())
}

/// The product with an output head, as 32-bit numbers that were never rounded to 16 bits.
///
/// # Shapes
///
/// - `x`: `[rows, k]`
/// - `w`: `[k, columns]`, a transposed view
/// - output: `[rows, columns]`
pub(in crate::model::ops) fn logits(x: &Tensor<2>, w: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    let (x, w) = (Matrix::of(x)?, Matrix::of(w)?);
    let ([rows, _], [_, columns]) = (x.dims(), w.dims());
    let single = shape(&x, &[&w]).filter(|shape| shape.splits() == 1);
    if let Some(shape) = single {
        let part = launch::few_rows(shape, &x, &[&w]);
        let logits: Tensor<3> = Tensor::from_primitive::<Cube>(part);
        return Ok(logits.reshape([rows, columns]));
    }
    let out = x.fresh_wide(&[rows, columns]);
    by_library(&x, &w, &out)?;
    Ok(Tensor::from_primitive::<Cube>(out))
}

/// The rows of a decode step, outside any graph.
fn few(x: &Tensor<2>) -> Result<Matrix, Declined> {
    let x = Matrix::of(x)?;
    if x.dims()[0] > MOST_ROWS {
        return Err(Declined::Layout);
    }
    Ok(x)
}

/// The launch of `few_rows.cu` that computes the products, if there is one.
fn shape(x: &Matrix, weights: &[&Matrix]) -> Option<FewRows> {
    let mut stored: Vec<Stored> = Vec::new();
    let mut are_turned = Vec::new();
    for weight in weights {
        let (one, is_turned) = weight.stored()?;
        stored.push(one);
        are_turned.push(is_turned);
    }
    let is_turned = are_turned.iter().any(|is_turned| *is_turned);
    if !x.has_instructions() || are_turned.iter().any(|other| *other != is_turned) {
        return None;
    }
    FewRows::of(x.dims(), x.row_pitch()?, &stored, is_turned)
}

/// The product `x · w` of any number of rows and any layout.
fn multiply(x: &Matrix, w: &Matrix) -> Matrix {
    if let Some(shape) = shape(x, &[w]) {
        let part = launch::few_rows(shape, x, &[w]);
        let mut outs = launch::add_parts(&shape, &part, [None; MOST_MAPS], x);
        if let Some(out) = outs.pop() {
            return out;
        }
    }
    let ([rows, _], [_, columns]) = (x.dims(), w.dims());
    let out = x.fresh([rows, columns]);
    match by_library(x, w, out.tensor()) {
        Ok(()) => out,
        Err(declined) => {
            count(Operation::Product, declined);
            generic::multiply(x, w)
        }
    }
}

/// Writes the product `x · w` into `out` by cuBLASLt. The first time that the library is missing, a
/// warning says so.
fn by_library(x: &Matrix, w: &Matrix, out: &CubeTensor) -> Result<(), Declined> {
    static SAID: Once = Once::new();
    if let Some(reason) = library::missing() {
        SAID.call_once(|| tracing::warn!("{reason}"));
        return Err(Declined::Library);
    }
    library::multiply(x, w, out).map_err(|error| {
        tracing::debug!("{error}");
        Declined::Layout
    })
}

/// The product with a matrix that has no gradient.
#[derive(Clone, Debug)]
struct Times {
    w: Matrix,
}

impl Formula<Matrix, 1> for Times {
    fn value(&self, [x]: [&Matrix; 1]) -> Matrix {
        multiply(x, &self.w)
    }

    /// The gradient needs no input, and a graph that kept `x` for it would need memory for it.
    fn kept(&self, _: [&Matrix; 1]) -> [Matrix; 1] {
        [self.w.clone()]
    }

    fn gradients(
        &self,
        [w]: [&Matrix; 1],
        gradient: &Matrix,
        is_wanted: [bool; 1],
    ) -> [Option<Matrix>; 1] {
        [is_wanted[0].then(|| multiply(gradient, &w.turned()))]
    }
}
