//! An interrupted training ends where an uninterrupted one does, bit for bit.

use std::{fs, path::Path};

use crate::{
    model::{AdapterKind, LanguageModel},
    ranks::Ranks,
    train::{
        Algorithm, Ended, Inputs, Outcome, RewardTools, RowOrder, SftSettings, TrainError,
        TrainSettings, run::train_with,
    },
};

use super::fixture::{ByText, Recorder, bits, dapo, grpo, model, rows, settings};

/// A reward that differs within most groups, but not all.
const REWARD: ByText = ByText(|text| (text.len() % 3) as f64);

fn run(
    model: &LanguageModel,
    settings: &TrainSettings,
    folder: &Path,
    recorder: &mut Recorder,
) -> Result<Outcome, TrainError> {
    let rows = rows();
    let inputs = Inputs {
        settings,
        rows: &rows,
        seed: 11,
        checkpoints: folder,
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher: None,
    };
    train_with(model.clone(), &inputs, recorder, &REWARD)
}

fn uninterrupted(model: &LanguageModel, settings: &TrainSettings) -> (Outcome, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let outcome = run(model, settings, folder.path(), &mut recorder).unwrap();
    assert_eq!(
        (outcome.ended, outcome.steps),
        (Ended::Done, settings.max_steps)
    );
    (outcome, recorder)
}

fn assert_same(one: &(Outcome, Recorder), other: &(Outcome, Recorder)) {
    let weights = |outcome: &Outcome| bits(&outcome.model.decoder.trainable());
    assert_eq!(weights(&one.0), weights(&other.0));
    assert_eq!(one.1.records, other.1.records);
    assert_eq!(one.1.samples, other.1.samples);
}

/// Stops after every `every` steps until all are done.
fn interrupted(
    model: &LanguageModel,
    settings: &TrainSettings,
    every: usize,
) -> (Outcome, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    for attempt in 1..=settings.max_steps.div_ceil(every) + 1 {
        recorder.stop_after = Some(attempt * every);
        let outcome = run(model, settings, folder.path(), &mut recorder).unwrap();
        assert_eq!(outcome.steps, (attempt * every).min(settings.max_steps));
        if outcome.ended == Ended::Done {
            return (outcome, recorder);
        }
    }
    panic!("it never ended");
}

fn check(algorithm: Algorithm, adapter: AdapterKind, dropout: f64) {
    let settings = settings(algorithm);
    let model = model(adapter, dropout);
    let whole = uninterrupted(&model, &settings);
    assert_eq!(whole.1.records.len(), 6);
    assert_ne!(
        bits(&model.decoder.trainable()),
        bits(&whole.0.model.decoder.trainable())
    );

    assert_same(&whole, &uninterrupted(&model, &settings));
    for every in [1, 2, 5] {
        assert_same(&whole, &interrupted(&model, &settings, every));
    }
}

#[test]
fn sft_with_interruptions_is_sft_without() {
    check(
        Algorithm::Sft(SftSettings {
            prompt_weight: 0.0,
            order: RowOrder::Shuffled,
        }),
        AdapterKind::None,
        0.0,
    );
}

#[test]
fn grpo_with_interruptions_is_grpo_without() {
    check(grpo(0.1), AdapterKind::Dora, 0.1);
}

#[test]
fn grpo_of_all_weights_keeps_its_reference_over_interruptions() {
    check(grpo(0.1), AdapterKind::None, 0.0);
}

#[test]
fn dapo_with_interruptions_is_dapo_without() {
    check(dapo(), AdapterKind::Lora, 0.0);
}

#[test]
fn recording_the_samples_of_few_steps_changes_no_digit() {
    let plain = settings(grpo(0.1));
    let model = model(AdapterKind::Dora, 0.1);
    let all = uninterrupted(&model, &plain);
    let weights = |outcome: &Outcome| bits(&outcome.model.decoder.trainable());

    for (samples_every, recorded) in [(4, vec![4]), (2, vec![2, 4, 6]), (7, vec![]), (0, vec![])] {
        let settings = TrainSettings {
            samples_every,
            ..plain.clone()
        };
        let some = uninterrupted(&model, &settings);

        // Identity: the samples of all steps, without those of the steps in between.
        let mut expected = all.1.samples.clone();
        expected.retain(|sample| recorded.contains(&sample.step));
        // By hand: 3 prompts of 4 completions a step.
        assert_eq!(expected.len(), recorded.len() * 12);
        assert_eq!(some.1.samples, expected, "{samples_every}");
        assert_eq!(weights(&some.0), weights(&all.0));
        assert_eq!(some.1.records, all.1.records);
        for every in [1, 5] {
            assert_same(&some, &interrupted(&model, &settings, every));
        }
    }
}

#[test]
fn a_training_resumes_with_another_rate_of_samples() {
    let plain = settings(grpo(0.0));
    let model = model(AdapterKind::Dora, 0.0);
    let whole = uninterrupted(&model, &plain);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder {
        stop_after: Some(3),
        ..Recorder::default()
    };
    run(&model, &plain, folder.path(), &mut recorder).unwrap();

    recorder.stop_after = None;
    let settings = TrainSettings {
        samples_every: 2,
        ..plain
    };
    let outcome = run(&model, &settings, folder.path(), &mut recorder).unwrap();

    assert_eq!(recorder.resumed, [0, 3]);
    assert_eq!(recorder.records, whole.1.records);
    let mut steps: Vec<usize> = recorder.samples.iter().map(|sample| sample.step).collect();
    steps.dedup();
    assert_eq!(steps, [1, 2, 3, 4, 6]);
    let weights = |outcome: &Outcome| bits(&outcome.model.decoder.trainable());
    assert_eq!(weights(&outcome), weights(&whole.0));
}

#[test]
fn a_stop_inside_a_step_leaves_the_step_undone() {
    let settings = settings(dapo());
    let model = model(AdapterKind::Dora, 0.0);
    let whole = uninterrupted(&model, &settings);
    let questions = whole.1.questions.get();
    assert!(
        questions > 30,
        "{questions}: it is asked before every token"
    );

    for question in (1..questions).step_by(questions / 9) {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder {
            stop_at_question: Some(question),
            ..Recorder::default()
        };
        let stopped = run(&model, &settings, folder.path(), &mut recorder).unwrap();
        assert_eq!(stopped.ended, Ended::Stopped);
        recorder.stop_at_question = None;
        let outcome = run(&model, &settings, folder.path(), &mut recorder).unwrap();
        assert_eq!(recorder.resumed, [0, stopped.steps]);
        assert_same(&whole, &(outcome, recorder));
    }
}

#[test]
fn records_after_the_last_checkpoint_are_repeated() {
    // As after `kill -9` after step 5: the last checkpoint is that of step 4, and all records of
    // step 5 were written.
    let settings = settings(grpo(0.0));
    let model = model(AdapterKind::Dora, 0.0);
    let whole = uninterrupted(&model, &settings);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder {
        stop_after: Some(5),
        ..Recorder::default()
    };
    run(&model, &settings, folder.path(), &mut recorder).unwrap();
    fs::remove_dir_all(folder.path().join("step_000005")).unwrap();

    recorder.stop_after = None;
    let outcome = run(&model, &settings, folder.path(), &mut recorder).unwrap();

    assert_eq!(recorder.resumed, [0, 4]);
    assert_same(&whole, &(outcome, recorder));
}

#[test]
fn a_damaged_checkpoint_is_reported_and_changes_nothing() {
    let settings = settings(grpo(0.0));
    let model = model(AdapterKind::Dora, 0.0);
    let whole = uninterrupted(&model, &settings);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder {
        stop_after: Some(5),
        ..Recorder::default()
    };
    run(&model, &settings, folder.path(), &mut recorder).unwrap();
    let file = folder.path().join("step_000005/trainable.safetensors");
    fs::write(&file, &fs::read(&file).unwrap()[1..]).unwrap();

    recorder.stop_after = None;
    let outcome = run(&model, &settings, folder.path(), &mut recorder).unwrap();

    assert!(
        recorder.notes[0].contains("step_000005"),
        "{:?}",
        recorder.notes
    );
    assert_eq!(recorder.resumed, [0, 4]);
    assert_same(&whole, &(outcome, recorder));
}

#[test]
fn a_training_that_is_done_does_nothing_more() {
    let settings = settings(grpo(0.0));
    let model = model(AdapterKind::Dora, 0.0);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    run(&model, &settings, folder.path(), &mut recorder).unwrap();
    let records = recorder.records.clone();

    let outcome = run(&model, &settings, folder.path(), &mut recorder).unwrap();

    assert_eq!((outcome.ended, outcome.steps), (Ended::Done, 6));
    assert_eq!(recorder.records, records);
    // What a checkpoint relies on was recorded before it was written.
    assert_eq!(recorder.checkpoints, [4, 6]);
}

#[test]
fn another_seed_is_another_training() {
    let settings = settings(grpo(0.0));
    let model = model(AdapterKind::Dora, 0.0);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let first = run(&model, &settings, folder.path(), &mut recorder).unwrap();
    let rows = rows();
    let inputs = Inputs {
        settings: &settings,
        rows: &rows,
        seed: 12,
        checkpoints: folder.path(),
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher: None,
    };

    let second = train_with(model.clone(), &inputs, &mut recorder, &REWARD).unwrap();

    assert!(
        recorder
            .notes
            .iter()
            .any(|note| note.contains("another training"))
    );
    let weights = |outcome: &Outcome| bits(&outcome.model.decoder.trainable());
    assert_ne!(weights(&first), weights(&second));
}
