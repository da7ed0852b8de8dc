//! Every implementation against the plain formulas: values, gradients, and NaN.

use burn::tensor::{DType, Tensor, TensorData};

use super::implementations::{CASES, Case, TESTED, Tested};
use crate::model::{
    fixture::values,
    ops::{Declined, cpu},
};

fn flat(outputs: &[Tensor<2>]) -> Vec<f32> {
    let outputs = outputs.iter();
    outputs
        .flat_map(|output| values(output.clone().inner()))
        .collect()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let distances = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    distances.fold(0.0, f32::max)
}

/// The gradient of each input, for a loss that weights the outputs differently.
fn gradients(inputs: &[Tensor<2>], outputs: &[Tensor<2>]) -> Vec<Option<Vec<f32>>> {
    let loss = outputs.iter().zip(1..).map(|(output, seed)| {
        let [rows, columns] = output.dims();
        let weights = super::fixture::numbers(90 + seed, rows * columns);
        let weights = TensorData::new(weights, [rows, columns]);
        let weights = Tensor::<2>::from_data(weights, &output.device().inner());
        (output.clone() * weights.autodiff()).sum()
    });
    let loss = loss.reduce(|sum, part| sum + part).unwrap();
    let mut gradients = loss.backward();
    let inputs = inputs.iter();
    inputs
        .map(|input| input.grad_remove(&mut gradients).map(values))
        .collect()
}

fn in_graph(inputs: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
    let inputs = inputs.into_iter();
    inputs
        .map(|input| input.autodiff().require_grad())
        .collect()
}

fn each(mut test: impl FnMut(&Tested, Case)) {
    for tested in &TESTED {
        for case in CASES {
            test(tested, case);
        }
    }
}

#[test]
fn values_are_those_of_the_plain_formulas() {
    each(|tested, case| {
        let inputs = case.inputs();

        let found = (tested.run)(case, &inputs).unwrap();

        let worst = worst(&flat(&found), &flat(&case.by_formula(&inputs)));
        let name = tested.name;
        assert!(worst <= case.tolerance(), "{name} {case:?}: {worst}");
    });
}

#[test]
fn gradients_are_those_of_the_plain_formulas() {
    each(|tested, case| {
        let inputs = in_graph(case.inputs());
        let found = (tested.run)(case, &inputs);
        if !tested.with_gradient.contains(&case.operation()) {
            // A step of Adam is never part of a graph.
            let is_declined = matches!(found, Err(Declined::InGraph));
            assert!(is_declined || tested.name == "ops", "{case:?}");
            return;
        }
        let expected = gradients(&inputs, &case.by_formula(&inputs));
        let found = gradients(&inputs, &found.unwrap());

        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let name = format!("{} {case:?}, input {index}", tested.name);
            let (Some(found), Some(expected)) = (found, expected) else {
                assert_eq!(found, expected, "{name}");
                continue;
            };
            let worst = worst(found, expected);
            assert!(worst <= case.tolerance(), "{name}: {worst}");
        }
    });
}

#[test]
fn what_is_not_a_number_stays_so() {
    each(|tested, case| {
        for input in 0..case.inputs().len() {
            for element in case.poisoned(input) {
                let mut inputs = case.inputs();
                let [rows, columns] = inputs[input].dims();
                let mut data = values(inputs[input].clone());
                data[element] = f32::NAN;
                let data = TensorData::new(data, [rows, columns]);
                inputs[input] = Tensor::from_data(data, &inputs[input].device());

                let found = flat(&(tested.run)(case, &inputs).unwrap());

                let expected = flat(&case.by_formula(&inputs));
                let mut pairs = found.iter().zip(&expected);
                let is_lost = pairs.any(|(found, expected)| expected.is_nan() && !found.is_nan());
                let name = tested.name;
                assert!(!is_lost, "{name} {case:?}, element {element} of {input}");
            }
        }
    });
}

#[test]
fn a_gradient_of_what_is_not_a_number_is_not_one() {
    each(|tested, case| {
        if !tested.with_gradient.contains(&case.operation()) {
            return;
        }
        let mut inputs = case.inputs();
        let [rows, columns] = inputs[0].dims();
        let mut data = values(inputs[0].clone());
        data[rows * columns / 2] = f32::NAN;
        let data = TensorData::new(data, [rows, columns]);
        inputs[0] = Tensor::from_data(data, &inputs[0].device());
        let inputs = in_graph(inputs);

        let found = gradients(&inputs, &(tested.run)(case, &inputs).unwrap());

        let expected = gradients(&inputs, &case.by_formula(&inputs));
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            let mut pairs = found.iter().zip(expected);
            let is_lost = pairs.any(|(found, expected)| expected.is_nan() && !found.is_nan());
            assert!(!is_lost, "{} {case:?}", tested.name);
        }
    });
}

#[test]
fn a_kernel_says_why_it_declines() {
    let [x, w] = Case::Product([3, 7, 5]).inputs().try_into().unwrap();
    let why = |x: &Tensor<2>, w: &Tensor<2>| cpu::product(x, w).unwrap_err();

    assert_eq!(why(&x.clone().cast(DType::BF16), &w), Declined::Dtype);
    assert_eq!(why(&x.clone().autodiff(), &w), Declined::InGraph);
    // Every second column of a matrix.
    let wide = Tensor::cat(vec![w.clone(), w.clone()], 1);
    let part = wide.narrow(1, 1, 5);
    assert_eq!(why(&x, &part), Declined::Layout);
}
