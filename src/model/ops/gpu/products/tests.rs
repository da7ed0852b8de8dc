//! Products on a CUDA device, compared with the definition in 64 bits.
//!
//! Inputs are bf16 numbers, so that the only differences are those of sums in 32 bits and of one
//! rounding to 8 bits: 2⁻⁹ of a number at most, and less than 3e-3 of the norm of all.

use burn::tensor::{DType, Tensor, TensorData};

use super::{gated_mlp, library, logits, matrix::Matrix, product, product_by_choice, products};
use crate::{
    device::Backend,
    model::{ops::tests::fixture::numbers, rounding::to_f32},
};

/// Rows that need each number of blocks, and those of prompts and training.
const ROWS: [usize; 9] = [1, 7, 8, 9, 16, 33, 64, 65, 300];

/// `k` and columns: spans that are whole and not, tiles that are whole and not, a shape of a model.
const WEIGHTS: [[usize; 2]; 4] = [[64, 64], [1_040, 200], [3_584, 512], [18_944, 3_584]];

struct Inputs {
    tensor: Tensor<2>,
    values: Vec<f64>,
}

impl Inputs {
    fn new(seed: u64, shape: [usize; 2]) -> Self {
        let device = Backend::Cuda.open().unwrap();
        let data = TensorData::new(numbers(seed, shape[0] * shape[1]), shape);
        let tensor = Tensor::<2>::from_data(data, &device).cast(DType::BF16);
        let values = read(tensor.clone());
        Self { tensor, values }
    }
}

fn read(tensor: Tensor<2>) -> Vec<f64> {
    let wide = tensor.cast(DType::F32).into_data();
    wide.iter::<f32>().map(f64::from).collect()
}

fn exact(x: &[f64], w: &[f64], [rows, k, columns]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; rows * columns];
    for row in 0..rows {
        let sums = &mut out[row * columns..(row + 1) * columns];
        for (x, w) in x[row * k..(row + 1) * k].iter().zip(w.chunks(columns)) {
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum += x * w;
            }
        }
    }
    out
}

fn turned(w: &[f64], columns: usize) -> Vec<f64> {
    (0..columns)
        .flat_map(|column| w.iter().skip(column).step_by(columns).copied())
        .collect()
}

fn check(what: &str, found: Tensor<2>, exact: &[f64], tolerance: f64) {
    let found = read(found);
    assert_eq!(found.len(), exact.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let distance = norm(&mut found.iter().zip(exact).map(|(a, b)| a - b));
    let distance = distance / norm(&mut exact.iter().copied());
    assert!(
        distance < tolerance,
        "{what}: off by {distance} of the norm"
    );
}

/// The rows of each case; few for a large weight, because the oracle takes a second a row.
fn cases() -> impl Iterator<Item = [usize; 3]> {
    WEIGHTS.into_iter().flat_map(|[k, columns]| {
        let rows = ROWS.into_iter().filter(move |rows| rows * k < 2_000_000);
        rows.map(move |rows| [rows, k, columns])
    })
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn products_equal_the_definition_on_a_gpu() {
    for [rows, k, columns] in cases() {
        let (x, w) = (Inputs::new(1, [rows, k]), Inputs::new(2, [k, columns]));
        let expected = exact(&x.values, &w.values, [rows, k, columns]);

        let found = product(&x.tensor, &w.tensor).unwrap();
        check(&format!("{rows} x {k} x {columns}"), found, &expected, 3e-3);

        // The same from a transposed weight, and as logits.
        let device = x.tensor.device();
        let data: Vec<f32> = turned(&w.values, columns)
            .iter()
            .map(|value| to_f32(*value))
            .collect();
        let w = Tensor::<2>::from_data(TensorData::new(data, [columns, k]), &device);
        let w = w.cast(DType::BF16).transpose();
        let found = product(&x.tensor, &w).unwrap();
        check(
            &format!("{rows} x {k} x {columns}, turned"),
            found,
            &expected,
            3e-3,
        );
        if let Ok(found) = logits(&x.tensor, &w) {
            assert_eq!(found.dtype(), DType::F32);
            check(
                &format!("{rows} x {k} x {columns}, logits"),
                found,
                &expected,
                1e-5,
            );
        } else {
            assert!(library::missing().is_some() && rows > 64);
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn shared_rows_and_gates_equal_the_definition_on_a_gpu() {
    let (k, columns) = (1_040, 200);
    for rows in [1, 8, 30, 64] {
        let x = Inputs::new(1, [rows, k]);
        let [a, b] = [2, 3].map(|seed| Inputs::new(seed, [k, columns]));
        let bias = Inputs::new(4, [1, columns]);
        let [of_a, of_b] = [&a, &b].map(|one| exact(&x.values, &one.values, [rows, k, columns]));

        let maps = [(&a.tensor, Some(&bias.tensor)), (&b.tensor, None)];
        let [found, plain] = products(&x.tensor, maps).unwrap();
        let repeated = bias.values.iter().cycle();
        let biased: Vec<f64> = of_a
            .iter()
            .zip(repeated)
            .map(|(sum, bias)| sum + bias)
            .collect();
        check("with a bias", found, &biased, 3e-3);
        check("without one", plain, &of_b, 3e-3);

        let down = Inputs::new(5, [columns, 64]);
        let found = gated_mlp(&x.tensor, [&a.tensor, &b.tensor, &down.tensor]).unwrap();
        let silu = |gate: f64| gate / (1.0 + (-gate).exp());
        let gated: Vec<f64> = of_a
            .iter()
            .zip(&of_b)
            .map(|(gate, up)| silu(*gate) * up)
            .collect();
        let expected = exact(&gated, &down.values, [rows, columns, 64]);
        // The gated numbers are rounded once more.
        check("the feed-forward layer", found, &expected, 6e-3);
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn the_gradient_of_a_product_equals_the_definition_on_a_gpu() {
    for rows in [8, 300] {
        let (k, columns) = (1_040, 200);
        let (x, w) = (Inputs::new(1, [rows, k]), Inputs::new(2, [k, columns]));
        let factor = Inputs::new(3, [rows, columns]);
        let tracked = x.tensor.clone().autodiff().require_grad();

        let found = product(&tracked, &w.tensor).unwrap();
        let weighted = found * factor.tensor.clone().autodiff();
        let mut gradients = weighted.cast(DType::F32).sum().backward();

        let found = tracked.grad_remove(&mut gradients).unwrap();
        let w = turned(&w.values, columns);
        let expected = exact(&factor.values, &w, [rows, columns, k]);
        check(
            &format!("the gradient of {rows} rows"),
            found,
            &expected,
            3e-3,
        );
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn no_digit_of_a_row_depends_on_its_neighbours_on_a_gpu() {
    let (k, columns) = (18_944, 3_584);
    let (x, w) = (Inputs::new(1, [64, k]), Inputs::new(2, [k, columns]));
    let together = read(product(&x.tensor, &w.tensor).unwrap());
    for row in [0, 7, 8, 63] {
        let alone = read(product(&x.tensor.clone().narrow(0, row, 1), &w.tensor).unwrap());
        assert_eq!(alone, together[row * columns..(row + 1) * columns]);
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn every_choice_equals_the_definition_on_a_gpu() {
    let [rows, k, columns] = [20, 3_584, 520];
    let (x, w) = (Inputs::new(1, [rows, k]), Inputs::new(2, [k, columns]));
    let expected = exact(&x.values, &w.values, [rows, k, columns]);
    for choice in [[512, 4, 1], [1_024, 2, 1], [1_024, 6, 1], [2_048, 4, 2]] {
        let found = product_by_choice(&x.tensor, &w.tensor, choice).unwrap();
        check(&format!("choice {choice:?}"), found, &expected, 3e-3);
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn a_missing_library_changes_no_product_beyond_rounding_on_a_gpu() {
    let [rows, k, columns] = [300, 1_040, 200];
    let (x, w) = (Inputs::new(1, [rows, k]), Inputs::new(2, [k, columns]));
    let expected = exact(&x.values, &w.values, [rows, k, columns]);
    let [x, w] = [&x, &w].map(|one| Matrix::of(&one.tensor).unwrap());

    let found = super::generic::multiply(&x, &w).into_tensor();

    check("cubek's kernels", found, &expected, 3e-3);
}
