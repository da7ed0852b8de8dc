//! Updates whose loss or gradient is not finite.

use crate::{
    model::AdapterKind,
    train::{
        Algorithm, RowOrder, SftSettings, TrainError, TrainSettings,
        learner::{Diagnostics, Learner, MicroBatchScores, Sequence},
    },
};

use super::fixture::{ByText, UPDATE, gspo, model, rows, settings, train_on, values};

#[test]
fn updates_that_are_not_finite_are_skipped_and_ten_in_a_row_are_too_many() {
    let mut learner = Learner::new(
        model(AdapterKind::None, 0.0),
        settings(gspo()).optimizer,
        1000,
        false,
        5,
    );
    let sequences = [Sequence {
        prompt: vec![1, 2, 3],
        completion: vec![4, 0],
    }];
    let before = values(&learner.model().decoder.trainable());
    let broken = |micro_batch: MicroBatchScores<'_>| {
        let loss = (micro_batch.scores.log_probs * f32::NAN).sum();
        (loss, Diagnostics::default())
    };

    for count in 1..=10 {
        assert!(!learner.has_diverged());
        let (update, _) = learner.update(&sequences, UPDATE, &broken).unwrap();
        assert!(update.loss.is_nan() && !update.is_finite());
        let skipped = learner.skipped();
        assert_eq!((skipped.total, skipped.in_a_row), (count, count));
    }

    assert!(learner.has_diverged());
    assert_eq!(values(&learner.model().decoder.trainable()), before);
    assert_eq!(learner.snapshot().updates, 0);
}

#[test]
fn the_samples_of_a_skipped_update_are_recorded() {
    // The advantages of rewards that are no numbers are none, either.
    let settings = settings(gspo());
    let reward = ByText(|_| f64::NAN);

    let (outcome, recorder) = train_on(&rows(), model(AdapterKind::None, 0.0), &settings, &reward);

    assert!(matches!(
        outcome.unwrap_err(),
        TrainError::Diverged { count: 10, step: 5 }
    ));
    // A step learns from 3 groups of 4, in updates of 2 groups and of 1.
    let positions = recorder.non_finite.iter().map(|one| (one.step, one.update));
    let expected = (1..=5).flat_map(|step| [(step, 0), (step, 1)]);
    assert_eq!(positions.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    for update in &recorder.non_finite {
        let of_step = recorder
            .samples
            .iter()
            .filter(|sample| sample.step == update.step);
        let kept = of_step.filter(|sample| sample.advantage.is_some());
        let of_update: Vec<_> = kept.skip(update.update * 8).take(8).collect();
        assert_eq!(update.samples.len(), of_update.len());
        for (skipped, sample) in update.samples.iter().zip(of_update) {
            assert_eq!(
                (&skipped.row, &skipped.prompt),
                (&sample.row, &sample.prompt)
            );
            assert_eq!(skipped.completion, sample.completion);
            // As text, in which what is no number equals itself.
            let [found, expected] = [
                (skipped.reward.clone(), skipped.advantage),
                (
                    Some(sample.reward.clone()),
                    sample.advantage.filter(|advantage| advantage.is_finite()),
                ),
            ]
            .map(|values| format!("{values:?}"));
            assert_eq!(found, expected);
        }
        assert!(update.loss.is_none() || update.gradient_norm.is_none());
    }
}

#[test]
fn the_rows_of_a_skipped_update_are_recorded() {
    let mut broken = model(AdapterKind::None, 0.0);
    broken.decoder = broken.decoder.map_trainable(|_, value| value * f32::NAN);

    let (outcome, recorder) = train_on(&rows(), broken, &sft_settings(), &ByText(|_| 0.0));

    assert!(matches!(
        outcome.unwrap_err(),
        TrainError::Diverged {
            count: 10,
            step: 10
        }
    ));
    assert_eq!(recorder.non_finite.len(), 10);
    let rows = rows();
    for (update, step) in recorder.non_finite.iter().zip(1..) {
        assert_eq!((update.step, update.update, update.loss), (step, 0, None));
        assert_eq!(update.samples.len(), 3);
        for sample in &update.samples {
            let row = rows.iter().find(|row| row.id == sample.row).unwrap();
            assert_eq!(
                (&sample.prompt, &sample.completion),
                (&row.prompt, &row.target_text)
            );
            assert_eq!((sample.reward.clone(), sample.advantage), (None, None));
        }
    }
}

/// Settings of SFT with more steps than the number that may be skipped.
fn sft_settings() -> TrainSettings {
    TrainSettings {
        max_steps: 20,
        ..settings(Algorithm::Sft(SftSettings {
            prompt_weight: 0.0,
            order: RowOrder::Shuffled,
        }))
    }
}
