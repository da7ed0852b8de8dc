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

/// How rows are drawn for rollouts.
#[derive(Clone, Debug, Default)]
pub(super) struct Draw {
    /// How much each row weighs; all the same if there are none.
    pub(super) weights: Option<Vec<f64>>,
}

impl Draw {
    /// The rows at the positions `first .. first + count` of a training on `rows` rows.
    ///
    /// A pass through the data has as many positions as there are rows, and a row has a share of them
    /// in proportion to its weight, rounded up or down (systematic resampling, from an offset that
    /// follows from seed and pass). With equal weights each row has one.
    pub(super) fn rows_at(&self, seed: u64, rows: usize, first: usize, count: usize) -> Vec<usize> {
        let Some(weights) = &self.weights else {
            return rows_at(seed, rows, first, count);
        };
        let mut pass = None;
        let mut drawn: Vec<usize> = Vec::new();
        (first..first + count)
            .map(|position| {
                if pass != Some(position / rows) {
                    pass = Some(position / rows);
                    let number = (position / rows) as u64;
                    let offset = seed::stream(seed, "curriculum offset", number, 0).uniform();
                    drawn = systematic(weights, offset);
                    seed::stream(seed, "order", number, 0).shuffle(&mut drawn);
                }
                drawn[position % rows]
            })
            .collect()
    }
}

/// As many rows as there are weights, each as often as its weight says: a row is drawn for every point
/// `offset + k` in its part of a line that is as long as there are rows. `offset` is in `0..1`.
fn systematic(weights: &[f64], offset: f64) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let rows = weights.len();
    let mut drawn = Vec::with_capacity(rows);
    let mut end = 0.0;
    for (row, weight) in weights.iter().enumerate() {
        end += weight / total * rows as f64;
        while drawn.len() < rows && offset + (drawn.len() as f64) < end {
            drawn.push(row);
        }
    }
    // The sum of shares may be rounded to less than the number of rows.
    let last = rows.saturating_sub(1);
    drawn.resize(rows, last);
    drawn
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

    /// Oracles: by hand; and the order without weights, of which equal weights are a case.
    #[test]
    fn rows_are_drawn_in_proportion_to_their_weights() {
        // Shares of 0, 1, 1.5 and 1.5 of four draws: the ends are 0, 1, 2.5 and 4.
        assert_eq!(systematic(&[0.0, 2.0, 3.0, 3.0], 0.25), [1, 2, 2, 3]);
        assert_eq!(systematic(&[0.0, 2.0, 3.0, 3.0], 0.75), [1, 2, 3, 3]);
        let equal = Draw {
            weights: Some(vec![0.3; 10]),
        };
        assert_eq!(equal.rows_at(1, 10, 7, 30), rows_at(1, 10, 7, 30));

        let draw = Draw {
            weights: Some(vec![1.0, 0.2, 0.2, 0.6]),
        };
        let drawn = draw.rows_at(3, 4, 0, 4_000);
        let count = |row: usize| drawn.iter().filter(|one| **one == row).count();
        // 4,000 draws in proportion to 5 : 1 : 1 : 3. Each pass rounds, so that the deviation of a count
        // is below 16, half a draw in each of 1,000 passes.
        for (row, expected) in [(0, 2_000), (1, 400), (2, 400), (3, 1_200)] {
            assert!(count(row).abs_diff(expected) < 64, "{row}: {}", count(row));
        }
        assert_eq!(draw.rows_at(3, 4, 7, 6), drawn[7..13]);
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
