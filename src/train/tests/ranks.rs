//! A training of several ranks is that of one, bit for bit. The ranks are threads here.

use std::path::Path;

use crate::{
    digest::Digest,
    model::{AdapterKind, LanguageModel},
    ranks::{Ranks, tests::on_ranks},
    train::{
        Algorithm, Curriculum, DistillEstimator, DistillSettings, DpoSettings, Ended, GrpoSettings,
        Inputs, KlEstimator, Outcome, RewardTools, RowOrder, SftSettings, Teacher, TrainError,
        TrainSettings, run::train_with,
    },
};

use super::fixture::{ByText, Recorder, bits, dapo, grpo, grpo_settings, model, rows, settings};

/// A reward that differs within some groups, so that others are sampled again.
const REWARD: ByText = ByText(|text| f64::from(u8::from(text.starts_with("w5"))));

/// Trains as one rank. `stop_after` is a step after which the last rank alone is asked to stop.
fn run(
    model: &LanguageModel,
    settings: &TrainSettings,
    folder: &Path,
    ranks: &Ranks,
    mut recorder: Recorder,
    stop_after: Option<usize>,
) -> (Result<Outcome, TrainError>, Recorder) {
    let rows = rows();
    let other = |_: &str, value| value * 1.1;
    let teacher = settings.algorithm.teacher();
    let teacher = teacher.map(|_| model.decoder.clone().map_trainable(other).frozen());
    let inputs = Inputs {
        settings,
        rows: &rows,
        seed: 11,
        checkpoints: folder,
        tools: RewardTools::default(),
        teacher: teacher.as_ref().map(Teacher::Local),
        ranks,
    };
    let is_last = ranks.rank() + 1 == ranks.count();
    recorder.stop_after = stop_after.filter(|_| is_last);
    let ended = train_with(model.clone(), &inputs, &mut recorder, &REWARD);
    if let Err(error) = &ended {
        ranks.give_up(&error.to_string());
    }
    (ended, recorder)
}

/// What a training leaves.
#[derive(Debug, PartialEq)]
struct Left {
    weights: Vec<u32>,
    records: Vec<crate::train::StepRecord>,
    samples: Vec<crate::train::SampleRecord>,
    notes: Vec<String>,
    target_log_prob: Option<crate::train::TargetLogProb>,
    checkpoints: Digest,
}

fn left(outcome: &Outcome, recorder: Recorder, folder: &Path) -> Left {
    Left {
        weights: bits(&outcome.model.decoder.trainable()),
        records: recorder.records,
        samples: recorder.samples,
        notes: recorder.notes,
        target_log_prob: outcome.target_log_prob,
        checkpoints: Digest::of_folder(folder).unwrap(),
    }
}

/// A training on `count` ranks, in one go.
fn uninterrupted(model: &LanguageModel, settings: &TrainSettings, count: usize) -> Left {
    let folder = tempfile::tempdir().unwrap();
    let mut all = on_ranks(count, |ranks| {
        let recorder = Recorder::default();
        let (ended, recorder) = run(model, settings, folder.path(), &ranks, recorder, None);
        (ended.unwrap(), recorder)
    });
    let weights = |outcome: &Outcome| bits(&outcome.model.decoder.trainable());
    let (first, recorder) = all.remove(0);
    assert_eq!(
        (first.ended, first.steps),
        (Ended::Done, settings.max_steps)
    );
    for (other, _) in all {
        assert_eq!(weights(&other), weights(&first));
        assert_eq!(other.target_log_prob, first.target_log_prob);
    }
    left(&first, recorder, folder.path())
}

/// A training that is stopped after every other step, and goes on with another number of ranks.
fn interrupted(model: &LanguageModel, settings: &TrainSettings) -> Left {
    let folder = tempfile::tempdir().unwrap();
    let recorder = std::sync::Mutex::new(Some(Recorder::default()));
    for (attempt, count) in [2, 1, 3, 2].into_iter().enumerate() {
        let steps = (2 * (attempt + 1)).min(settings.max_steps);
        let outcomes = on_ranks(count, |ranks| {
            let kept = ranks.is_first().then(|| recorder.lock().unwrap().take());
            let kept = kept.flatten().unwrap_or_default();
            let (ended, kept) = run(model, settings, folder.path(), &ranks, kept, Some(steps));
            if ranks.is_first() {
                *recorder.lock().unwrap() = Some(kept);
            }
            ended.unwrap()
        });
        for outcome in &outcomes {
            assert_eq!(outcome.steps, steps);
        }
        if outcomes[0].ended == Ended::Done {
            let recorder = recorder.lock().unwrap().take().unwrap();
            return left(&outcomes[0], recorder, folder.path());
        }
    }
    panic!("it never ended");
}

fn check(algorithm: Algorithm, adapter: AdapterKind, dropout: f64) {
    let settings = TrainSettings {
        // Some updates have fewer micro-batches than ranks, others more.
        micro_batch_tokens: 12,
        target_log_prob_rows: 4,
        save_every: 2,
        keep_checkpoints: 9,
        ..settings(algorithm)
    };
    let model = model(adapter, dropout);
    let alone = uninterrupted(&model, &settings, 1);
    assert_ne!(bits(&model.decoder.trainable()), alone.weights);
    assert_eq!(alone.target_log_prob.map(|one| one.rows), Some(4));
    for count in [2, 3, 5] {
        assert_eq!(uninterrupted(&model, &settings, count), alone, "{count}");
    }
    assert_eq!(interrupted(&model, &settings), alone);
}

#[test]
fn sft_on_several_ranks_is_sft_on_one() {
    let sft = Algorithm::Sft(SftSettings {
        prompt_weight: 0.0,
        order: RowOrder::Shuffled,
    });
    check(sft.clone(), AdapterKind::None, 0.0);
    check(sft, AdapterKind::Lora, 0.1);
}

#[test]
fn grpo_on_several_ranks_is_grpo_on_one() {
    check(grpo(0.1), AdapterKind::None, 0.0);
    check(grpo(0.1), AdapterKind::Dora, 0.1);
}

#[test]
fn dapo_on_several_ranks_is_dapo_on_one() {
    // The mean is over the tokens of all completions, and groups of equal rewards are sampled again.
    check(dapo(), AdapterKind::Lora, 0.0);
}

#[test]
fn several_updates_of_a_rollout_on_several_ranks_are_those_on_one() {
    let grpo = GrpoSettings {
        entropy_bonus: 0.01,
        updates_per_rollout: 2,
        kl_estimator: KlEstimator::K1,
        ..grpo_settings(0.1)
    };
    check(Algorithm::Grpo(grpo), AdapterKind::None, 0.0);
}

#[test]
fn pairs_and_teachers_on_several_ranks_are_those_on_one() {
    let dpo = DpoSettings {
        beta: 0.1,
        updates_per_rollout: 2,
    };
    check(Algorithm::Dpo(dpo), AdapterKind::None, 0.0);
    let distill = DistillSettings {
        teacher: "a path".to_owned(),
        estimator: DistillEstimator::Exact,
        remote: None,
    };
    check(Algorithm::Distill(distill), AdapterKind::None, 0.0);
}

#[test]
fn a_curriculum_on_several_ranks_is_that_on_one() {
    let settings = TrainSettings {
        curriculum: Curriculum {
            samples: 3,
            success: Some(0.0),
            least: 0.1,
        },
        ..settings(grpo(0.0))
    };
    let model = model(AdapterKind::None, 0.0);

    let alone = uninterrupted(&model, &settings, 1);

    for count in [2, 3] {
        assert_eq!(uninterrupted(&model, &settings, count), alone, "{count}");
    }
}

#[test]
fn a_teacher_that_has_moved_is_the_same_teacher() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(AdapterKind::None, 0.0);
    let resumed = ["there/teacher", "here/teacher"].map(|teacher| {
        let settings = settings(Algorithm::Distill(DistillSettings {
            teacher: teacher.to_owned(),
            estimator: DistillEstimator::Exact,
            remote: None,
        }));
        let (recorder, alone) = (Recorder::default(), Ranks::alone());
        let (ended, recorder) = run(&model, &settings, folder.path(), &alone, recorder, Some(2));
        ended.unwrap();
        recorder.resumed
    });

    assert_eq!(resumed, [vec![0], vec![2]]);
}

#[test]
fn block_by_block_ranks_drop_what_one_drops() {
    let settings = TrainSettings {
        micro_batch_tokens: 12,
        gradient_checkpointing: true,
        max_steps: 2,
        ..settings(grpo(0.0))
    };
    let model = model(AdapterKind::Dora, 0.2);

    let alone = uninterrupted(&model, &settings, 1);

    assert_eq!(uninterrupted(&model, &settings, 2), alone);
}

#[test]
fn a_rank_with_other_inputs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(AdapterKind::None, 0.0);
    let errors = on_ranks(2, |ranks| {
        let mut settings = settings(grpo(0.0));
        settings.max_steps += ranks.rank();
        let (recorder, path) = (Recorder::default(), folder.path());
        let (ended, _) = run(&model, &settings, path, &ranks, recorder, None);
        ended.unwrap_err().to_string()
    });

    for error in errors {
        assert_eq!(
            error,
            "rank 1 has other settings, rows or weights than rank 0"
        );
    }
}
