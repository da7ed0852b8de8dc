//! Every implementation against the plain formulas: values, gradients, and NaN.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{
    fixture::{distance_to_exact, numbers},
    implementations::{CASES, Case, Tested, step, tested},
};
use crate::model::{
    fixture::values,
    ops::{self, Declined, cpu},
};

fn flat(outputs: &[Tensor<2>]) -> Vec<f32> {
    let outputs = outputs.iter();
    outputs
        .flat_map(|output| values(output.clone().inner()))
        .collect()
}

/// The largest distance of two numbers; infinite if one is NaN.
fn worst(found: &[f32], expected: &[f32]) -> f64 {
    let expected: Vec<f64> = expected.iter().map(|x| f64::from(*x)).collect();
    distance_to_exact(found, &expected)
}

/// The gradient of each input, for a loss that weights the outputs differently.
fn gradients(inputs: &[Tensor<2>], outputs: &[Tensor<2>]) -> Vec<Option<Vec<f32>>> {
    let loss = outputs.iter().zip(1..).map(|(output, seed)| {
        let [rows, columns] = output.dims();
        let weights = numbers(90 + seed, rows * columns);
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

/// The inputs on the device of an implementation.
fn on_device(tested: &Tested, inputs: &[Tensor<2>]) -> Vec<Tensor<2>> {
    let inputs = inputs.iter();
    inputs
        .map(|input| Tensor::from_data(input.to_data(), &tested.device))
        .collect()
}

fn in_graph(inputs: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
    let inputs = inputs.into_iter();
    inputs
        .map(|input| input.autodiff().require_grad())
        .collect()
}

fn each(mut test: impl FnMut(&Tested, Case)) {
    for tested in tested() {
        let is_computed = |case: &Case| tested.computes.contains(&case.operation());
        for case in CASES.into_iter().filter(is_computed) {
            test(&tested, case);
        }
    }
}

#[test]
fn values_are_those_of_the_plain_formulas() {
    each(|tested, case| {
        let inputs = case.inputs();

        let found = (tested.run)(case, &on_device(tested, &inputs)).unwrap();

        let worst = worst(&flat(&found), &flat(&case.by_formula(&inputs)));
        let name = &tested.name;
        assert!(worst <= case.tolerance(tested), "{name} {case:?}: {worst}");
    });
}

#[test]
fn gradients_are_those_of_the_plain_formulas() {
    each(|tested, case| {
        let there = in_graph(on_device(tested, &case.inputs()));
        let found = (tested.run)(case, &there);
        if !tested.with_gradient.contains(&case.operation()) {
            // A step of Adam is never part of a graph.
            let is_declined = matches!(found, Err(Declined::InGraph));
            assert!(is_declined || tested.name.starts_with("choice"), "{case:?}");
            return;
        }
        let found = gradients(&there, &found.unwrap());
        let inputs = in_graph(case.inputs());
        let expected = gradients(&inputs, &case.by_formula(&inputs));

        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let name = format!("{} {case:?}, input {index}", tested.name);
            let (Some(found), Some(expected)) = (found, expected) else {
                assert_eq!(found, expected, "{name}");
                continue;
            };
            let worst = worst(found, expected);
            assert!(worst <= case.tolerance(tested), "{name}: {worst}");
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

                let there = on_device(tested, &inputs);
                let found = flat(&(tested.run)(case, &there).unwrap());

                let expected = flat(&case.by_formula(&inputs));
                let mut pairs = found.iter().zip(&expected);
                let is_lost = pairs.any(|(found, expected)| expected.is_nan() && !found.is_nan());
                let name = &tested.name;
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
        data[case.poisoned_for_gradient()] = f32::NAN;
        let data = TensorData::new(data, [rows, columns]);
        inputs[0] = Tensor::from_data(data, &inputs[0].device());
        let there = in_graph(on_device(tested, &inputs));
        let found = gradients(&there, &(tested.run)(case, &there).unwrap());

        let inputs = in_graph(inputs);
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

#[test]
fn a_constant_gets_no_gradient() {
    let [x, weight] = Case::RmsNorm([5, 8]).inputs().try_into().unwrap();
    let x = x.autodiff().require_grad();

    let found = ops::rms_norm(x.clone(), &weight, 1e-6);
    let mut gradients = found.sum().backward();

    assert!(x.grad_remove(&mut gradients).is_some());
}

#[test]
fn steps_of_adam_have_the_bits_of_the_formula() {
    // More numbers than a thread takes at a time.
    let random = |seed: u64| -> Tensor<2> {
        let values = numbers(seed, 3 * 5000);
        Tensor::from_data(TensorData::new(values, [3, 5000]), &Device::flex())
    };
    for has_decay in [false, true] {
        let mut kernel = (random(1), None);
        let mut formula = kernel.clone();
        for update in 2..5 {
            let (step, gradient) = (step(has_decay), random(update));
            let moments: Option<[Tensor<2>; 2]> = kernel.1.take();
            let found = cpu::adam_step(&step, &kernel.0, &gradient, moments.as_ref()).unwrap();
            let expected =
                ops::burn::adam_step(&step, formula.0.clone(), gradient, formula.1.take());
            let bits = |tensor: &Tensor<2>| -> Vec<u32> {
                tensor.to_data().iter::<f32>().map(f32::to_bits).collect()
            };
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(bits(found), bits(expected));
            }
            let [new, first, second] = found;
            kernel = (new, Some([first, second]));
            let [new, first, second] = expected;
            formula = (new, Some([first, second]));
        }
    }
}
