//! The compute backends that this binary was built with.
//!
//! The only file that knows Cargo features; everything else asks it. Only `model::ops::gpu` knows one
//! too, because it has code that such a binary alone can compile.

use std::{env, fmt, fs, path::Path};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// A kind of device that a spec can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Burn's `flex` backend on the processor.
    #[default]
    Cpu,
    /// Any GPU, by WebGPU.
    Wgpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Backend {
    /// Every backend, whether this binary has it or not.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Wgpu, Self::Cuda];

    /// The names that a spec may use.
    pub const NAMES: [&str; 3] = ["cpu", "wgpu", "cuda"];

    /// The name that a spec uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// Whether this binary was built with the backend.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Cpu => cfg!(feature = "cpu"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// Why the backend cannot be used here, or nothing if it can.
    pub fn missing(self) -> Option<Unavailable> {
        if !self.is_built_in() {
            return Some(Unavailable::NotBuilt(self));
        }
        // Burn panics where no driver answers, so that we look for a driver first.
        let has_driver = match self {
            Self::Cpu => true,
            Self::Wgpu => has_adapter(),
            Self::Cuda => has_nvidia_driver(),
        };
        (!has_driver).then_some(Unavailable::NoDriver(self))
    }

    /// The GPUs that the driver of NVIDIA shows to this process, by the names that `CUDA_VISIBLE_DEVICES` takes; none
    /// for other backends, whose drivers do not say.
    pub fn devices(self) -> Vec<String> {
        match (self, env::var("CUDA_VISIBLE_DEVICES")) {
            (Self::Cpu | Self::Wgpu, _) => Vec::new(),
            (Self::Cuda, Ok(shown)) => shown_devices(&shown),
            (Self::Cuda, Err(_)) => {
                let found = fs::read_dir("/proc/driver/nvidia/gpus")
                    .into_iter()
                    .flatten();
                (0..found.count()).map(|index| index.to_string()).collect()
            }
        }
    }

    /// The first device of the backend.
    pub fn open(self) -> Result<Device, Unavailable> {
        self.open_for(0)
    }

    /// The device of a rank. Ranks share devices if there are fewer.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(unused_variables, reason = "the other backends have one device")
    )]
    pub fn open_for(self, rank: usize) -> Result<Device, Unavailable> {
        if let Some(reason) = self.missing() {
            return Err(reason);
        }
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "cuda")]
            Self::Cuda => {
                keep_kernels();
                Ok(Device::cuda(rank % self.devices().len().max(1)))
            }
            #[cfg(not(all(feature = "cpu", feature = "wgpu", feature = "cuda")))]
            _ => Err(Unavailable::NotBuilt(self)),
        }
    }
}

/// The devices that a value of `CUDA_VISIBLE_DEVICES` shows: the driver stops at the first that it does not know.
fn shown_devices(shown: &str) -> Vec<String> {
    let names = shown.split(',').map(str::trim);
    names
        .take_while(|name| !name.is_empty() && !name.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

/// Whether there is a GPU, or a driver that computes in software instead.
#[cfg(feature = "wgpu")]
fn has_adapter() -> bool {
    use std::sync::OnceLock;

    use burn::tensor::DeviceType;

    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| !Device::enumerate(DeviceType::Wgpu).is_empty())
}

#[cfg(not(feature = "wgpu"))]
fn has_adapter() -> bool {
    false
}

fn has_nvidia_driver() -> bool {
    let traces = [
        "/dev/nvidiactl",
        "/dev/nvidia0",
        "/proc/driver/nvidia/version",
        "/dev/dxg",
    ];
    cfg!(target_os = "windows") || traces.iter().any(|trace| Path::new(trace).exists())
}

/// Keeps compiled kernels, and the choice of the fastest ones, in the user's cache folder.
///
/// A job is a process, and without this each one would compile and time them again, for minutes. A
/// `cubecl.toml` or `burn.toml` in the working folder still applies.
#[cfg(feature = "cuda")]
fn keep_kernels() {
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _, cache::CacheConfig};

    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Global;
    }
    // It returns false if a device was opened before, which means that it is set already.
    CubeClRuntimeConfig::try_set(config);
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a backend cannot be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The Cargo feature of the backend was off.
    #[error("this binary was built without the backend `{0}`, build it with `--features {0}`")]
    NotBuilt(Backend),
    /// No driver answers.
    #[error("no driver for the backend `{0}` was found on this machine")]
    NoDriver(Backend),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_available() {
        assert_eq!(Backend::Cpu.missing(), None);
        assert!(Backend::Cpu.open().is_ok());
    }

    #[test]
    fn only_devices_that_are_shown_count() {
        assert_eq!(shown_devices("2, GPU-5e7c"), ["2", "GPU-5e7c"]);
        assert_eq!(shown_devices("0,-1,1"), ["0"]);
        assert!(shown_devices("").is_empty());
    }

    #[test]
    fn names_are_those_of_the_spec() {
        for (backend, name) in Backend::ALL.into_iter().zip(Backend::NAMES) {
            assert_eq!(serde_json::to_value(backend).unwrap(), name);
            assert_eq!(backend.name(), name);
        }
    }
}
