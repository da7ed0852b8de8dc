//! Keys and values of the tokens seen so far.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Keys and values of every layer, in buffers that are written in place.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Layer>,
    length: usize,
}

/// The buffers of a layer, `[batch, kv_heads, capacity, head_dim]`; none before the first pass.
#[derive(Debug, Default)]
struct Layer {
    keys: Option<Tensor<4>>,
    values: Option<Tensor<4>>,
}

/// The room to grow that a full buffer gets, as a share of its length.
const GROWTH: usize = 2;

/// The least room to grow, in tokens.
const LEAST_GROWTH: usize = 32;

impl KvCache {
    /// An empty cache for a decoder of `layers` blocks.
    pub fn new(layers: usize) -> Self {
        Self {
            layers: (0..layers).map(|_| Layer::default()).collect(),
            length: 0,
        }
    }

    /// The number of tokens of each row, padding included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Keeps only some rows, in the given order.
    pub fn select_rows(&mut self, rows: &[usize], device: &Device) {
        let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        let shape = [rows.len()];
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, shape), device);
        for layer in &mut self.layers {
            for buffer in [&mut layer.keys, &mut layer.values] {
                *buffer = buffer.take().map(|buffer| buffer.select(0, rows.clone()));
            }
        }
    }

    /// Appends to a layer and returns all its keys and values.
    ///
    /// # Shapes
    ///
    /// - `keys`, `values`: `[batch, kv_heads, time, head_dim]`
    /// - output: `[batch, kv_heads, past + time, head_dim]`
    pub(super) fn extend(
        &mut self,
        layer: usize,
        keys: Tensor<4>,
        values: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let layer = &mut self.layers[layer];
        (
            append(&mut layer.keys, self.length, keys),
            append(&mut layer.values, self.length, values),
        )
    }

    /// Counts `time` tokens that every layer has been given.
    pub(super) fn advance(&mut self, time: usize) {
        self.length += time;
    }
}

/// Writes `new` behind the first `past` tokens of a buffer, which grows if it must.
fn append(buffer: &mut Option<Tensor<4>>, past: usize, new: Tensor<4>) -> Tensor<4> {
    let [batch, heads, time, width] = new.dims();
    let total = past + time;
    let room =
        |tokens: usize| Tensor::zeros([batch, heads, tokens, width], (&new.device(), new.dtype()));
    let current = match buffer.take() {
        None => room(total + LEAST_GROWTH),
        Some(current) if current.dims()[2] < total => {
            let more = (past / GROWTH).max(LEAST_GROWTH).max(time);
            Tensor::cat(vec![current, room(more)], 2)
        }
        Some(current) => current,
    };
    // The buffer has one owner here, so that the backend writes into it without a copy.
    let current = current.slice_assign([0..batch, 0..heads, past..total, 0..width], new);
    let filled = current.clone().narrow(2, 0, total);
    *buffer = Some(current);
    filled
}
