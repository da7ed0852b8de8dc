//! The numbers of a step of Adam.

/// The numbers of a step that all parameters share.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// The factor of the gradients.
    pub clip: f64,
    /// The decay of the first moment, and 1 minus the decay.
    pub first: [f64; 2],
    /// The decay of the second moment, and 1 minus the decay.
    pub second: [f64; 2],
    /// The divisor of the root of the second moment, which corrects its bias.
    pub root_bias: f64,
    /// Added to the corrected root.
    pub epsilon: f64,
    /// The factor of the parameter before its step, if there is weight decay.
    pub decay: Option<f64>,
    /// The factor of the quotient of the moments.
    pub rate: f64,
}
