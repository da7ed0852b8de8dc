//! The implementations that are tested, and every operation as a case that each of them computes.

use ::burn::tensor::{Device, Tensor, TensorData};

use super::fixture::numbers;
use crate::{
    device::Backend,
    model::{
        ops::{self, AdamStep, Declined, Operation, Starts, burn, cpu, gpu},
        token_batch::indices,
    },
};

/// An implementation under test.
pub(super) struct Tested {
    pub(super) name: String,
    /// Where its tensors are.
    pub(super) device: Device,
    /// Computes the outputs of a case, without the rows of padding.
    pub(super) run: fn(Case, &[Tensor<2>]) -> Result<Vec<Tensor<2>>, Declined>,
    /// The operations that it computes.
    pub(super) computes: &'static [Operation],
    /// The operations that it computes in a graph.
    pub(super) with_gradient: &'static [Operation],
}

/// Norm, gate, rotation and softmax.
const ROWS: &[Operation] = &[
    Operation::RmsNorm,
    Operation::SwiGlu,
    Operation::Rotation,
    Operation::Softmax,
];

const ON_GPU: &[Operation] = &[
    Operation::RmsNorm,
    Operation::SwiGlu,
    Operation::Rotation,
    Operation::Softmax,
    Operation::Attention,
    Operation::AdamStep,
];

const ALL: &[Operation] = &Operation::ALL;

const ALL_WITH_GRADIENT: &[Operation] = &[
    Operation::Product,
    Operation::Products,
    Operation::GatedMlp,
    Operation::Logits,
    Operation::RmsNorm,
    Operation::SwiGlu,
    Operation::Rotation,
    Operation::Softmax,
    Operation::Attention,
];

/// Every implementation that this binary and this machine have, and the choice among them on every
/// device.
pub(super) fn tested() -> Vec<Tested> {
    let choice = |name: &str, device| Tested {
        name: format!("choice on {name}"),
        device,
        run: |case, inputs| Ok(case.by_choice(inputs)),
        computes: ALL,
        with_gradient: ALL_WITH_GRADIENT,
    };
    let mut all = vec![
        Tested {
            name: "cpu".to_owned(),
            device: Device::flex(),
            run: Case::by_cpu,
            computes: ALL,
            with_gradient: ROWS,
        },
        choice("the processor", Device::flex()),
    ];
    for (backend, device) in gpus() {
        let name = backend.name();
        all.push(Tested {
            name: format!("kernels on {name}"),
            device: device.clone(),
            run: Case::by_gpu,
            computes: ON_GPU,
            with_gradient: &ON_GPU[..5],
        });
        all.push(choice(name, device));
    }
    all
}

/// The GPUs, or what takes the place of one, that this binary can use.
pub(in crate::model::ops) fn gpus() -> Vec<(Backend, Device)> {
    let backends = [Backend::Wgpu, Backend::Cuda].into_iter();
    let devices = backends.filter_map(|backend| Some((backend, backend.open().ok()?)));
    devices.collect()
}

/// Sizes that are no multiples of a vector, and that need one and several blocks, tiles and tasks.
pub(super) const CASES: [Case; 26] = [
    Case::Product([1, 1, 1]),
    Case::Product([3, 7, 5]),
    Case::Product([8, 100, 130]),
    Case::Product([25, 400, 47]),
    Case::Product([110, 513, 60]),
    Case::Products([5, 33, 70]),
    Case::Products([97, 140, 45]),
    Case::GatedMlp([4, 37, 21]),
    Case::GatedMlp([97, 70, 33]),
    Case::Logits([1, 37, 101]),
    Case::Logits([9, 64, 1300]),
    Case::RmsNorm([1, 37]),
    Case::RmsNorm([70, 37]),
    Case::RmsNorm([600, 64]),
    Case::RmsNorm([3, 2100]),
    Case::SwiGlu([70, 37]),
    Case::Rotation([2, 35, 3, 9]),
    Case::Softmax([7, 37]),
    Case::Softmax([5, 1]),
    Case::Softmax([2, 700]),
    Case::Attention(Heads {
        starts: &[0, 4],
        past: 0,
        time: 37,
        d: 10,
    }),
    Case::Attention(Heads {
        starts: &[0, 3, 50],
        past: 36,
        time: 45,
        d: 16,
    }),
    Case::Attention(Heads {
        starts: &[0, 19],
        past: 20,
        time: 1,
        d: 16,
    }),
    Case::Attention(Heads {
        starts: &[0, 19, 200, 299],
        past: 300,
        time: 1,
        d: 16,
    }),
    Case::AdamStep([3, 5000], false),
    Case::AdamStep([3, 5000], true),
];

/// An operation with the sizes of its inputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Case {
    /// Rows, `k` and columns.
    Product([usize; 3]),
    /// Rows, `k` and the columns of the first matrix; the second has twice as many and no bias.
    Products([usize; 3]),
    /// Rows, `d` and width.
    GatedMlp([usize; 3]),
    /// Rows, `d` and tokens of the vocabulary.
    Logits([usize; 3]),
    /// Rows and `d`.
    RmsNorm([usize; 2]),
    /// Rows and width.
    SwiGlu([usize; 2]),
    /// Sequences, time, heads and half the width of a head.
    Rotation([usize; 4]),
    /// Rows of each of three heads of two sequences, and columns.
    Softmax([usize; 2]),
    Attention(Heads),
    /// The shape of the parameter, and whether there are moments.
    AdamStep([usize; 2], bool),
}

/// Attention of two groups of three heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    starts: &'static [usize],
    past: usize,
    time: usize,
    d: usize,
}

const KV_HEADS: usize = 2;
const HEADS: usize = 6;
const EPSILON: f64 = 1e-6;

/// A step, with weight decay or without it.
pub(super) fn step(has_decay: bool) -> AdamStep {
    AdamStep {
        clip: 0.37,
        first: [0.9, 0.1],
        second: [0.98, 0.02],
        root_bias: 0.2,
        epsilon: 1e-8,
        decay: has_decay.then_some(0.9999),
        rate: 2e-3,
    }
}

impl Case {
    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Product(_) => Operation::Product,
            Self::Products(_) => Operation::Products,
            Self::GatedMlp(_) => Operation::GatedMlp,
            Self::Logits(_) => Operation::Logits,
            Self::RmsNorm(_) => Operation::RmsNorm,
            Self::SwiGlu(_) => Operation::SwiGlu,
            Self::Rotation(_) => Operation::Rotation,
            Self::Softmax(_) => Operation::Softmax,
            Self::Attention(_) => Operation::Attention,
            Self::AdamStep(..) => Operation::AdamStep,
        }
    }

    /// How far a number may be from that of the plain formula, which sums in another order.
    pub(super) fn tolerance(self, tested: &Tested) -> f64 {
        match self {
            // Up to 513 roundings, each of 1e-6, of sums that reach thirty.
            Self::Product(_) | Self::Products(_) | Self::Logits(_) => 1e-4,
            // The same of sums that reach a few hundred.
            Self::GatedMlp(_) => 2e-3,
            // Numbers of order one; sums of 70 rows, or of 600, in the gradient of a weight.
            Self::RmsNorm([rows, _]) => 3e-6 * if rows > 100 { 10.0 } else { 1.0 },
            Self::SwiGlu(_) | Self::Rotation(_) | Self::Softmax(_) => 3e-6,
            // The same; sums of 135 queries in the gradients of keys and values.
            Self::Attention(_) => 1e-5,
            // The same operations in the same order on the processor. A GPU may join a product and a
            // sum, and divides with an error of 2.5 units in the last place, of numbers up to 1.
            Self::AdamStep(..) if tested.device == Device::flex() => 0.0,
            Self::AdamStep(..) => 1e-6,
        }
    }

    fn shapes(self) -> Vec<[usize; 2]> {
        match self {
            Self::Product([rows, k, columns]) => vec![[rows, k], [k, columns]],
            Self::Products([rows, k, columns]) => {
                vec![[rows, k], [k, columns], [1, columns], [k, 2 * columns]]
            }
            Self::GatedMlp([rows, d, width]) => {
                vec![[rows, d], [d, width], [d, width], [width, d]]
            }
            Self::Logits([rows, d, vocabulary]) => vec![[rows, d], [vocabulary, d]],
            Self::RmsNorm([rows, d]) => vec![[rows, d], [1, d]],
            Self::SwiGlu(shape) => vec![shape, shape],
            Self::Rotation([batch, time, heads, half]) => vec![
                [batch * time * heads, 2 * half],
                [batch * time, half],
                [batch * time, half],
            ],
            Self::Softmax([rows, columns]) => vec![[6 * rows, columns]],
            Self::Attention(heads) => {
                let (batch, total) = (heads.starts.len(), heads.past + heads.time);
                let cached = [batch * KV_HEADS * total, heads.d];
                vec![[batch * heads.time * HEADS, heads.d], cached, cached]
            }
            Self::AdamStep(shape, has_moments) => vec![shape; if has_moments { 4 } else { 2 }],
        }
    }

    /// The inputs in the memory of the processor.
    pub(super) fn inputs(self) -> Vec<Tensor<2>> {
        let shapes = self.shapes().into_iter().zip(1..);
        let inputs = shapes.map(|(shape, seed)| {
            let data = TensorData::new(numbers(seed, shape[0] * shape[1]), shape);
            Tensor::<2>::from_data(data, &Device::flex())
        });
        let mut inputs: Vec<Tensor<2>> = inputs.collect();
        if let Self::AdamStep(_, true) = self {
            // The second moment is a mean of squares.
            inputs[3] = inputs[3].clone().abs();
        }
        inputs
    }

    /// The elements of an input whose NaN should be tested.
    pub(super) fn poisoned(self, input: usize) -> Vec<usize> {
        let [rows, columns] = self.shapes()[input];
        match self {
            // All queries of the first sequence see its first column. The plain formula multiplies
            // what a query does not see by zero, which keeps NaN.
            Self::Attention(_) if input > 0 => vec![0],
            _ => vec![0, rows * columns / 2, rows * columns - 1],
        }
    }

    /// The element of the first input that reaches all gradients which a kernel must not make finite.
    pub(super) fn poisoned_for_gradient(self) -> usize {
        if let Self::Attention(heads) = self {
            // The last query of the first sequence sees all keys. What a query does not see, the plain
            // formula multiplies by zero, which keeps NaN; a kernel leaves it out.
            return (heads.time - 1) * HEADS * heads.d;
        }
        let [rows, columns] = self.shapes()[0];
        rows * columns / 2
    }

    /// The outputs of the plain formulas.
    pub(super) fn by_formula(self, inputs: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let [x, others @ ..] = inputs else {
            panic!("every operation has an input")
        };
        let x = x.clone();
        match self {
            Self::Product(_) => vec![burn::product(x, &others[0])],
            Self::Products(_) => vec![
                burn::product(x.clone(), &others[0]) + others[1].clone(),
                burn::product(x, &others[2]),
            ],
            Self::GatedMlp(_) => {
                let gate = burn::product(x.clone(), &others[0]);
                let gated = burn::swiglu(gate, burn::product(x, &others[1]));
                vec![burn::product(gated, &others[2])]
            }
            Self::Logits(_) => vec![burn::logits(x, others[0].clone().transpose())],
            Self::RmsNorm(_) => vec![burn::rms_norm(x, &others[0], EPSILON)],
            Self::SwiGlu(_) => vec![burn::swiglu(x, others[0].clone())],
            Self::Rotation(_) => {
                let [x, cos, sin] = self.of_rotation(inputs);
                vec![flat(burn::rotate(x, cos, sin))]
            }
            Self::Softmax(_) => vec![flat(burn::softmax(Self::of_softmax(inputs)))],
            Self::Attention(heads) => {
                let visibility = Some(heads.visibility(&x.device().inner()));
                let found = burn::attention(heads.of_attention(inputs), visibility, burn::softmax);
                vec![heads.without_padding(found)]
            }
            Self::AdamStep(_, has_moments) => {
                let moments = moments(inputs);
                burn::adam_step(&step(has_moments), x, others[0].clone(), moments).into()
            }
        }
    }

    fn by_cpu(self, inputs: &[Tensor<2>]) -> Result<Vec<Tensor<2>>, Declined> {
        let x = &inputs[0];
        Ok(match self {
            Self::Product(_) => vec![cpu::product(x, &inputs[1])?],
            Self::Products(_) => {
                let maps = [(&inputs[1], Some(&inputs[2])), (&inputs[3], None)];
                cpu::products(x, maps)?.into()
            }
            Self::GatedMlp(_) => vec![cpu::gated_mlp(x, [&inputs[1], &inputs[2], &inputs[3]])?],
            Self::Logits(_) => vec![cpu::logits(x, &inputs[1].clone().transpose())?],
            Self::RmsNorm(_) => vec![cpu::rms_norm(x, &inputs[1], EPSILON)?],
            Self::SwiGlu(_) => vec![cpu::swiglu(x, &inputs[1])?],
            Self::Rotation(_) => {
                let [x, cos, sin] = self.of_rotation(inputs);
                vec![flat(cpu::rotate(&x, &cos, &sin)?)]
            }
            Self::Softmax(_) => vec![flat(cpu::softmax(&Self::of_softmax(inputs))?)],
            Self::Attention(heads) => {
                let [q, k, v] = heads.of_attention(inputs);
                vec![heads.without_padding(cpu::attention(&q, &k, &v, heads.starts)?)]
            }
            Self::AdamStep(_, has_moments) => {
                cpu::adam_step(&step(has_moments), x, &inputs[1], moments(inputs).as_ref())?.into()
            }
        })
    }

    fn by_gpu(self, inputs: &[Tensor<2>]) -> Result<Vec<Tensor<2>>, Declined> {
        let x = &inputs[0];
        Ok(match self {
            Self::RmsNorm(_) => vec![gpu::rms_norm(x, &inputs[1], EPSILON)?],
            Self::SwiGlu(_) => vec![gpu::swiglu(x, &inputs[1])?],
            Self::Rotation(_) => {
                let [x, cos, sin] = self.of_rotation(inputs);
                vec![flat(gpu::rotate(&x, &cos, &sin)?)]
            }
            Self::Softmax(_) => vec![flat(gpu::softmax(&Self::of_softmax(inputs))?)],
            Self::Attention(heads) => {
                let [q, k, v] = heads.of_attention(inputs);
                let starts = Starts::new(heads.starts);
                let found = gpu::attention([&q, &k, &v], |device| starts.on(device))?;
                vec![heads.without_padding(found)]
            }
            Self::AdamStep(_, has_moments) => {
                gpu::adam_step(&step(has_moments), x, &inputs[1], moments(inputs).as_ref())?.into()
            }
            Self::Product(_) | Self::Products(_) | Self::GatedMlp(_) | Self::Logits(_) => {
                return Err(Declined::Elsewhere);
            }
        })
    }

    fn by_choice(self, inputs: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let x = inputs[0].clone();
        match self {
            Self::Product(_) => vec![ops::product(x, &inputs[1])],
            Self::Products(_) => {
                let maps = [(&inputs[1], Some(&inputs[2])), (&inputs[3], None)];
                ops::products(&x, maps).into()
            }
            Self::GatedMlp(_) => vec![ops::gated_mlp(&x, [&inputs[1], &inputs[2], &inputs[3]])],
            Self::Logits(_) => vec![ops::logits(x, inputs[1].clone().transpose())],
            Self::RmsNorm(_) => vec![ops::rms_norm(x, &inputs[1], EPSILON)],
            Self::SwiGlu(_) => vec![ops::swiglu(x, inputs[1].clone())],
            Self::Rotation(_) => {
                let [x, cos, sin] = self.of_rotation(inputs);
                vec![flat(ops::rotate(x, cos, sin))]
            }
            Self::Softmax(_) => vec![flat(ops::softmax(Self::of_softmax(inputs)))],
            Self::Attention(heads) => {
                let inputs = heads.of_attention(inputs);
                let starts = Starts::new(heads.starts);
                let found = ops::attention(inputs, &starts, |q| {
                    Some(heads.visibility(&q.device().inner()))
                });
                vec![heads.without_padding(found)]
            }
            Self::AdamStep(_, has_moments) => {
                ops::adam_step(&step(has_moments), x, inputs[1].clone(), moments(inputs)).into()
            }
        }
    }

    /// The heads, and cosines and sines, which are outside any graph.
    fn of_rotation(self, inputs: &[Tensor<2>]) -> [Tensor<4>; 3] {
        let Self::Rotation([batch, time, heads, half]) = self else {
            panic!("this is a rotation")
        };
        let angles = |table: &Tensor<2>| table.clone().inner().reshape([batch, time, 1, half]);
        let x = inputs[0].clone().reshape([batch, time, heads, 2 * half]);
        [x, angles(&inputs[1]), angles(&inputs[2])]
    }

    fn of_softmax(inputs: &[Tensor<2>]) -> Tensor<4> {
        let [rows, columns] = inputs[0].dims();
        inputs[0].clone().reshape([2, 3, rows / 6, columns])
    }
}

impl Heads {
    fn of_attention(self, inputs: &[Tensor<2>]) -> [Tensor<4>; 3] {
        let (batch, total) = (self.starts.len(), self.past + self.time);
        let cached = |input: &Tensor<2>| input.clone().reshape([batch, KV_HEADS, total, self.d]);
        [
            inputs[0].clone().reshape([batch, self.time, HEADS, self.d]),
            cached(&inputs[1]),
            cached(&inputs[2]),
        ]
    }

    /// Zero for what a query sees: itself, and what is between the start and itself.
    fn visibility(self, device: &Device) -> Tensor<4> {
        let total = self.past + self.time;
        let mut values = Vec::new();
        for start in self.starts {
            for query in self.past..total {
                let is_visible = |key| key == query || (*start..query).contains(&key);
                let mask = |key| {
                    if is_visible(key) {
                        0.0
                    } else {
                        f32::NEG_INFINITY
                    }
                };
                values.extend((0..total).map(mask));
            }
        }
        let shape = [self.starts.len(), 1, self.time, total];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// The outputs of real tokens.
    fn without_padding(self, outputs: Tensor<2>) -> Tensor<2> {
        let tokens = (0..self.starts.len())
            .flat_map(|sequence| (0..self.time).map(move |time| (sequence, time)));
        let real = tokens.filter(|(sequence, time)| self.past + time >= self.starts[*sequence]);
        let rows = real.map(|(sequence, time)| (sequence * self.time + time) as i64);
        let device = outputs.device().inner();
        outputs.select(0, indices(rows, &device))
    }
}

fn moments(inputs: &[Tensor<2>]) -> Option<[Tensor<2>; 2]> {
    inputs.get(2..)?.to_vec().try_into().ok()
}

fn flat(output: Tensor<4>) -> Tensor<2> {
    let [a, b, c, d] = output.dims();
    output.reshape([a * b * c, d])
}
