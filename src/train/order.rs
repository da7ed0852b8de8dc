//! In which order the rows come.

use serde::{Deserialize, Serialize};

use crate::seed;

/// In which order SFT goes through its rows, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// Another order each time, from the seed.
    Shuffled,
    /// As they stand in the file: for data that change on the way, such as a curriculum.
    File,
}

impl RowOrder {
    /// The rows that take the places `first .. first + count` of a training.
    pub(super) fn rows_at(self, seed: u64, rows: usize, first: usize, count: usize) -> Vec<usize> {
        match self {
            Self::Shuffled => rows_at(seed, rows, first, count),
            Self::File => (first..first + count).map(|place| place % rows).collect(),
        }
    }
}

/// The rows that take the places `first .. first + count` of a training.
///
/// The training goes through all rows again and again, in another order each time. A place's row
/// follows from the seed alone, so that nothing of the data's position has to be kept.
pub(super) fn rows_at(seed: u64, rows: usize, first: usize, count: usize) -> Vec<usize> {
    let mut epoch = None;
    let mut order: Vec<usize> = Vec::new();
    (first..first + count)
        .map(|place| {
            if epoch != Some(place / rows) {
                epoch = Some(place / rows);
                order = (0..rows).collect();
                seed::stream(seed, "order", (place / rows) as u64, 0).shuffle(&mut order);
            }
            order[place % rows]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_row_once_in_an_order_of_its_own() {
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
    fn the_order_of_the_file_begins_anew_after_its_last_row() {
        assert_eq!(RowOrder::File.rows_at(1, 3, 2, 5), [2, 0, 1, 2, 0]);
        assert_eq!(
            RowOrder::Shuffled.rows_at(1, 10, 7, 6),
            rows_at(1, 10, 7, 6)
        );
    }

    #[test]
    fn a_step_across_epochs_is_the_same_as_a_part_of_all() {
        assert_eq!(rows_at(1, 10, 7, 6), rows_at(1, 10, 0, 20)[7..13]);
    }
}
