//! The texts of this folder, run on the processor and compiled for GPUs.

mod compiled;
#[cfg(target_os = "linux")]
mod emulated;
