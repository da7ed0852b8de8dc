//! Rows are drawn by how often the untrained model solves them.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    model::AdapterKind,
    ranks::Ranks,
    reward::RewardError,
    train::{
        Curriculum, Inputs, RewardRecord, RewardTools, TrainSettings,
        rollout::{answer::Answer, reward::RewardFn},
        run::train_with,
    },
};

use super::fixture::{ByText, Recorder, grpo, model, rows, settings, train_on, values};

fn with(curriculum: Curriculum) -> TrainSettings {
    TrainSettings {
        curriculum,
        max_steps: 20,
        ..settings(grpo(0.0))
    }
}

/// Answers with an odd number of letters succeed.
const REWARD: ByText = ByText(|text| (text.len() % 2) as f64);

/// The same reward, and how often answers of the untrained model were scored, of which a row has three.
struct Counted<'a>(&'a AtomicUsize);

impl RewardFn for Counted<'_> {
    fn rewards(
        &self,
        answers: &[Answer<'_>],
        group_size: usize,
    ) -> Result<Vec<RewardRecord>, RewardError> {
        self.0
            .fetch_add(usize::from(group_size == 3), Ordering::Relaxed);
        REWARD.rewards(answers, group_size)
    }
}

#[test]
fn rows_without_a_success_are_drawn_less() {
    // Rewards are 0 or -1, so that no answer reaches 1, and each reaches -1.
    let curriculum = |success| Curriculum {
        samples: 4,
        success: Some(success),
        least: 0.1,
    };
    let drawn = |settings: &TrainSettings| {
        let (_, recorder) = train_on(&rows(), model(AdapterKind::None, 0.0), settings, &REWARD);
        (recorder.samples, recorder.notes)
    };
    let (plain, _) = drawn(&with(Curriculum::default()));
    for (success, always, never) in [(1.0, 0, 5), (-1.0, 5, 0)] {
        let (samples, notes) = drawn(&with(curriculum(success)));
        // Equal weights are the order without a curriculum.
        assert_eq!(samples, plain);
        assert_eq!(
            notes,
            [format!(
                "curriculum: of 5 rows the untrained model always solves {always} and never {never}, in 4 \
                 answers to each"
            )]
        );
    }
    let (samples, notes) = drawn(&with(curriculum(0.0)));
    assert_ne!(samples, plain, "{notes:?}");
}

#[test]
fn an_interrupted_training_measures_once_and_has_the_same_digits() {
    let settings = with(Curriculum {
        samples: 3,
        success: Some(0.0),
        least: 0.1,
    });
    let rows = rows();
    let measured = AtomicUsize::new(0);
    let reward = Counted(&measured);
    let run = |stops: &[Option<usize>]| {
        let folder = tempfile::tempdir().unwrap();
        let mut weights = Vec::new();
        for stop in stops {
            let mut recorder = Recorder {
                stop_after: *stop,
                ..Recorder::default()
            };
            let inputs = Inputs {
                settings: &settings,
                rows: &rows,
                seed: 5,
                checkpoints: folder.path(),
                tools: RewardTools::default(),
                ranks: &Ranks::alone(),
                teacher: None,
            };
            let start = model(AdapterKind::None, 0.0);
            let outcome = train_with(start, &inputs, &mut recorder, &reward).unwrap();
            weights = values(&outcome.model.decoder.trainable());
        }
        weights
    };
    let whole = run(&[None]);
    assert_eq!(measured.swap(0, Ordering::Relaxed), 1);
    assert_eq!(run(&[Some(3), Some(11), None]), whole);
    assert_eq!(measured.load(Ordering::Relaxed), 1);
}
