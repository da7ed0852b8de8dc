//! Which implementation computes each operation on a device, found by asking each of them in turn.

use ::burn::tensor::{DType, Device, Tensor};

use super::{
    AdamStep, GpuFacts, Implementation, Operation, Starts, cpu, gpu, implementation, or_gpu,
};
use crate::{model::settings::Dtype, seed::stream};

/// What a device says about itself, or nothing if it is not a GPU.
pub fn gpu_facts(device: &Device) -> Option<GpuFacts> {
    gpu::facts(&Tensor::zeros([1, 1], (device, DType::F32)))
}

/// The rows of a step of decoding.
const ROWS: usize = 8;
const WIDTH: usize = 64;
const FEED_FORWARD: usize = 128;
const VOCABULARY: usize = 256;
const HEADS: usize = 2;
const HEAD: usize = WIDTH / HEADS;

const STEP: AdamStep = AdamStep {
    clip: 1.0,
    first: [0.9, 0.1],
    second: [0.99, 0.01],
    root_bias: 1.0,
    epsilon: 1e-8,
    decay: None,
    rate: 1e-3,
};

/// For each type of numbers that a device computes with, the implementation of each operation of a step
/// of decoding and of an update.
///
/// On a GPU it compiles the kernels.
pub fn survey(device: &Device) -> Vec<(Dtype, Vec<(Operation, Implementation)>)> {
    let ours = implementation(&Tensor::zeros([1, 1], (device, DType::F32)));
    let of = |dtype: Dtype| {
        let of_one = |operation| {
            if is_computed(operation, device, dtype.of_tensors()) {
                (operation, ours)
            } else {
                (operation, operation.fallback())
            }
        };
        (dtype, Operation::ALL.into_iter().map(of_one).collect())
    };
    [Dtype::F32, Dtype::F16, Dtype::Bf16]
        .into_iter()
        .filter(|dtype| device.supports_dtype(dtype.of_tensors()))
        .map(of)
        .collect()
}

/// Whether kernels of the device compute an operation.
fn is_computed(operation: Operation, device: &Device, dtype: DType) -> bool {
    let matrix = |rows, columns| Tensor::<2>::ones([rows, columns], (device, dtype));
    let x = matrix(ROWS, WIDTH);
    match operation {
        Operation::Product => {
            let w = matrix(WIDTH, WIDTH);
            or_gpu(cpu::product(&x, &w), || gpu::product(&x, &w)).is_ok()
        }
        Operation::Products => {
            let w = matrix(WIDTH, WIDTH);
            let maps = [(&w, None), (&w, None)];
            or_gpu(cpu::products(&x, maps), || gpu::products(&x, maps)).is_ok()
        }
        Operation::GatedMlp => {
            let up = matrix(WIDTH, FEED_FORWARD);
            let maps = [&up, &up, &matrix(FEED_FORWARD, WIDTH)];
            or_gpu(cpu::gated_mlp(&x, maps), || gpu::gated_mlp(&x, maps)).is_ok()
        }
        Operation::Logits => {
            let head = matrix(VOCABULARY, WIDTH).transpose();
            or_gpu(cpu::logits(&x, &head), || gpu::logits(&x, &head)).is_ok()
        }
        Operation::RmsNorm => {
            let weight = matrix(1, WIDTH);
            let found = cpu::rms_norm(&x, &weight, 1e-6);
            or_gpu(found, || gpu::rms_norm(&x, &weight, 1e-6)).is_ok()
        }
        Operation::SwiGlu => or_gpu(cpu::swiglu(&x, &x), || gpu::swiglu(&x, &x)).is_ok(),
        Operation::Rotation | Operation::Softmax | Operation::Attention => {
            is_computed_by_heads(operation, device, dtype)
        }
        Operation::AdamStep => {
            let gradient = Tensor::ones([ROWS, WIDTH], (device, DType::F32));
            let found = cpu::adam_step(&STEP, &x, &gradient, None);
            or_gpu(found, || gpu::adam_step(&STEP, &x, &gradient, None)).is_ok()
        }
        Operation::Draw => {
            let logits = Tensor::ones([ROWS, VOCABULARY], (device, DType::F32));
            let mut streams = [(); ROWS].map(|()| stream(0, "survey", 0, 0));
            cpu::is_here(&logits) || gpu::draw(&logits, 1.0, &mut streams.each_mut()).is_ok()
        }
    }
}

/// The same for the operations of attention.
fn is_computed_by_heads(operation: Operation, device: &Device, dtype: DType) -> bool {
    let ones = |shape: [usize; 4]| Tensor::<4>::ones(shape, (device, dtype));
    let q = ones([ROWS, 1, HEADS, HEAD]);
    match operation {
        Operation::Rotation => {
            let angles = ones([ROWS, 1, 1, HEAD / 2]);
            let found = cpu::rotate(&q, &angles, &angles);
            or_gpu(found, || gpu::rotate(&q, &angles, &angles)).is_ok()
        }
        Operation::Softmax => {
            let scores = ones([ROWS, HEADS, 1, WIDTH]);
            or_gpu(cpu::softmax(&scores), || gpu::softmax(&scores)).is_ok()
        }
        _ => {
            let cached = ones([ROWS, 1, WIDTH, HEAD]);
            let starts = Starts::new(&[0; ROWS]);
            let found = cpu::attention(&q, &cached, &cached, starts.rows());
            let gpu = || gpu::attention([&q, &cached, &cached], |device| starts.on(device));
            or_gpu(found, gpu).is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ops::tests::implementations::gpus;

    fn operations(
        found: &[(Dtype, Vec<(Operation, Implementation)>)],
        dtype: Dtype,
    ) -> Vec<(Operation, Implementation)> {
        let mut found = found.iter();
        found
            .find(|one| one.0 == dtype)
            .map(|one| one.1.clone())
            .unwrap()
    }

    #[test]
    fn the_processor_computes_all_operations_of_32_bits_by_kernels() {
        let found = survey(&Device::flex());

        let all = Operation::ALL.map(|operation| (operation, Implementation::Cpu));
        assert_eq!(operations(&found, Dtype::F32), all);
        // Numbers of 16 bits have kernels for the head alone, and the sampler gets 32-bit numbers.
        let narrow = operations(&found, Dtype::Bf16);
        let ours = narrow.iter().filter(|one| one.1 == Implementation::Cpu);
        let ours: Vec<Operation> = ours.map(|one| one.0).collect();
        assert_eq!(ours, [Operation::Logits, Operation::Draw]);
        assert_eq!(gpu_facts(&Device::flex()), None);
    }

    #[test]
    fn a_gpu_computes_all_operations_but_products_by_kernels() {
        for (_, device) in gpus() {
            let facts = gpu_facts(&device).unwrap();
            assert!(
                !facts.name.is_empty() && facts.largest_tensor_bytes > 0,
                "{facts:?}"
            );
            for (operation, found) in operations(&survey(&device), Dtype::F32) {
                let is_product = matches!(
                    operation,
                    Operation::Product
                        | Operation::Products
                        | Operation::GatedMlp
                        | Operation::Logits
                );
                assert!(is_product || found == Implementation::Gpu, "{operation:?}");
            }
        }
    }
}
