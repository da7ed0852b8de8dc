//! What happens when a loss or a gradient is no number.

use crate::{
    model::{AdapterKind, LanguageModel},
    train::{
        Algorithm, Inputs, Outcome, RowOrder, SftSettings, TrainError, TrainSettings,
        learner::{Learner, Moment, Piece, Sequence},
        run::train_with,
    },
};

use super::fixture::{ByText, Recorder, gspo, model, rows, settings, values};

fn run(
    model: LanguageModel,
    settings: &TrainSettings,
    judge: &ByText,
) -> (Result<Outcome, TrainError>, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows();
    let inputs = Inputs {
        settings,
        rows: &rows,
        seed: 5,
        checkpoints: folder.path(),
    };
    let mut recorder = Recorder::default();
    (train_with(model, &inputs, &mut recorder, judge), recorder)
}

#[test]
fn an_update_that_is_no_number_is_left_out_and_ten_in_a_row_are_too_many() {
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
    let moment = Moment {
        step: 0,
        update: 0,
        rate: 0.01,
        temperature: 0.9,
    };
    let before = values(&learner.model.decoder.trainable());
    let broken = |piece: Piece<'_>| (piece.scores.log_probs * f32::NAN).sum();

    for count in 1..=10 {
        assert!(!learner.has_diverged());
        let update = learner.update(&sequences, moment, &broken);
        assert!(update.loss.is_nan() && !update.is_finite());
        assert_eq!(learner.skipped, count);
    }

    assert!(learner.has_diverged());
    assert_eq!(values(&learner.model.decoder.trainable()), before);
    assert_eq!(learner.optimizer.updates, 0);
}

#[test]
fn what_was_to_be_learned_in_an_update_that_is_no_number_is_told() {
    // The first update makes the weights so large that nothing after it is finite.
    let mut settings = settings(gspo());
    settings.learning_rate.peak = 1e38;
    let judge = ByText(|text| text.len() as f64);

    let (outcome, recorder) = run(model(AdapterKind::None, 0.0), &settings, &judge);

    assert!(matches!(
        outcome.unwrap_err(),
        TrainError::Diverged { count: 10, step: 6 }
    ));
    // A step learns from 3 groups of 4, in updates of 2 groups and of 1.
    let places = recorder.non_finite.iter().map(|one| (one.step, one.update));
    let expected = [
        (1, 1),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
        (4, 0),
        (4, 1),
        (5, 0),
        (5, 1),
        (6, 0),
    ];
    assert_eq!(places.collect::<Vec<_>>(), expected);
    for update in &recorder.non_finite {
        let of_step = recorder
            .samples
            .iter()
            .filter(|sample| sample.step == update.step);
        let kept = of_step.filter(|sample| sample.advantage.is_some());
        let of_update: Vec<_> = kept.skip(update.update * 8).take(8).collect();
        assert_eq!(update.samples.len(), of_update.len());
        for (told, sample) in update.samples.iter().zip(of_update) {
            assert_eq!((&told.row, &told.prompt), (&sample.row, &sample.prompt));
            assert_eq!(told.completion, sample.completion);
            assert_eq!(
                (told.reward, told.advantage),
                (Some(sample.reward), sample.advantage)
            );
        }
        assert!(update.loss.is_none() || update.gradient_norm.is_none());
    }
}

#[test]
fn rows_whose_loss_is_no_number_are_told() {
    let mut broken = model(AdapterKind::None, 0.0);
    broken.decoder = broken.decoder.map_trainable(|_, value| value * f32::NAN);

    let (outcome, recorder) = run(broken, &settings_of_sft(), &ByText(|_| 0.0));

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
            assert_eq!((sample.reward, sample.advantage), (None, None));
        }
    }
}

/// Settings of SFT for more steps than may be left out.
fn settings_of_sft() -> TrainSettings {
    TrainSettings {
        max_steps: 20,
        ..settings(Algorithm::Sft(SftSettings {
            prompt_weight: 0.0,
            order: RowOrder::Shuffled,
        }))
    }
}
