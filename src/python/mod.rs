//! Running untrusted Python under limits, with a verdict; Python syntax.
