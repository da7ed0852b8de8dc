//! Keys and values of the tokens so far.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{ops, token_batch::indices};

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

/// The room to grow that a full buffer gets: its length divided by this.
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

    /// The room for tokens of a row that began with `prompt` and has grown to `total`.
    pub fn capacity(prompt: usize, total: usize) -> usize {
        let mut room = prompt + (prompt / GROWTH).max(LEAST_GROWTH);
        while room < total {
            room += (room / GROWTH).max(LEAST_GROWTH);
        }
        room
    }

    /// The number of tokens of each row, padding included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Keeps only some rows from the column `first` on, and adds rows of another cache.
    ///
    /// All rows end in the same column; the columns before a shorter row are padding. Returns how
    /// many columns of padding the kept and the entering rows gain; a kept row may lose some.
    ///
    /// # Panics
    ///
    /// If the other cache belongs to another decoder.
    pub(super) fn rearrange(
        &mut self,
        kept: &[usize],
        first: usize,
        entering: Option<(Self, &[usize])>,
    ) -> [isize; 2] {
        let old = if kept.is_empty() {
            0
        } else {
            self.length - first
        };
        let new = entering.as_ref().map_or(0, |(other, _)| other.length);
        let length = old.max(new);
        let gained = [
            length as isize - self.length as isize,
            (length - new) as isize,
        ];
        let (mut others, rows) = match entering {
            Some((other, rows)) => (other.layers, rows),
            None => (
                (0..self.layers.len()).map(|_| Layer::default()).collect(),
                &[][..],
            ),
        };
        assert_eq!(
            others.len(),
            self.layers.len(),
            "both caches are of one decoder"
        );
        for (layer, other) in self.layers.iter_mut().zip(&mut others) {
            for (buffer, other) in [
                (&mut layer.keys, &mut other.keys),
                (&mut layer.values, &mut other.values),
            ] {
                let kept = buffer
                    .take()
                    .map(|from| Part::new(from, kept, first..first + old));
                let entering = other.take().map(|from| Part::new(from, rows, 0..new));
                *buffer = together([kept, entering], length);
            }
        }
        self.length = length;
        gained
    }

    /// Appends to a layer, rotating the keys, and returns all its keys and values.
    ///
    /// # Shapes
    ///
    /// - `keys`, `values`: `[batch, time, kv_heads, head_dim]`
    /// - `angles`: cosines and sines, `[batch, time, 1, head_dim / 2]`
    /// - outputs: `[batch, kv_heads, past + time, head_dim]`
    pub(super) fn extend(
        &mut self,
        layer: usize,
        [keys, values]: [Tensor<4>; 2],
        angles: [Tensor<4>; 2],
    ) -> [Tensor<4>; 2] {
        let (layer, past) = (&mut self.layers[layer], self.length);
        let total = past + keys.dims()[1];
        let buffers = [
            with_room(layer.keys.take(), past, &keys),
            with_room(layer.values.take(), past, &values),
        ];
        // The buffers have one owner here, so that they are written in place.
        let buffers = ops::place([keys, values], angles, buffers, past);
        let filled = buffers
            .each_ref()
            .map(|buffer| buffer.clone().narrow(2, 0, total));
        let [keys, values] = buffers;
        (layer.keys, layer.values) = (Some(keys), Some(values));
        filled
    }

    /// Counts `time` tokens that every layer has appended.
    pub(super) fn advance(&mut self, time: usize) {
        self.length += time;
    }
}

/// Some rows and columns of a buffer.
struct Part<'r> {
    from: Tensor<4>,
    rows: &'r [usize],
    columns: Range<usize>,
}

impl<'r> Part<'r> {
    fn new(from: Tensor<4>, rows: &'r [usize], columns: Range<usize>) -> Self {
        Self {
            from,
            rows,
            columns,
        }
    }
}

/// A buffer of all parts' rows, each ending at the column `length`, with room to grow.
fn together(parts: [Option<Part<'_>>; 2], length: usize) -> Option<Tensor<4>> {
    let parts: Vec<Part<'_>> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.rows.is_empty())
        .collect();
    let one = &parts.first()?.from;
    let [_, heads, _, width] = one.dims();
    let rows: usize = parts.iter().map(|part| part.rows.len()).sum();
    let capacity = length + (length / GROWTH).max(LEAST_GROWTH);
    let mut buffer = Tensor::zeros([rows, heads, capacity, width], (&one.device(), one.dtype()));
    let mut at = 0;
    for Part {
        from,
        rows,
        columns,
    } in parts
    {
        let device = from.device();
        let chosen = from
            .narrow(2, columns.start, columns.len())
            .select(0, indices(rows.iter().map(|row| *row as i64), &device));
        let place = [
            at..at + rows.len(),
            0..heads,
            length - columns.len()..length,
            0..width,
        ];
        buffer = buffer.slice_assign(place, chosen);
        at += rows.len();
    }
    Some(buffer)
}

/// A buffer with room for `new`, `[batch, time, kv_heads, head_dim]`, after its first `past` tokens.
fn with_room(buffer: Option<Tensor<4>>, past: usize, new: &Tensor<4>) -> Tensor<4> {
    let [batch, time, heads, width] = new.dims();
    let total = past + time;
    let room =
        |tokens: usize| Tensor::zeros([batch, heads, tokens, width], (&new.device(), new.dtype()));
    match buffer {
        None => room(total + LEAST_GROWTH),
        Some(current) if current.dims()[2] < total => {
            let more = (past / GROWTH).max(LEAST_GROWTH).max(time);
            Tensor::cat(vec![current, room(more)], 2)
        }
        Some(current) => current,
    }
}
