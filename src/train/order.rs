//! The order of the rows.

use serde::{Deserialize, Serialize};

use crate::seed;

/// The order in which SFT goes through its rows in each pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// A different random order in each pass, from the seed.
    Shuffled,
    /// The order of the file, for data such as a curriculum.
    File,
}

impl RowOrder {
    /// The rows at the positions `first .. first + count` of a training.
    pub(super) fn rows_at(self, seed: u64, rows: usize, first: usize, count: usize) -> Vec<usize> {
        match self {
            Self::Shuffled => rows_at(seed, rows, first, count),
            Self::File => (first..first + count)
                .map(|position| position % rows)
                .collect(),
        }
    }
}

/// The rows at the positions `first .. first + count` of a training.
///
/// The training goes through all rows repeatedly, in a different order each time. The row at a
/// position follows from the seed alone, so there is no state to keep.
pub(super) fn rows_at(seed: u64, rows: usize, first: usize, count: usize) -> Vec<usize> {
    let mut epoch = None;
    let mut order: Vec<usize> = Vec::new();
    (first..first + count)
        .map(|position| {
            if epoch != Some(position / rows) {
                epoch = Some(position / rows);
                order = (0..rows).collect();
                seed::stream(seed, "order", (position / rows) as u64, 0).shuffle(&mut order);
            }
            order[position % rows]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_row_once_and_another_order() {
        let places = rows_at(1, 10, 0, 30);
        for epoch in places.chunks(10) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }

        assert_ne!(places[..10], places[10..20]);
        assert_ne!(places, rows_at(2, 10, 0, 30));
    }

    #[test]
    fn the_order_of_the_file_starts_again_after_its_last_row() {
        assert_eq!(RowOrder::File.rows_at(1, 3, 2, 5), [2, 0, 1, 2, 0]);
        assert_eq!(
            RowOrder::Shuffled.rows_at(1, 10, 7, 6),
            rows_at(1, 10, 7, 6)
        );
    }

    #[test]
    fn positions_across_epochs_do_not_depend_on_the_first() {
        assert_eq!(rows_at(1, 10, 7, 6), rows_at(1, 10, 0, 20)[7..13]);
    }
}
