//! What DAPO adds: the overlong penalty, mini-batches and dynamic sampling.

use crate::{
    model::AdapterKind,
    train::{Algorithm, order::rows_at},
};

use super::fixture::{ByText, dapo, model, settings, train_two_rows, values};

#[test]
fn the_overlong_penalty_is_added_and_each_mini_batch_has_an_update() {
    let reward = ByText(|text| if text.contains("w2") { 1.0 } else { 0.0 });
    let settings = settings(dapo());
    let (outcome, recorder) = train_two_rows(model(AdapterKind::None, 0.0), &settings, &reward);

    // The limit is 5 tokens and the buffer 2: nothing up to 3, half at 4, all at 5.
    for sample in &recorder.samples {
        let expected = [0.0, 0.0, 0.0, 0.0, -0.5, -1.0][sample.tokens];
        let reward = &sample.reward;
        assert!((reward.overlong - expected).abs() < 1e-12);
        let sum = reward.format + reward.correctness + reward.overlong;
        assert!((reward.total - sum).abs() < 1e-12);
    }
    assert!(
        recorder
            .samples
            .iter()
            .any(|sample| sample.reward.overlong < -0.4)
    );
    // Three groups in mini-batches of two.
    assert!(
        recorder
            .records
            .iter()
            .all(|record| record.rollout.as_ref().unwrap().kept_groups == 3)
    );
    assert_eq!(outcome.unwrap().steps, 6);
}

#[test]
fn a_step_without_a_group_to_learn_from_is_reported_and_training_continues() {
    let mut settings = settings(dapo());
    if let Algorithm::Dapo(dapo) = &mut settings.algorithm {
        dapo.overlong_buffer = 0;
    }
    let start = model(AdapterKind::None, 0.0);
    let before = values(&start.decoder.trainable());

    let (outcome, recorder) = train_two_rows(start, &settings, &ByText(|_| 1.0));

    assert_eq!(values(&outcome.unwrap().model.decoder.trainable()), before);
    let record = &recorder.records[5];
    assert_eq!((record.loss, record.skipped_updates), (None, 6));
    assert_eq!(record.rollout.as_ref().unwrap().generation_batches, 3);
    // Each generation batch continues in the data where the last one ended: 9 prompts of 2 rows.
    let prompts = recorder.samples[..36]
        .chunks(4)
        .map(|group| group[0].row.clone());
    let order = rows_at(5, 2, 0, 9)
        .into_iter()
        .map(|row| format!("row {row}"));
    assert_eq!(prompts.collect::<Vec<_>>(), order.collect::<Vec<_>>());
    insta::assert_snapshot!(recorder.notes[0], @"step 1: 0 of 9 groups had rewards that differ, 3 were wanted; after 3 generation batches the step made no update");
}

#[test]
fn only_groups_with_a_spread_are_kept_and_no_more_than_needed() {
    let reward = ByText(|text| if text.starts_with("w5") { 1.0 } else { 0.0 });
    let mut settings = settings(dapo());
    if let Algorithm::Dapo(dapo) = &mut settings.algorithm {
        dapo.overlong_buffer = 0;
    }
    let (_, recorder) = train_two_rows(model(AdapterKind::None, 0.0), &settings, &reward);

    for record in &recorder.records {
        let rollout = record.rollout.as_ref().unwrap();
        let samples: Vec<_> = recorder
            .samples
            .iter()
            .filter(|sample| sample.step == record.step)
            .collect();
        let kept: Vec<_> = samples
            .chunks(4)
            .filter(|group| group[0].advantage.is_some())
            .collect();
        assert_eq!(samples.len(), rollout.completions);
        assert_eq!(kept.len(), rollout.kept_groups);
        assert!(kept.len() <= 3);
        for group in kept {
            let sum: f64 = group.iter().map(|sample| sample.advantage.unwrap()).sum();
            // 1e-9: f64; the advantages of a group are centred.
            assert!(sum.abs() < 1e-9 && group[0].advantage != Some(0.0));
        }
    }
    assert!(recorder.records.iter().any(|record| {
        let rollout = record.rollout.as_ref().unwrap();
        rollout.generation_batches > 1 && rollout.kept_groups > 0
    }));
}
