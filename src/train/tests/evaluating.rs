//! Evaluations change no digit of a training, and its best model is kept.

use std::{fs, path::Path};

use crate::{
    model::{AdapterKind, LanguageModel},
    ranks::Ranks,
    train::{
        Ended, EvalSchedule, FinalCheckpoint, Inputs, Outcome, RewardTools, TrainError,
        TrainSettings, run::train_with,
    },
};

use super::fixture::{ByText, Recorder, bits, grpo, model, rows, settings};

const REWARD: ByText = ByText(|text| (text.len() % 3) as f64);

/// Six steps, with evaluations after 2, 4 and 6, and checkpoints after 4 and 6.
fn evaluated(checkpoint: FinalCheckpoint) -> TrainSettings {
    let eval = EvalSchedule {
        every: 2,
        benchmark: "small_arena".to_owned(),
        limit: 5,
        samples: 2,
    };
    TrainSettings {
        eval,
        checkpoint,
        ..settings(grpo(0.1))
    }
}

/// The best is step 2, the second best step 6.
fn passed(step: usize) -> usize {
    match step {
        2 => 7,
        4 => 3,
        _ => 5,
    }
}

fn start() -> LanguageModel {
    model(AdapterKind::Dora, 0.1)
}

fn run(
    settings: &TrainSettings,
    folder: &Path,
    recorder: &mut Recorder,
) -> Result<Outcome, TrainError> {
    recorder.passed = Some(passed);
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
    train_with(start(), &inputs, recorder, &REWARD)
}

fn whole(settings: &TrainSettings) -> (Outcome, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let outcome = run(settings, folder.path(), &mut recorder).unwrap();
    assert_eq!((outcome.ended, outcome.steps), (Ended::Done, 6));
    (outcome, recorder)
}

fn weights(outcome: &Outcome) -> Vec<u32> {
    bits(&outcome.model.decoder.trainable())
}

fn steps(recorder: &Recorder) -> Vec<usize> {
    let records = recorder.evaluations.iter();
    records.map(|record| record.step).collect()
}

#[test]
fn evaluations_change_no_digit_of_a_training() {
    let (plain, without) = whole(&settings(grpo(0.1)));

    let (outcome, with) = whole(&evaluated(FinalCheckpoint::Last));

    assert_eq!(steps(&with), [2, 4, 6]);
    assert!(steps(&without).is_empty());
    assert_eq!(weights(&outcome), weights(&plain));
    assert_eq!(with.records, without.records);
    assert_eq!(with.samples, without.samples);
}

#[test]
fn the_best_model_is_the_result_if_the_settings_say_so() {
    let (last, _) = whole(&evaluated(FinalCheckpoint::Last));

    let (best, recorder) = whole(&evaluated(FinalCheckpoint::Best));

    assert_eq!((last.weights, best.weights), (6, 2));
    assert_eq!(weights(&best), recorder.measured[&2]);
    assert_eq!(weights(&last), recorder.measured[&6]);
    assert_ne!(weights(&best), weights(&last));
}

#[test]
fn evaluations_are_recorded_once_wherever_a_training_is_interrupted() {
    let settings = evaluated(FinalCheckpoint::Best);
    let (best, quiet) = whole(&settings);

    // Between steps, and in each evaluation.
    for stop in (1..=6)
        .map(|step| (Some(step), None))
        .chain([2, 4, 6].map(|step| (None, Some(step))))
    {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder {
            stop_after: stop.0,
            stop_in_evaluation: stop.1,
            ..Recorder::default()
        };
        run(&settings, folder.path(), &mut recorder).unwrap();
        (recorder.stop_after, recorder.stop_in_evaluation) = (None, None);
        let outcome = run(&settings, folder.path(), &mut recorder).unwrap();

        assert_eq!(recorder.evaluations, quiet.evaluations, "{stop:?}");
        assert_eq!(recorder.records, quiet.records, "{stop:?}");
        assert_eq!(
            (outcome.ended, outcome.weights),
            (Ended::Done, 2),
            "{stop:?}"
        );
        assert_eq!(weights(&outcome), weights(&best), "{stop:?}");
    }
}

#[test]
fn an_evaluation_after_the_last_checkpoint_is_repeated() {
    // As after `kill -9` between the evaluation of step 6 and its checkpoint.
    let settings = evaluated(FinalCheckpoint::Last);
    let (_, quiet) = whole(&settings);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    run(&settings, folder.path(), &mut recorder).unwrap();
    fs::remove_dir_all(folder.path().join("step_000006")).unwrap();

    run(&settings, folder.path(), &mut recorder).unwrap();

    assert_eq!(recorder.resumed, [0, 4]);
    assert_eq!(recorder.evaluations, quiet.evaluations);
}

#[test]
fn an_evaluation_that_is_stopped_twice_is_recorded_once() {
    // The checkpoint of step 4 is written without its evaluation. The evaluation of the second
    // attempt has no checkpoint after it, so the third attempt must discard its record.
    let settings = evaluated(FinalCheckpoint::Last);
    let (_, quiet) = whole(&settings);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder {
        stop_in_evaluation: Some(4),
        ..Recorder::default()
    };
    run(&settings, folder.path(), &mut recorder).unwrap();
    (recorder.stop_in_evaluation, recorder.stop_after) = (None, Some(5));
    run(&settings, folder.path(), &mut recorder).unwrap();
    assert_eq!(steps(&recorder), [2, 4]);
    fs::remove_dir_all(folder.path().join("step_000005")).unwrap();

    recorder.stop_after = None;
    run(&settings, folder.path(), &mut recorder).unwrap();

    assert_eq!(recorder.resumed, [0, 4, 4]);
    assert_eq!(recorder.evaluations, quiet.evaluations);
}

#[test]
fn the_best_model_without_evaluations_is_an_error() {
    let settings = TrainSettings {
        eval: EvalSchedule::default(),
        ..evaluated(FinalCheckpoint::Best)
    };
    let folder = tempfile::tempdir().unwrap();

    let error = run(&settings, folder.path(), &mut Recorder::default()).unwrap_err();

    insta::assert_snapshot!(error, @"cannot train: `checkpoint` is `best`, which needs evaluations: set `eval.every`");
}

#[test]
fn a_best_checkpoint_that_is_damaged_is_named() {
    let settings = evaluated(FinalCheckpoint::Best);
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder {
        stop_after: Some(5),
        ..Recorder::default()
    };
    run(&settings, folder.path(), &mut recorder).unwrap();
    let file = folder.path().join("step_000002/trainable.safetensors");
    fs::write(&file, &fs::read(&file).unwrap()[1..]).unwrap();
    recorder.stop_after = None;

    let error = run(&settings, folder.path(), &mut recorder).unwrap_err();

    let text = error.to_string();
    assert!(text.contains("step_000002"), "{text}");
    assert!(text.contains("trainable.safetensors"), "{text}");
}
