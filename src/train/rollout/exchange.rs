//! Completions between the ranks of a training.

use serde::{Deserialize, Serialize};

use crate::{
    ranks::{RankError, Ranks, share},
    train::{error::TrainError, learner::Sequence, observer::RewardRecord, task::Task},
};

use super::sample::Sample;

/// A completion on its way to the other ranks, which know its row.
#[derive(Serialize, Deserialize)]
struct Sent {
    tokens: Vec<u32>,
    /// The bits of the log-probabilities: text has no infinity.
    log_probs: Vec<u32>,
    is_truncated: bool,
    text: String,
    reward: RewardRecord,
}

impl From<&Sample> for Sent {
    fn from(sample: &Sample) -> Self {
        Self {
            tokens: sample.sequence.completion.clone(),
            log_probs: sample.log_probs.iter().map(|one| one.to_bits()).collect(),
            is_truncated: sample.is_truncated,
            text: sample.text.clone(),
            reward: sample.reward.clone(),
        }
    }
}

/// The samples of all `rows`, which are `group_size` for each of `batch_size` prompts, from those of each rank; `None` if
/// a rank has to stop.
pub(super) fn of_all_ranks(
    ranks: &Ranks,
    task: &Task<'_>,
    [batch_size, group_size]: [usize; 2],
    rows: &[usize],
    own: Option<Vec<Sample>>,
) -> Result<Option<Vec<Sample>>, TrainError> {
    if ranks.count() == 1 {
        return Ok(own);
    }
    let own: Option<Vec<Sent>> = own.map(|own| own.iter().map(Sent::from).collect());
    let all: Option<Vec<Vec<Sent>>> = ranks.gather_values(&own)?.into_iter().collect();
    for (rank, sent) in all.iter().flatten().enumerate() {
        let share = share(batch_size, rank, ranks.count());
        if sent.len() != share.len() * group_size {
            let what = "another number of completions";
            return Err(RankError::Garbled { rank, what }.into());
        }
    }
    let sample = |(row, sent): (&usize, Sent)| Sample {
        row: *row,
        sequence: Sequence {
            prompt: task.sequences[*row].prompt.clone(),
            completion: sent.tokens,
        },
        log_probs: sent.log_probs.into_iter().map(f32::from_bits).collect(),
        is_truncated: sent.is_truncated,
        text: sent.text,
        reward: sent.reward,
        advantage: None,
    };
    Ok(all.map(|all| {
        rows.iter()
            .zip(all.into_iter().flatten())
            .map(sample)
            .collect()
    }))
}
