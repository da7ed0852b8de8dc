//! The kernels' own texts, run lane by lane on the processor by `lanes.h`, which follows the layouts
//! of the PTX manual. The C compiler that links Rust programs compiles them.
//!
//! The oracle is the plain product in 64 bits of the same bf16 numbers. Tolerances: parts are sums
//! of up to 1,536 products of numbers within ±1 in 32 bits, in another order than the oracle's;
//! outputs have a rounding to 8 bits, 2⁻⁸ relative at most, with room for the sums' own.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use half::bf16;

use crate::model::{
    ops::{
        gpu::cuda::shape::{Choice, FewRows, MOST_MAPS, Stored, for_tests},
        tests::fixture::{distance_to_exact, numbers},
    },
    rounding::to_f32,
};

const LANES: &str = include_str!("lanes.h");
const RUN: &str = include_str!("run.c");

/// The inputs of a product with up to three matrices; each is padded by `padding` numbers a row.
#[derive(Clone, Copy)]
struct Case {
    rows: usize,
    k: usize,
    columns: &'static [usize],
    biases: [bool; MOST_MAPS],
    is_turned: bool,
    is_gated: bool,
    padding: usize,
    choice: Option<Choice>,
}

const PLAIN: Case = Case {
    rows: 8,
    k: 512,
    columns: &[64],
    biases: [false; MOST_MAPS],
    is_turned: false,
    is_gated: false,
    padding: 0,
    choice: None,
};

/// What the kernels wrote.
struct Found {
    splits: usize,
    parts: Vec<f32>,
    outputs: Vec<Vec<f32>>,
}

/// A matrix of bf16 numbers, whose padding is NaN.
struct Matrix {
    numbers: Vec<bf16>,
    pitch: usize,
}

impl Matrix {
    fn new(seed: u64, [rows, columns]: [usize; 2], padding: usize) -> Self {
        let pitch = columns + padding;
        let mut values = numbers(seed, rows * pitch);
        for row in values.chunks_mut(pitch) {
            row[columns..].fill(f32::NAN);
        }
        Self {
            numbers: values.into_iter().map(bf16::from_f32).collect(),
            pitch,
        }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        f64::from(self.numbers[row * self.pitch + column])
    }
}

impl Case {
    fn x(&self) -> Matrix {
        Matrix::new(1, [self.rows, self.k], self.padding)
    }

    fn weights(&self) -> Vec<Matrix> {
        let seeded = self.columns.iter().zip(2..);
        let weight = |(columns, seed): (&usize, u64)| {
            let shape = if self.is_turned {
                [*columns, self.k]
            } else {
                [self.k, *columns]
            };
            Matrix::new(seed, shape, self.padding)
        };
        seeded.map(weight).collect()
    }

    fn bias(&self, map: usize) -> Option<Matrix> {
        let columns = self.columns[map];
        self.biases[map].then(|| Matrix::new(10 + map as u64, [1, columns], 0))
    }

    fn launch(&self) -> FewRows {
        let pitch = |columns: usize| if self.is_turned { self.k } else { columns } + self.padding;
        let stored: Vec<Stored> = self
            .columns
            .iter()
            .map(|columns| Stored {
                columns: *columns,
                pitch: pitch(*columns),
            })
            .collect();
        let shape = [self.rows, self.k];
        let few = FewRows::of(shape, self.k + self.padding, &stored, self.is_turned).unwrap();
        match self.choice {
            Some(choice) => few.with(choice).unwrap(),
            None => few,
        }
    }

    /// Runs both kernels on the inputs.
    fn run(&self) -> Found {
        self.run_on(&self.x(), &self.weights())
    }

    fn run_on(&self, x: &Matrix, weights: &[Matrix]) -> Found {
        let launch = self.launch();
        let folder = tempfile::tempdir().unwrap();
        let program = build(folder.path(), &launch, self);
        let mut running = Command::new(program)
            .arg(self.rows.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let biases = (0..self.columns.len()).filter_map(|map| self.bias(map));
        let mut input: Vec<u8> = Vec::new();
        let mut push = |one: &Matrix| {
            input.extend(one.numbers.iter().flat_map(|number| number.to_le_bytes()));
        };
        push(x);
        weights.iter().for_each(&mut push);
        biases.for_each(|bias| push(&bias));
        let mut to = running.stdin.take().unwrap();
        let writer = std::thread::spawn(move || to.write_all(&input));
        let done = running.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(
            done.status.success(),
            "the kernels ended with {}",
            done.status
        );

        let splits = launch.splits();
        let total: usize = self.columns.iter().sum();
        let (parts, rest) = done.stdout.split_at(4 * splits * self.rows * total);
        let (parts, _) = parts.as_chunks();
        let mut rest = rest;
        let written = if self.is_gated { 1 } else { self.columns.len() };
        let outputs = self.columns[..written].iter().map(|columns| {
            let (output, after) = rest.split_at(2 * self.rows * columns);
            rest = after;
            let (output, _) = output.as_chunks();
            let widen = |bytes: &[u8; 2]| bf16::from_le_bytes(*bytes).to_f32();
            output.iter().map(widen).collect()
        });
        let outputs = outputs.collect();
        assert!(rest.is_empty());
        Found {
            splits,
            parts: parts
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
            outputs,
        }
    }

    /// The products with each matrix, by the definition.
    fn exact(&self) -> Vec<Vec<f64>> {
        let x = self.x();
        let product = |(weight, columns): (&Matrix, &usize)| {
            let mut out = Vec::new();
            for row in 0..self.rows {
                for column in 0..*columns {
                    let terms = (0..self.k).map(|k| {
                        let [r, c] = if self.is_turned {
                            [column, k]
                        } else {
                            [k, column]
                        };
                        x.at(row, k) * weight.at(r, c)
                    });
                    out.push(terms.sum());
                }
            }
            out
        };
        self.weights()
            .iter()
            .zip(self.columns)
            .map(product)
            .collect()
    }

    /// Compares parts and outputs with the definition.
    fn check(&self) {
        let (found, exact) = (self.run(), self.exact());
        let total: usize = self.columns.iter().sum();
        let size = self.rows * total;
        assert_eq!(found.parts.len(), found.splits * size);
        let mut before = 0;
        for (exact, columns) in exact.iter().zip(self.columns) {
            let sum = |row: usize, column: usize| -> f32 {
                let parts = found.parts.chunks(size);
                parts.map(|part| part[row * total + before + column]).sum()
            };
            let sums: Vec<f32> = (0..self.rows)
                .flat_map(|row| (0..*columns).map(move |column| (row, column)))
                .map(|(row, column)| sum(row, column))
                .collect();
            let distance = distance_to_exact(&sums, exact);
            assert!(distance < 5e-5, "a sum is off by {distance}");
            before += columns;
        }
        for (map, (output, exact)) in found.outputs.iter().zip(self.outputs(&exact)).enumerate() {
            let scaled: Vec<f32> = output
                .iter()
                .zip(&exact)
                .map(|(found, exact)| found / to_f32(1.0 + exact.abs()))
                .collect();
            let exact: Vec<f64> = exact
                .iter()
                .map(|exact| exact / (1.0 + exact.abs()))
                .collect();
            let distance = distance_to_exact(&scaled, &exact);
            assert!(
                distance < 4.1e-3,
                "output {map} is off by {distance} of its size"
            );
        }
    }

    /// The outputs in 64 bits, from the products.
    fn outputs(&self, products: &[Vec<f64>]) -> Vec<Vec<f64>> {
        if self.is_gated {
            let pairs = products[0].iter().zip(&products[1]);
            return vec![
                pairs
                    .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
                    .collect(),
            ];
        }
        let biased = |(map, product): (usize, &Vec<f64>)| match self.bias(map) {
            Some(bias) => product
                .iter()
                .enumerate()
                .map(|(index, value)| value + bias.at(0, index % self.columns[map]))
                .collect(),
            None => product.clone(),
        };
        products.iter().enumerate().map(biased).collect()
    }
}

fn build(folder: &Path, launch: &FewRows, case: &Case) -> std::path::PathBuf {
    let add = launch.parts(case.biases, case.is_gated);
    let [few, add, few_text, add_text] = for_tests::both(launch, &add);
    // Both texts define these, with the same values.
    let add: Vec<&str> = add
        .lines()
        .filter(|line| {
            line.starts_with("#define SPLITS") || line.contains("BIASES") || line.contains("GATED")
        })
        .collect();
    let source = folder.join("kernels.c");
    let parts = [
        few,
        add.join("\n") + "\n",
        LANES.to_owned(),
        few_text,
        add_text,
        RUN.to_owned(),
    ];
    std::fs::write(&source, parts.concat()).unwrap();
    let program = folder.join("kernels");
    let done = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-w", "-o"])
        .arg(&program)
        .arg(&source)
        .arg("-lm")
        .status()
        .unwrap();
    assert!(done.success(), "the C compiler ended with {done}");
    program
}

#[test]
fn few_rows_are_multiplied_as_the_definition_says() {
    PLAIN.check();
    // Two blocks of rows and more, of which the last is not full; one step and several batches.
    for (rows, k) in [(1, 16), (9, 64), (17, 640), (33, 144), (64, 256)] {
        Case { rows, k, ..PLAIN }.check();
    }
}

#[test]
fn k_is_split_among_blocks_and_warps() {
    // Spans of 512, the last of which is shorter: whole batches, single steps, idle warps.
    for k in [1_536, 1_040, 880] {
        let case = Case { k, ..PLAIN };
        assert_eq!(case.launch().splits(), k.div_ceil(512));
        case.check();
    }
}

#[test]
fn matrices_that_share_their_rows_have_outputs_of_their_own() {
    let case = Case {
        rows: 5,
        k: 528,
        columns: &[176, 88, 8],
        biases: [true, false, true],
        ..PLAIN
    };
    case.check();
    Case {
        columns: &[64, 128],
        biases: [false, true, false],
        ..case
    }
    .check();
}

#[test]
fn gate_and_up_become_one_output() {
    let case = Case {
        rows: 11,
        columns: &[72, 72],
        is_gated: true,
        ..PLAIN
    };
    case.check();
}

#[test]
fn turned_weights_are_read_along_k() {
    let case = Case {
        rows: 3,
        k: 640,
        columns: &[200],
        is_turned: true,
        ..PLAIN
    };
    case.check();
    Case {
        rows: 30,
        k: 96,
        ..case
    }
    .check();
}

#[test]
fn padding_between_rows_is_not_read() {
    // The padding is NaN, and whatever reads it has NaN as its result.
    for is_turned in [false, true] {
        let case = Case {
            k: 160,
            columns: &[72],
            padding: 24,
            is_turned,
            ..PLAIN
        };
        case.check();
    }
}

#[test]
fn no_digit_of_a_row_depends_on_the_other_rows() {
    for is_turned in [false, true] {
        let all = Case {
            rows: 20,
            k: 1_056,
            is_turned,
            ..PLAIN
        };
        let (x, weights) = (all.x(), all.weights());
        let together = all.run_on(&x, &weights);
        for row in [0, 7, 8, 19] {
            let one = Matrix {
                numbers: x.numbers[row * x.pitch..(row + 1) * x.pitch].to_vec(),
                pitch: x.pitch,
            };
            let alone = Case { rows: 1, ..all }.run_on(&one, &weights);

            let of_row = |part: &[f32]| part[64 * row..64 * (row + 1)].to_vec();
            let parts: Vec<f32> = together.parts.chunks(20 * 64).flat_map(of_row).collect();
            assert_eq!(parts, alone.parts);
            assert_eq!(of_row(&together.outputs[0]), alone.outputs[0]);
        }
    }
}

#[test]
fn nan_stays_nan_in_its_row() {
    let mut x = PLAIN.x();
    x.numbers[3 * x.pitch + 100] = bf16::NAN;

    let found = PLAIN.run_on(&x, &PLAIN.weights());

    for (row, numbers) in found.outputs[0].chunks(64).enumerate() {
        assert!(numbers.iter().all(|number| number.is_nan() == (row == 3)));
    }
}

#[test]
fn every_choice_computes_the_same_product() {
    for (is_turned, ahead, side) in [(false, 2, 2), (false, 6, 1), (true, 3, 2)] {
        let case = Case {
            rows: 12,
            k: 1_568,
            columns: &[264],
            is_turned,
            choice: Some(Choice {
                span: 768,
                ahead,
                side,
            }),
            ..PLAIN
        };
        case.check();
    }
    // Tiles of two warps, of which the last of each matrix is not full.
    Case {
        columns: &[72, 136, 8],
        choice: Some(Choice {
            span: 256,
            ahead: 4,
            side: 2,
        }),
        ..PLAIN
    }
    .check();
}
