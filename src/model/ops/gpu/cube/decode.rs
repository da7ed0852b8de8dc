//! Attention of one query of each row and head, split over the context.
//!
//! A cube takes the keys and values of one chunk for all queries that share them, and a second
//! kernel joins the chunks in their order. Chunks begin at the start of a row, so that the padding
//! before it, which depends on the other rows, changes no digit.

#![expect(
    clippy::too_many_lines,
    reason = "a kernel is one function, because the units of a cube wait for each other"
)]

use burn::tensor::DType;
use cubecl::prelude::*;

use super::{
    handle::{OnDevice, Strided, Whole},
    launch::{cube, cubes, narrow, units_of_row},
    reduce,
};

/// The keys of a chunk, one for each unit.
const CHUNK: usize = 128;

/// The largest amount of shared memory that a cube takes: the least that WebGPU promises.
const SHARED_BYTES: usize = 16 << 10;

/// The sizes of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// The tokens of each row, padding included.
    pub(super) total: usize,
}

impl Sizes {
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Whether a chunk with its queries fits a cube.
    pub(super) fn fit(&self) -> bool {
        4 * self.group() * (2 * CHUNK + self.head_dim) <= SHARED_BYTES
    }
}

/// The first key that the query of a row sees, and how many it sees.
#[cube]
fn seen<I: Int>(starts: &[I], row: usize, total: usize) -> (usize, usize) {
    let start = u32::cast_from(starts[row]) as usize;
    let first = select(start < total - 1, start, total - 1);
    (first, total - first)
}

/// The largest score of a chunk, the sum of the weights, and the sum of weighted values.
#[cube(launch)]
fn of_chunks<E: Float, I: Int, N: Size>(
    q: &[Vector<E, N>],
    k: &[Vector<E, N>],
    v: &[E],
    starts: &[I],
    tops: &mut [f32],
    sums: &mut [f32],
    mixed: &mut [f32],
    total: u32,
    scale: f32,
    row_stride: u32,
    head_stride: u32,
    #[comptime] group: usize,
    #[comptime] width: usize,
    #[comptime] vector: usize,
    #[define(E, I)] _dtypes: [ElemType; 2],
) {
    let (chunk, kv, row) = (
        CUBE_POS_X as usize,
        CUBE_POS_Y as usize,
        CUBE_POS_Z as usize,
    );
    let (chunks, kv_heads) = (CUBE_COUNT_X as usize, CUBE_COUNT_Y as usize);
    let unit = UNIT_POS as usize;
    let (first, count) = seen::<I>(starts, row, total as usize);
    let from = chunk * CHUNK;
    if from >= count {
        terminate!();
    }
    let here = select(count - from < CHUNK, count - from, CHUNK);
    let head = (row * kv_heads + kv) * group;
    let vectors = comptime!(width / vector);
    let begin = row * row_stride as usize + kv * head_stride as usize + (first + from) * width;

    let mut queries = Shared::<[Vector<f32, N>]>::new_slice(comptime!(group * vectors));
    let mut at = unit;
    while at < comptime!(group * vectors) {
        queries[at] = Vector::<f32, N>::cast_from(q[head * vectors + at]) * Vector::new(scale);
        at += CHUNK;
    }
    sync_cube();

    let mut scores = Array::<f32>::new(group);
    #[unroll]
    for one in 0..group {
        scores[one] = reduce::least();
    }
    if unit < here {
        let mut dots = Array::<Vector<f32, N>>::new(group);
        #[unroll]
        for one in 0..group {
            dots[one] = Vector::new(0.0f32);
        }
        let line = begin / vector + unit * vectors;
        for part in 0..vectors {
            let key = Vector::<f32, N>::cast_from(k[line + part]);
            #[unroll]
            for one in 0..group {
                dots[one] += key * queries[one * vectors + part];
            }
        }
        #[unroll]
        for one in 0..group {
            scores[one] = dots[one].vector_sum();
        }
    }

    // All have read the queries, whose memory may be used again. The sums of all queries of the group
    // share their waits.
    sync_cube();
    let mut lines = Shared::<[f32]>::new_slice(comptime!(group * CHUNK));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(group * CHUNK));
    #[unroll]
    for one in 0..group {
        lines[one * CHUNK + unit] = scores[one];
    }
    sync_cube();
    #[unroll]
    for step in 0..comptime!(CHUNK.ilog2() as usize) {
        let half = CHUNK >> (step + 1);
        if unit < half {
            #[unroll]
            for one in 0..group {
                let place = one * CHUNK + unit;
                let (a, b) = (lines[place], lines[place + half]);
                lines[place] = select(b > a, b, a);
            }
        }
        sync_cube();
    }
    let mut top = Array::<f32>::new(group);
    #[unroll]
    for one in 0..group {
        top[one] = lines[one * CHUNK];
    }
    sync_cube();
    #[unroll]
    for one in 0..group {
        let mut weight = 0.0f32;
        if unit < here {
            weight = (scores[one] - top[one]).exp();
        }
        weights[one * CHUNK + unit] = weight;
        lines[one * CHUNK + unit] = weight;
    }
    sync_cube();
    #[unroll]
    for step in 0..comptime!(CHUNK.ilog2() as usize) {
        let half = CHUNK >> (step + 1);
        if unit < half {
            #[unroll]
            for one in 0..group {
                let place = one * CHUNK + unit;
                lines[place] += lines[place + half];
            }
        }
        sync_cube();
    }
    if unit == 0 {
        #[unroll]
        for one in 0..group {
            tops[(head + one) * chunks + chunk] = top[one];
            sums[(head + one) * chunks + chunk] = lines[one * CHUNK];
        }
    }

    let mut column = unit;
    while column < width {
        let mut values = Array::<f32>::new(group);
        #[unroll]
        for one in 0..group {
            values[one] = 0.0f32;
        }
        for key in 0..here {
            let value = f32::cast_from(v[begin + key * width + column]);
            #[unroll]
            for one in 0..group {
                values[one] += weights[one * CHUNK + key] * value;
            }
        }
        #[unroll]
        for one in 0..group {
            mixed[((head + one) * chunks + chunk) * width + column] = values[one];
        }
        column += CHUNK;
    }
}

/// Joins the chunks of each head of each row.
#[cube(launch)]
fn joined<E: Float, I: Int>(
    tops: &[f32],
    sums: &[f32],
    mixed: &[f32],
    starts: &[I],
    out: &mut [E],
    all: u32,
    heads: u32,
    chunks: u32,
    width: u32,
    total: u32,
    #[comptime] units: usize,
    #[define(E, I)] _dtypes: [ElemType; 2],
) {
    let (head, chunks, width) = (CUBE_POS, chunks as usize, width as usize);
    if head >= all as usize {
        terminate!();
    }
    let (_, count) = seen::<I>(starts, head / heads as usize, total as usize);
    let used = count.div_ceil(CHUNK);
    let line = head * chunks;
    let mut top = tops[line];
    for chunk in 1..used {
        let other = tops[line + chunk];
        top = select(other > top, other, top);
    }
    let mut sum = 0.0f32;
    for chunk in 0..used {
        sum += sums[line + chunk] * (tops[line + chunk] - top).exp();
    }
    let mut column = UNIT_POS as usize;
    while column < width {
        let mut value = 0.0f32;
        for chunk in 0..used {
            let share = (tops[line + chunk] - top).exp();
            value += mixed[(line + chunk) * width + column] * share;
        }
        out[head * width + column] = E::cast_from(value / sum);
        column += units;
    }
}

/// The weighted sums of values, `[batch, heads · head_dim]`.
///
/// `k` and `v` have the same strides, and their lines of one head are contiguous.
pub(super) fn attention(
    q: &OnDevice,
    [k, v]: [&Strided; 2],
    starts: &Whole,
    scale: f32,
    sizes: Sizes,
) -> OnDevice {
    let Sizes {
        batch,
        heads,
        kv_heads,
        head_dim,
        total,
    } = sizes;
    let chunks = total.div_ceil(CHUNK);
    let [tops, sums] = [(); 2].map(|()| q.fresh([batch, heads, chunks], DType::F32));
    let mixed = q.fresh([batch, heads, chunks, head_dim], DType::F32);
    let out = q.fresh([batch, heads * head_dim], q.dtype());
    let client = q.client();
    let vector = q.vector(head_dim).min(4);
    of_chunks::launch(
        &client,
        CubeCount::Static(narrow(chunks), narrow(kv_heads), narrow(batch)),
        cube(CHUNK),
        vector,
        q.arg(),
        k.arg(),
        v.arg(),
        starts.arg(),
        tops.arg(),
        sums.arg(),
        mixed.arg(),
        narrow(total),
        scale,
        narrow(k.strides()[0]),
        narrow(k.strides()[1]),
        sizes.group(),
        head_dim,
        vector,
        [q.element(), starts.element()],
    );
    let units = units_of_row(head_dim);
    joined::launch(
        &client,
        cubes(batch * heads),
        cube(units),
        tops.arg(),
        sums.arg(),
        mixed.arg(),
        starts.arg(),
        out.arg(),
        narrow(batch * heads),
        narrow(heads),
        narrow(chunks),
        narrow(head_dim),
        narrow(total),
        units,
        [q.element(), starts.element()],
    );
    out
}
