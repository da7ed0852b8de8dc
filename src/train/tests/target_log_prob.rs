//! The mean log-probability of the targets before the first update.

use std::{fs, path::Path};

use crate::{
    model::{AdapterKind, LanguageModel, TokenBatch},
    ranks::Ranks,
    train::{
        Algorithm, Ended, Inputs, Outcome, RewardTools, Row, RowOrder, SftSettings, TargetLogProb,
        TrainError, TrainSettings, run::train_with,
    },
};

use super::fixture::{ByText, Recorder, grpo, model, rows, settings};

const REWARD: ByText = ByText(|text| (text.len() % 3) as f64);

fn sft() -> Algorithm {
    Algorithm::Sft(SftSettings {
        prompt_weight: 0.0,
        order: RowOrder::Shuffled,
    })
}

fn measuring(algorithm: Algorithm, rows: usize) -> TrainSettings {
    TrainSettings {
        target_log_prob_rows: rows,
        ..settings(algorithm)
    }
}

fn run(
    model: &LanguageModel,
    settings: &TrainSettings,
    rows: &[Row],
    folder: &Path,
    mut recorder: Recorder,
) -> Result<Outcome, TrainError> {
    let inputs = Inputs {
        settings,
        rows,
        seed: 11,
        checkpoints: folder,
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher: None,
    };
    train_with(model.clone(), &inputs, &mut recorder, &REWARD)
}

fn measured(
    model: &LanguageModel,
    settings: &TrainSettings,
    rows: &[Row],
) -> Option<TargetLogProb> {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(model, settings, rows, folder.path(), Recorder::default()).unwrap();
    assert_eq!(outcome.ended, Ended::Done);
    outcome.target_log_prob
}

/// The sum of log-probabilities and the number of tokens by the formula, from the logits of each row alone: `w7` is
/// the token 7, and 0 ends a target.
fn by_formula(model: &LanguageModel, row: &Row) -> (f64, usize) {
    let words = |text: &str| -> Vec<u32> {
        let words = text.split_whitespace();
        let token = |word: &str| word.trim_start_matches('w').parse().unwrap();
        words.map(token).collect()
    };
    let (prompt, mut target) = (words(&row.prompt), words(&row.target_text));
    target.push(0);
    let all = TokenBatch::new(&[[prompt.as_slice(), &target].concat()], &[Vec::new()]);
    let decoder = model.decoder.frozen();
    let hidden = decoder.hidden(&all, None, None);
    let [_, time, width] = hidden.dims();
    let logits = decoder.logits(hidden.reshape([time, width]));
    let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
    let vocabulary = logits.len() / time;
    let log_probs = target.iter().enumerate().map(|(place, token)| {
        let start = (prompt.len() + place - 1) * vocabulary;
        let row = &logits[start..start + vocabulary];
        let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
        row[*token as usize] - sum.ln()
    });
    (log_probs.sum(), target.len())
}

/// Oracle: the formula of the softmax, for every algorithm and with a fresh adapter, which changes nothing.
#[test]
fn it_is_the_mean_over_the_tokens_of_the_first_rows_before_any_update() {
    let base = model(AdapterKind::None, 0.0);
    for (wanted, counted) in [(1, 1), (3, 3), (5, 5), (1_000, 5)] {
        let of_rows = rows()[..counted]
            .iter()
            .map(|row| by_formula(&base, row))
            .collect::<Vec<_>>();
        let sum: f64 = of_rows.iter().map(|(sum, _)| sum).sum();
        let tokens: usize = of_rows.iter().map(|(_, tokens)| tokens).sum();
        for algorithm in [sft(), grpo(0.0)] {
            for adapter in [AdapterKind::None, AdapterKind::Lora] {
                let settings = measuring(algorithm.clone(), wanted);
                let found = measured(&model(adapter, 0.1), &settings, &rows()).unwrap();

                assert_eq!((found.rows, found.tokens), (counted, tokens));
                let error = (found.mean - sum / tokens as f64).abs();
                // 1e-5: 32 bits, log-probabilities of order three.
                assert!(error < 1e-5, "{wanted} {adapter:?}: {error}");
            }
        }
    }
    assert_eq!(measured(&base, &measuring(sft(), 0), &rows()), None);
}

/// More rows than are measured at a time.
fn many() -> Vec<Row> {
    let number = |index: usize| Row {
        id: format!("row {index}"),
        target_text: format!("w{} w{}", 1 + index % 12, 1 + index % 7),
        ..rows()[index % 5].clone()
    };
    (0..150).map(number).collect()
}

#[test]
fn an_interrupted_training_measures_once_and_of_the_model_before_the_first_update() {
    let (base, rows) = (model(AdapterKind::None, 0.0), many());
    let settings = measuring(sft(), 1_000);
    let whole = measured(&base, &settings, &rows).unwrap();
    assert_eq!((whole.rows, whole.tokens), (150, 450));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("target_log_prob.json");
    let start = |recorder| run(&base, &settings, &rows, folder.path(), recorder).unwrap();
    let kept =
        || -> serde_json::Value { serde_json::from_slice(&fs::read(&file).unwrap()).unwrap() };

    // It stops after the first 64 rows, and goes on with the next.
    let stopped = start(Recorder {
        stop_at_question: Some(2),
        ..Recorder::default()
    });
    assert_eq!((stopped.ended, stopped.steps), (Ended::Stopped, 0));
    assert_eq!(stopped.target_log_prob, None);
    assert_eq!(kept()["rows"].as_array().unwrap().len(), 64);
    let stopped = start(Recorder {
        stop_after: Some(3),
        ..Recorder::default()
    });
    assert_eq!((stopped.steps, stopped.target_log_prob), (3, Some(whole)));

    // What is kept is not measured again.
    let mut changed = kept();
    let first = changed["rows"][0]["log_prob"].as_f64().unwrap();
    changed["rows"][0]["log_prob"] = (first - 450.0).into();
    fs::write(&file, changed.to_string()).unwrap();
    let found = start(Recorder {
        stop_after: Some(4),
        ..Recorder::default()
    });
    // 1e-9: double precision, a mean over 450 tokens.
    let mean = found.target_log_prob.unwrap().mean;
    assert!((mean - (whole.mean - 1.0)).abs() < 1e-9);

    // Without the file it is measured again, not of the weights of the checkpoint.
    fs::remove_file(&file).unwrap();
    let done = start(Recorder::default());
    assert_eq!(
        (done.ended, done.target_log_prob),
        (Ended::Done, Some(whole))
    );
}

#[test]
fn a_model_that_gives_no_finite_number_is_refused_by_the_name_of_the_row() {
    let mut broken = model(AdapterKind::None, 0.0);
    broken.decoder = broken.decoder.map_trainable(|_, value| value * f32::NAN);
    let folder = tempfile::tempdir().unwrap();

    let settings = measuring(grpo(0.0), 2);
    let error = run(
        &broken,
        &settings,
        &rows(),
        folder.path(),
        Recorder::default(),
    );

    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("`row 0`") && text.contains("`train.target_log_prob_rows = 0`"),
        "{text}"
    );
}
