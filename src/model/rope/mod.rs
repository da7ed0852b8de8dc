//! Rotary position embedding (arXiv 2104.09864), in the half-split form of the Hugging Face models.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::{
    config::{DecoderConfig, Scaling},
    ops,
    rounding::to_f32,
};

/// Cosines and sines of every position.
#[derive(Clone, Debug)]
pub(super) struct Rope {
    /// The angle of each pair from one position to the next.
    frequencies: Vec<f64>,
    /// What cosines and sines are multiplied by.
    scale: f64,
    device: Device,
    /// The positions that were asked for so far. A model may allow a million, and most texts are short.
    table: Arc<Mutex<Table>>,
    growth: Option<Growth>,
}

/// Cosines and sines of the first positions, `[rows, half]`.
#[derive(Clone, Debug)]
struct Table {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

/// The rotations of the tokens of one pass.
#[derive(Debug)]
pub(super) struct Rotation {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

/// How frequencies depend on the length of the text beyond the model's own (dynamic scaling).
#[derive(Clone, Debug)]
struct Growth {
    factor: f64,
    original: f64,
    /// The logarithm of each pair's frequency within the model's own length, `[1, half]`.
    log_frequencies: Tensor<2>,
    /// By how much the logarithm falls with that of the base's growth, `[1, half]`.
    exponents: Tensor<2>,
}

impl Rope {
    pub(super) fn new(config: &DecoderConfig, device: &Device) -> Self {
        let frequencies = config.rope.frequencies(config.head_dim);
        let scale = config.rope.attention_factor();
        let growth = Growth::new(config, &frequencies, device);
        let table = Table::new(&frequencies, scale, 1, device);
        Self {
            frequencies,
            scale,
            device: device.clone(),
            table: Arc::new(Mutex::new(table)),
            growth,
        }
    }

    /// A table of at least `rows` positions, which grows where it is too short. The rows do not depend on
    /// when they were made.
    fn table(&self, rows: usize) -> Table {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.cos.dims()[0] < rows {
            // Twice as many at a time, so that a text that grows token by token costs little.
            let rows = rows.next_power_of_two().max(Table::SHORTEST);
            *table = Table::new(&self.frequencies, self.scale, rows, &self.device);
        }
        table.clone()
    }

    /// Looks up the rotations of `positions`, all of which are below `end`.
    ///
    /// # Shapes
    ///
    /// - `positions`: `[batch · time]`
    pub(super) fn rotation(
        &self,
        positions: &Tensor<1, Int>,
        end: usize,
        [batch, time]: [usize; 2],
        dtype: DType,
    ) -> Rotation {
        let half = self.frequencies.len();
        let shaped = |rows: Tensor<2>| rows.reshape([batch, time, 1, half]).cast(dtype);
        if let Some(growth) = &self.growth {
            let angles = growth.angles(positions, [batch, time]);
            return Rotation {
                cos: shaped(angles.clone().cos()),
                sin: shaped(angles.sin()),
            };
        }
        let Table { cos, sin } = self.table(end);
        let rows = |table: Tensor<2>| shaped(table.select(0, positions.clone()));
        Rotation {
            cos: rows(cos),
            sin: rows(sin),
        }
    }
}

impl Table {
    /// The fewest rows that are made at a time, except at the start.
    const SHORTEST: usize = 512;

    fn new(frequencies: &[f64], scale: f64, rows: usize, device: &Device) -> Self {
        let half = frequencies.len();
        let of = |function: fn(f64) -> f64| {
            let values: Vec<f32> = (0..rows * half)
                .map(|index| {
                    let angle = (index / half) as f64 * frequencies[index % half];
                    to_f32(scale * function(angle))
                })
                .collect();
            matrix(values, [rows, half], device)
        };
        Self {
            cos: of(f64::cos),
            sin: of(f64::sin),
        }
    }
}

impl Growth {
    fn new(config: &DecoderConfig, frequencies: &[f64], device: &Device) -> Option<Self> {
        let Scaling::Dynamic { factor, original } = config.rope.scaling else {
            return None;
        };
        let width = config.head_dim as f64;
        let logarithms = frequencies.iter().map(|one| to_f32(one.ln())).collect();
        // The base grows by `g^(d / (d - 2))`, and a pair's frequency is `base^(-2·pair / d)`.
        let exponents = (0..frequencies.len())
            .map(|pair| to_f32(2.0 * pair as f64 / (width - 2.0)))
            .collect();
        let shape = [1, frequencies.len()];
        Some(Self {
            factor,
            original,
            log_frequencies: matrix(logarithms, shape, device),
            exponents: matrix(exponents, shape, device),
        })
    }

    /// The angles of the pairs, by the length of each row: that of its last position.
    ///
    /// transformers takes the longest row of the batch instead, so that a text depends on the
    /// others of its batch; with one row the result is the same. A token keeps the rotation with
    /// which it was read, as in transformers.
    ///
    /// # Shapes
    ///
    /// - `positions`: `[batch · time]`
    /// - output: `[batch · time, half]`
    fn angles(&self, positions: &Tensor<1, Int>, [batch, time]: [usize; 2]) -> Tensor<2> {
        let half = self.exponents.dims()[1];
        let positions = positions
            .clone()
            .float()
            .cast(DType::F32)
            .reshape([batch, time]);
        let length = positions
            .clone()
            .max_dim(1)
            .add_scalar(1.0)
            .clamp_min(self.original);
        let growth = length
            .mul_scalar(self.factor / self.original)
            .sub_scalar(self.factor - 1.0)
            .log();
        let logarithms = self.log_frequencies.clone() - growth.matmul(self.exponents.clone());
        let frequencies = logarithms.exp().reshape([batch, 1, half]);
        (positions.reshape([batch, time, 1]) * frequencies).reshape([batch * time, half])
    }
}

fn matrix(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

impl Rotation {
    /// Rotates the heads of `x`, which may be the last tokens of each row alone.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[batch, last, heads, head_dim]`
    pub(super) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let [cos, sin] = self.angles(x.dims()[1]);
        ops::rotate(x, cos, sin)
    }

    /// The cosines and sines of the last tokens of each row.
    ///
    /// # Shapes
    ///
    /// - outputs: `[batch, last, 1, head_dim / 2]`
    pub(super) fn angles(&self, last: usize) -> [Tensor<4>; 2] {
        let time = self.cos.dims()[1];
        [&self.cos, &self.sin].map(|table| {
            if last < time {
                table.clone().narrow(1, time - last, last)
            } else {
                table.clone()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::{self, values};

    /// The cosines of one position.
    fn cosines(rope: &Rope, position: usize) -> Vec<f32> {
        let index = i64::try_from(position).unwrap();
        let positions = Tensor::<1, Int>::from_data([index], &Device::flex());
        let rotation = rope.rotation(&positions, position + 1, [1, 1], DType::F32);
        let half = rope.frequencies.len();
        values(rotation.cos.reshape([1, half]))
    }

    #[test]
    fn rows_do_not_depend_on_how_the_table_grew() {
        let config = fixture::model("qwen2").config;
        let (short, long) = (
            Rope::new(&config, &Device::flex()),
            Rope::new(&config, &Device::flex()),
        );
        cosines(&long, 5000);
        assert_eq!(long.table(1).cos.dims()[0], 8192);

        for position in [0, 3, 511, 512, 1023, 1024] {
            let found = cosines(&short, position);

            assert_eq!(found, cosines(&long, position), "{position}");
            // Oracle: the definition, cos(position · θ^(-2·pair / width)).
            let expected = (position as f64 * rope_frequency(&config)).cos();
            assert!((f64::from(found[1]) - expected).abs() < 1e-6, "{position}");
        }
        assert_eq!(short.table(1).cos.dims()[0], 2048);
    }

    /// The frequency of the second pair.
    fn rope_frequency(config: &DecoderConfig) -> f64 {
        10_000_f64.powf(-2.0 / config.head_dim as f64)
    }
}
