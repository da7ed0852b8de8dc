//! The constants that a shape gives to the texts of this folder, and the grids of their blocks.
//!
//! All of them depend on the shapes of the weights alone. The number of rows only chooses how many
//! rows a block computes, which changes no digit.

use std::fmt::Write as _;

/// The most rows that `few_rows.cu` multiplies.
pub(in crate::model::ops::gpu) const MOST_ROWS: usize = 64;

/// The most matrices that share their rows in one launch.
pub(in crate::model::ops::gpu) const MOST_MAPS: usize = 3;

/// The threads of a block.
pub(in crate::model::ops::gpu) const THREADS: u32 = 256;

const INSTRUCTIONS: &str = include_str!("instructions.cu");
const FEW_ROWS: &str = include_str!("few_rows.cu");
const ADD_PARTS: &str = include_str!("add_parts.cu");

/// All texts, without constants.
pub(in crate::model::ops::gpu) fn texts() -> [&'static str; 3] {
    [INSTRUCTIONS, FEW_ROWS, ADD_PARTS]
}

/// The warps of a block.
const WARPS: usize = 8;

/// The columns of a warp.
const TILE: usize = 64;

/// The blocks that a grid should have at least: about four for each place of the largest chips, so
/// that the last ones to run leave little of it idle.
const BLOCKS_WANTED: usize = 1_024;

/// A matrix as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::model::ops::gpu) struct Stored {
    /// Its columns.
    pub(in crate::model::ops::gpu) columns: usize,
    /// The distance of its stored rows, which are columns if it is turned.
    pub(in crate::model::ops::gpu) pitch: usize,
}

/// How `few_rows.cu` computes a product, where there is a choice. The digits depend on the span and on
/// the warps that are side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::model::ops::gpu) struct Choice {
    /// The part of `k` that a block sums.
    pub(in crate::model::ops::gpu) span: usize,
    /// The steps whose weights are in flight.
    pub(in crate::model::ops::gpu) ahead: usize,
    /// The warps of a block that read the same rows: 1 or 2.
    pub(in crate::model::ops::gpu) side: usize,
}

/// What one launch of `few_rows.cu` computes: products of up to [`MOST_ROWS`] rows with up to
/// [`MOST_MAPS`] matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::model::ops::gpu) struct FewRows {
    blocks: usize,
    k: usize,
    row_pitch: usize,
    maps: [Stored; MOST_MAPS],
    is_turned: bool,
    choice: Choice,
}

const NONE: Stored = Stored {
    columns: 0,
    pitch: 0,
};

impl FewRows {
    /// The launch for such inputs, if the text computes it.
    pub(in crate::model::ops::gpu) fn of(
        [rows, k]: [usize; 2],
        row_pitch: usize,
        maps: &[Stored],
        is_turned: bool,
    ) -> Option<Self> {
        let step = if is_turned { 32 } else { 16 };
        let fits = (1..=MOST_ROWS).contains(&rows)
            && (1..=MOST_MAPS).contains(&maps.len())
            && (maps.len() == 1 || !is_turned)
            && k > 0
            && k.is_multiple_of(step)
            && row_pitch.is_multiple_of(8)
            && maps.iter().all(|map| {
                map.columns > 0 && map.columns.is_multiple_of(8) && map.pitch.is_multiple_of(8)
            });
        let largest = maps.iter().map(|map| map.columns.max(k) * map.pitch).max();
        // The text computes distances within a tile in 32 bits.
        let is_addressed = largest.is_some_and(|largest| largest < 1 << 40)
            && maps.iter().all(|map| map.pitch * TILE < 1 << 31)
            && row_pitch * MOST_ROWS < 1 << 31;
        let mut all = [NONE; MOST_MAPS];
        for (place, map) in all.iter_mut().zip(maps) {
            *place = *map;
        }
        let tiles: usize = maps.iter().map(|map| map.columns.div_ceil(TILE)).sum();
        (fits && is_addressed).then_some(Self {
            blocks: rows.div_ceil(8).next_power_of_two(),
            k,
            row_pitch,
            maps: all,
            is_turned,
            choice: choice(k, tiles, is_turned),
        })
    }

    /// The same product, computed in another way.
    pub(in crate::model::ops::gpu) fn with(self, choice: Choice) -> Option<Self> {
        let Choice { span, ahead, side } = choice;
        let step = WARPS * if self.is_turned { 32 } else { 16 };
        let fits = (1..=2).contains(&side) && (1..=8).contains(&ahead);
        (fits && span > 0 && span.is_multiple_of(step)).then_some(Self { choice, ..self })
    }

    /// The columns of all matrices.
    pub(in crate::model::ops::gpu) fn columns(&self) -> [usize; MOST_MAPS] {
        self.maps.map(|map| map.columns)
    }

    fn tiles(&self) -> usize {
        let width = TILE * self.choice.side;
        let tiles = self.columns().map(|columns| columns.div_ceil(width));
        tiles.iter().sum()
    }

    /// The blocks that share the sum of a number.
    pub(in crate::model::ops::gpu) fn splits(&self) -> usize {
        self.k.div_ceil(self.choice.span)
    }

    /// Blocks in both dimensions.
    pub(in crate::model::ops::gpu) fn grid(&self) -> [usize; 2] {
        [self.tiles(), self.splits()]
    }

    /// The launch that adds the parts.
    pub(in crate::model::ops::gpu) fn parts(
        &self,
        biases: [bool; MOST_MAPS],
        is_gated: bool,
    ) -> AddParts {
        AddParts {
            columns: self.columns(),
            splits: self.splits(),
            biases,
            is_gated,
        }
    }

    fn constants(&self) -> String {
        let [n0, n1, n2] = self.columns();
        let [p0, p1, p2] = self.maps.map(|map| map.pitch);
        let is_ragged = [n0, n1, n2]
            .iter()
            .any(|columns| !columns.is_multiple_of(TILE * self.choice.side));
        constants(&[
            ("BLOCKS", self.blocks),
            ("K", self.k),
            ("SPAN", self.choice.span),
            ("SIDE", self.choice.side),
            ("MAPS", maps(self.columns())),
            ("N0", n0),
            ("N1", n1),
            ("N2", n2),
            ("PX", self.row_pitch),
            ("P0", p0),
            ("P1", p1),
            ("P2", p2),
            ("RAGGED", usize::from(is_ragged)),
            ("TURNED", usize::from(self.is_turned)),
            ("AHEAD", self.choice.ahead),
        ])
    }

    /// The text for the compiler.
    pub(in crate::model::ops::gpu) fn text(&self) -> String {
        format!("{}{INSTRUCTIONS}{FEW_ROWS}", self.constants())
    }
}

/// The table of choices. It depends on the weights alone, so that no digit depends on the rows.
fn choice(k: usize, tiles: usize, is_turned: bool) -> Choice {
    // A multiple of what the warps of a block take in a step.
    let whole = k.next_multiple_of(2 * 16 * WARPS);
    let has_enough_blocks = |span: usize| tiles * k.div_ceil(span) >= BLOCKS_WANTED;
    let span = if is_turned || has_enough_blocks(whole) {
        whole
    } else if has_enough_blocks(1_024) {
        whole.min(1_024)
    } else {
        whole.min(512)
    };
    Choice {
        span,
        ahead: if is_turned { 2 } else { 4 },
        side: 1,
    }
}

/// What one launch of `add_parts.cu` computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::model::ops::gpu) struct AddParts {
    columns: [usize; MOST_MAPS],
    splits: usize,
    biases: [bool; MOST_MAPS],
    is_gated: bool,
}

impl AddParts {
    /// Blocks in both dimensions.
    pub(in crate::model::ops::gpu) fn grid(&self, rows: usize) -> [usize; 2] {
        let columns = if self.is_gated {
            self.columns[0]
        } else {
            self.columns.iter().sum()
        };
        [columns.div_ceil(4 * THREADS as usize), rows]
    }

    fn constants(&self) -> String {
        let [n0, n1, n2] = self.columns;
        let [b0, b1, b2] = self.biases.map(usize::from);
        constants(&[
            ("SPLITS", self.splits),
            ("MAPS", maps(self.columns)),
            ("N0", n0),
            ("N1", n1),
            ("N2", n2),
            ("BIASES", b0 + 2 * b1 + 4 * b2),
            ("GATED", usize::from(self.is_gated)),
        ])
    }

    /// The text for the compiler.
    pub(in crate::model::ops::gpu) fn text(&self) -> String {
        format!("{}{INSTRUCTIONS}{ADD_PARTS}", self.constants())
    }
}

fn maps(columns: [usize; MOST_MAPS]) -> usize {
    columns.iter().filter(|columns| **columns > 0).count()
}

fn constants(all: &[(&str, usize)]) -> String {
    let mut text = String::new();
    for (name, value) in all {
        // Writing to a text does not fail.
        let _ = writeln!(text, "#define {name} {value}");
    }
    text
}

#[cfg(test)]
pub(super) mod for_tests {
    use super::{AddParts, FewRows, texts};

    /// The texts of both kernels and their constants, without what they take from the hardware.
    pub(in crate::model::ops::gpu) fn both(few: &FewRows, add: &AddParts) -> [String; 4] {
        let [_, few_text, add_text] = texts().map(str::to_owned);
        [few.constants(), add.constants(), few_text, add_text]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(columns: usize) -> Stored {
        Stored {
            columns,
            pitch: columns,
        }
    }

    fn splits(k: usize, columns: &[usize]) -> [usize; 2] {
        let maps: Vec<Stored> = columns.iter().copied().map(plain).collect();
        FewRows::of([8, k], k, &maps, false).unwrap().grid()
    }

    #[test]
    fn the_split_of_k_depends_on_the_weights_alone() {
        // Qwen2.5-7B: q with k and v, o, gate with up, down.
        assert_eq!(splits(3_584, &[3_584, 512, 512]), [72, 7]);
        assert_eq!(splits(3_584, &[3_584]), [56, 7]);
        assert_eq!(splits(3_584, &[18_944, 18_944]), [592, 4]);
        assert_eq!(splits(18_944, &[3_584]), [56, 19]);
        for rows in 1..=MOST_ROWS {
            let few = FewRows::of([rows, 3_584], 3_584, &[plain(3_584)], false).unwrap();
            assert_eq!(few.grid(), [56, 7]);
        }
    }

    #[test]
    fn every_four_columns_of_an_output_have_a_thread() {
        let few = FewRows::of([8, 64], 64, &[plain(1_024), plain(1_032)], false).unwrap();

        assert_eq!(few.parts([false; MOST_MAPS], false).grid(8), [3, 8]);
        // Gate and up become one output.
        let few = FewRows::of([8, 64], 64, &[plain(1_032); 2], false).unwrap();
        assert_eq!(few.parts([false; MOST_MAPS], true).grid(8), [2, 8]);
    }

    #[test]
    fn an_output_head_is_not_split() {
        let head = Stored {
            columns: 152_064,
            pitch: 3_584,
        };
        let few = FewRows::of([64, 3_584], 3_584, &[head], true).unwrap();

        assert_eq!(few.grid(), [2_376, 1]);
    }

    #[test]
    fn a_block_computes_as_many_rows_as_are_needed() {
        let blocks = |rows| {
            FewRows::of([rows, 64], 64, &[plain(64)], false)
                .unwrap()
                .blocks
        };

        assert_eq!([1, 8, 9, 16, 17, 33, 64].map(blocks), [1, 1, 2, 2, 4, 8, 8]);
    }

    #[test]
    fn other_shapes_are_declined() {
        let one = [plain(64)];
        assert_eq!(FewRows::of([65, 64], 64, &one, false), None);
        assert_eq!(FewRows::of([0, 64], 64, &one, false), None);
        assert_eq!(FewRows::of([8, 72], 72, &one, false), None);
        assert_eq!(FewRows::of([8, 48], 48, &one, true), None);
        assert_eq!(FewRows::of([8, 64], 60, &one, false), None);
        assert_eq!(FewRows::of([8, 64], 64, &[plain(60)], false), None);
        assert_eq!(FewRows::of([8, 64], 64, &[one[0]; 4], false), None);
        assert_eq!(FewRows::of([8, 64], 64, &[one[0]; 2], true), None);
        assert_eq!(FewRows::of([8, 64], 64, &[], false), None);
    }
}
