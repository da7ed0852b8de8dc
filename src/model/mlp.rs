//! The gated feed-forward layer, SwiGLU (arXiv 2002.05202).

use burn::tensor::Tensor;

use super::{
    adapter::Dropout,
    ops,
    parameter::{ParameterValues, Visit},
    projection::Projection,
};

/// `down(silu(gate(x)) · up(x))`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the checkpoint's names")]
pub(super) struct Mlp {
    pub(super) gate_proj: Projection,
    pub(super) up_proj: Projection,
    pub(super) down_proj: Projection,
}

impl Mlp {
    /// Builds the layer `name` of the checkpoint.
    pub(super) fn build(name: &str, values: &mut ParameterValues) -> Self {
        let mut projection = |short: &str| Projection::build(&format!("{name}.{short}"), values);
        Self {
            gate_proj: projection("gate_proj"),
            up_proj: projection("up_proj"),
            down_proj: projection("down_proj"),
        }
    }

    /// # Shapes
    ///
    /// - `x`, output: `[rows, d]`
    pub(super) fn forward(&self, x: &Tensor<2>, mut dropout: Option<&mut Dropout>) -> Tensor<2> {
        let plain = [&self.gate_proj, &self.up_proj, &self.down_proj].map(Projection::plain);
        if let [Some(gate), Some(up), Some(down)] = plain {
            return ops::gated_mlp(x, [gate, up, down]);
        }
        let gate = self.gate_proj.forward(x.clone(), dropout.as_deref_mut());
        let up = self.up_proj.forward(x.clone(), dropout.as_deref_mut());
        self.down_proj.forward(ops::swiglu(gate, up), dropout)
    }

    pub(super) fn projections(&mut self) -> [(&'static str, &mut Projection); 3] {
        [
            ("gate_proj", &mut self.gate_proj),
            ("up_proj", &mut self.up_proj),
            ("down_proj", &mut self.down_proj),
        ]
    }

    pub(super) fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        for (short, projection) in self.projections() {
            projection.each_parameter(&format!("{name}.{short}"), visit);
        }
    }
}
