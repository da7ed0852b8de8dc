//! Norm, gate, rotation and softmax as operations of a graph.

use crate::model::ops::{cpu::host::Host, graph::Formula};

use super::{backward, forward};

/// See [`forward::rms_norm`]; of the rows and the weight.
#[derive(Clone, Debug)]
pub(in crate::model::ops::cpu) struct RmsNorm {
    pub(in crate::model::ops::cpu) epsilon: f32,
}

impl Formula<Host, 2> for RmsNorm {
    fn value(&self, [x, weight]: [&Host; 2]) -> Host {
        x.like(forward::rms_norm(&x.rows(), &weight.rows(), self.epsilon))
    }

    fn gradients(
        &self,
        [x, weight]: [&Host; 2],
        gradient: &Host,
        is_wanted: [bool; 2],
    ) -> [Option<Host>; 2] {
        let (rows, weights, gradient) = (x.rows(), weight.rows(), gradient.rows());
        let of_x = || backward::rms_norm(&rows, &weights, &gradient, self.epsilon);
        let of_weight = || backward::rms_norm_weight(&rows, weights.len(), &gradient, self.epsilon);
        [
            is_wanted[0].then(|| x.like(of_x())),
            is_wanted[1].then(|| weight.like(of_weight())),
        ]
    }
}

/// See [`forward::swiglu`]; of `gate` and `up`.
#[derive(Clone, Debug)]
pub(in crate::model::ops::cpu) struct SwiGlu;

impl Formula<Host, 2> for SwiGlu {
    fn value(&self, [gate, up]: [&Host; 2]) -> Host {
        gate.like(forward::swiglu(&gate.rows(), &up.rows()))
    }

    fn gradients(
        &self,
        [gate, up]: [&Host; 2],
        gradient: &Host,
        _: [bool; 2],
    ) -> [Option<Host>; 2] {
        backward::swiglu(&gate.rows(), &up.rows(), &gradient.rows())
            .map(|values| Some(gate.like(values)))
    }
}

/// See [`forward::rotate`].
#[derive(Clone, Debug)]
pub(in crate::model::ops::cpu) struct Rotate {
    pub(in crate::model::ops::cpu) cos: Host,
    pub(in crate::model::ops::cpu) sin: Host,
    pub(in crate::model::ops::cpu) half: usize,
}

impl Formula<Host, 1> for Rotate {
    fn value(&self, [x]: [&Host; 1]) -> Host {
        x.like(forward::rotate(
            &x.rows(),
            &self.cos.rows(),
            &self.sin.rows(),
            self.half,
        ))
    }

    fn gradients(&self, [x]: [&Host; 1], gradient: &Host, _: [bool; 1]) -> [Option<Host>; 1] {
        // The transpose of a rotation turns back.
        let sin: Vec<f32> = self.sin.rows().iter().map(|sin| -sin).collect();
        let values = forward::rotate(&gradient.rows(), &self.cos.rows(), &sin, self.half);
        [Some(x.like(values))]
    }
}

/// Softmax of each row of `width` numbers.
#[derive(Clone, Debug)]
pub(in crate::model::ops::cpu) struct Softmax {
    pub(in crate::model::ops::cpu) width: usize,
}

impl Formula<Host, 1> for Softmax {
    fn value(&self, [x]: [&Host; 1]) -> Host {
        x.like(forward::softmax(&x.rows(), self.width))
    }

    fn gradients(&self, [x]: [&Host; 1], gradient: &Host, _: [bool; 1]) -> [Option<Host>; 1] {
        let values = backward::softmax(&x.rows(), &gradient.rows(), self.width);
        [Some(x.like(values))]
    }
}
