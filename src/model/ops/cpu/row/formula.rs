//! The norm, the gate, the rotation and the softmax as operations of a graph.

use super::{back, graph::Formula, host::Host, row};

/// See [`row::rms_norm`]; of the rows and the weight.
#[derive(Clone, Debug)]
pub(super) struct RmsNorm {
    pub(super) epsilon: f32,
}

impl Formula<2> for RmsNorm {
    fn values(&self, [x, weight]: [&Host; 2]) -> Vec<f32> {
        row::rms_norm(&x.rows(), &weight.rows(), self.epsilon)
    }

    fn gradients(
        &self,
        [x, weight]: [&Host; 2],
        gradient: &Host,
        is_wanted: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let (x, weight, gradient) = (x.rows(), weight.rows(), gradient.rows());
        let rows = || back::rms_norm(&x, &weight, &gradient, self.epsilon);
        let weights = || back::rms_norm_weight(&x, weight.len(), &gradient, self.epsilon);
        [is_wanted[0].then(rows), is_wanted[1].then(weights)]
    }
}

/// See [`row::swiglu`]; of the gate and what it lets through.
#[derive(Clone, Debug)]
pub(super) struct SwiGlu;

impl Formula<2> for SwiGlu {
    fn values(&self, [gate, up]: [&Host; 2]) -> Vec<f32> {
        row::swiglu(&gate.rows(), &up.rows())
    }

    fn gradients(
        &self,
        [gate, up]: [&Host; 2],
        gradient: &Host,
        _: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        back::swiglu(&gate.rows(), &up.rows(), &gradient.rows()).map(Some)
    }
}

/// See [`row::rotate`].
#[derive(Clone, Debug)]
pub(super) struct Rotate {
    pub(super) cos: Host,
    pub(super) sin: Host,
    pub(super) half: usize,
}

impl Formula<1> for Rotate {
    fn values(&self, [x]: [&Host; 1]) -> Vec<f32> {
        row::rotate(&x.rows(), &self.cos.rows(), &self.sin.rows(), self.half)
    }

    fn gradients(&self, _: [&Host; 1], gradient: &Host, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        // The transpose of a rotation turns back.
        let sin: Vec<f32> = self.sin.rows().iter().map(|sin| -sin).collect();
        [Some(row::rotate(
            &gradient.rows(),
            &self.cos.rows(),
            &sin,
            self.half,
        ))]
    }
}

/// Softmax of each row of `width` numbers.
#[derive(Clone, Debug)]
pub(super) struct Softmax {
    pub(super) width: usize,
}

impl Formula<1> for Softmax {
    fn values(&self, [x]: [&Host; 1]) -> Vec<f32> {
        row::softmax(&x.rows(), self.width)
    }

    fn gradients(&self, [x]: [&Host; 1], gradient: &Host, _: [bool; 1]) -> [Option<Vec<f32>>; 1] {
        [Some(back::softmax(&x.rows(), &gradient.rows(), self.width))]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{
        Device, Tensor, TensorData,
        activation::{silu, softmax},
    };

    use super::*;
    use crate::model::{
        fixture::{distance, values},
        kernel::{graph, sample::numbers},
    };

    fn leaf(seed: u64, shape: [usize; 2]) -> Tensor<2> {
        let data = TensorData::new(numbers(seed, shape[0] * shape[1]), shape);
        Tensor::<2>::from_data(data, &Device::flex())
            .autodiff()
            .require_grad()
    }

    /// Holds values and gradients against Burn's own operations.
    fn compare(what: &str, inputs: &[Tensor<2>], found: &Tensor<2>, expected: &Tensor<2>) {
        let upstream = leaf(9, found.dims()).inner();
        let gradients = |output: &Tensor<2>| -> Vec<Vec<f32>> {
            let upstream = upstream.clone().autodiff();
            let mut gradients = (output.clone() * upstream).sum().backward();
            let inputs = inputs.iter();
            inputs
                .map(|input| values(input.grad_remove(&mut gradients).unwrap()))
                .collect()
        };
        // 3e-6: 32 bits, numbers of order one; sums of 70 rows in the norm's weight.
        let close = 3e-6;
        assert!(
            distance(
                &values(found.clone().inner()),
                &values(expected.clone().inner())
            ) < close
        );
        for (index, (found, expected)) in
            gradients(found).iter().zip(gradients(expected)).enumerate()
        {
            let worst = distance(found, &expected);
            assert!(worst < close, "{what}, input {index}: {worst}");
        }
    }

    #[test]
    fn values_and_gradients_are_those_of_the_plain_operations() {
        // 70 rows of 37: no multiple of a vector.
        let shape = [70, 37];
        let (x, other, weight) = (leaf(1, shape), leaf(2, shape), leaf(3, [1, 37]));

        let found = graph::apply(RmsNorm { epsilon: 1e-6 }, [&x, &weight]).unwrap();
        let mean = x.clone().square().mean_dim(1).add_scalar(1e-6);
        let expected = x.clone() * mean.sqrt().recip() * weight.clone();
        compare("norm", &[x.clone(), weight], &found, &expected);

        let found = graph::apply(SwiGlu, [&x, &other]).unwrap();
        let expected = silu(x.clone()) * other.clone();
        compare("gate", &[x.clone(), other], &found, &expected);

        let found = graph::apply(Softmax { width: 37 }, [&x]).unwrap();
        let expected = softmax(x.clone(), 1);
        compare("softmax", &[x], &found, &expected);
    }

    #[test]
    fn a_rotation_is_differentiated_as_its_formula() {
        let (x, half) = (leaf(4, [70, 32]), 8);
        let angles = leaf(5, [70, half]).inner();
        let (cos, sin) = (angles.clone().cos(), angles.sin());
        let host = |tensor: &Tensor<2>| Host::of(tensor).unwrap();
        let formula = Rotate {
            cos: host(&cos),
            sin: host(&sin),
            half,
        };

        let found = graph::apply(formula, [&x]).unwrap();
        let part = |at: usize| x.clone().narrow(1, at * half, half);
        let turn = |head: usize| {
            let (first, second) = (part(2 * head), part(2 * head + 1));
            let (cos, sin) = (cos.clone().autodiff(), sin.clone().autodiff());
            let low = first.clone() * cos.clone() - second.clone() * sin.clone();
            Tensor::cat(vec![low, second * cos + first * sin], 1)
        };
        let expected = Tensor::cat(vec![turn(0), turn(1)], 1);

        compare("rotation", &[x], &found, &expected);
    }

    #[test]
    fn a_constant_gets_no_gradient() {
        let (x, weight) = (leaf(1, [5, 8]), leaf(2, [1, 8]).inner());

        let found = graph::apply(RmsNorm { epsilon: 1e-6 }, [&x, &weight]).unwrap();
        let mut gradients = found.sum().backward();

        assert!(x.grad_remove(&mut gradients).is_some());
    }
}
