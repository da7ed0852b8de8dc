//! Rewards that run code, and what happens if they cannot.

use std::{
    collections::BTreeSet,
    sync::{atomic::AtomicBool, mpsc},
    time::Duration,
};

use burn::tensor::Device;
use serde_json::json;

use super::fixture::{bits, grpo, model, model_of, settings};
use crate::{
    model::{AdapterKind, LanguageModel},
    ranks::Ranks,
    reward::{
        CustomError, CustomReward, CustomSettings, Mix, Normalizer, Part, RewardError,
        RewardSettings, TestJudge, TestScore, TestSettings, UnitTests,
    },
    train::{
        Inputs, RewardRecord, RewardTools, Row, TestShares, TrainError, TrainSettings,
        rollout::{
            answer::Answer,
            beside::Group,
            reward::{MixedReward, RewardFn},
        },
        run::train_with,
        tests::fixture::{Recorder, rows},
    },
};

fn judge() -> TestJudge {
    TestJudge::with_workers(2, Duration::from_secs(5))
}

/// A row with the tests that a function adds one to four numbers.
fn row() -> Row {
    Row {
        target_code: "def f(x):\n    return x + 1".to_owned(),
        tests: Some(UnitTests {
            setup: String::new(),
            tests: (0..4)
                .map(|x| format!("assert f({x}) == {}", x + 1))
                .collect(),
        }),
        ..rows().remove(0)
    }
}

fn tested(mix: Mix, score: TestScore, hidden_share: f64) -> TrainSettings {
    TrainSettings {
        reward: mix,
        reward_settings: RewardSettings {
            tests: Some(TestSettings {
                score,
                timeout_seconds: 5.0,
                hidden_share,
                allow_unsandboxed: false,
            }),
            ..RewardSettings::of(Normalizer::Fixed)
        },
        ..settings(grpo(0.0))
    }
}

fn fenced(code: &str) -> String {
    format!("</think><answer>```python\n{code}\n```</answer>")
}

fn mixed<'a>(
    settings: &'a TrainSettings,
    rows: &'a [Row],
    tools: RewardTools<'a>,
) -> Result<MixedReward<'a>, TrainError> {
    MixedReward::new(&settings.reward, &settings.reward_settings, rows, tools, 5)
}

fn rewards(settings: &TrainSettings, tools: RewardTools<'_>, codes: &[&str]) -> Vec<RewardRecord> {
    let rows = [row()];
    let reward = mixed(settings, &rows, tools).unwrap();
    let texts: Vec<String> = codes.iter().map(|code| fenced(code)).collect();
    let answers: Vec<Answer<'_>> = texts.iter().map(|text| Answer { row: 0, text }).collect();
    reward.rewards(&answers, answers.len()).unwrap()
}

const RIGHT: &str = "def f(x):\n    return 1 + x";
/// Right for 0 and 1 of 0 to 3.
const HALF: &str = "def f(x):\n    return x + 1 if x < 2 else 0";

/// By hand: the format is 1, and HALF passes 2 of 4 tests.
#[test]
fn the_reward_is_the_share_of_tests_passed_or_all_or_nothing() {
    let judge = judge();
    let tools = RewardTools {
        tests: Some(&judge),
        custom: None,
    };
    let total = |score| -> Vec<f64> {
        let settings = tested(Mix::from(Part::Tests), score, 0.0);
        let found = rewards(&settings, tools, &[RIGHT, HALF, "def f(x): pass", "f ("]);
        assert_eq!(found[1].tests.unwrap().hidden, None);
        found.iter().map(|reward| reward.total).collect()
    };
    assert_eq!(total(TestScore::Share), [2.0, 1.5, 1.0, 1.0]);
    assert_eq!(total(TestScore::All), [2.0, 1.0, 1.0, 1.0]);
}

/// By hand: half of four tests are held out; a program that knows the others alone passes none of them.
#[test]
fn held_out_tests_are_counted_and_not_rewarded() {
    let judge = judge();
    let tools = RewardTools {
        tests: Some(&judge),
        custom: None,
    };
    let settings = tested(Mix::from(Part::Tests), TestScore::Share, 0.5);
    let knows =
        |inputs: &[usize]| format!("def f(x):\n    return x + 1 if x in {inputs:?} else None");
    let each: Vec<String> = (0..4).map(|x| knows(&[x])).collect();
    let each: Vec<&str> = each.iter().map(String::as_str).collect();
    let found = rewards(&settings, tools, &each);
    let is_rewarded = |x: &usize| found[*x].tests.unwrap().rewarded > 0.0;
    let (seen, held_out): (Vec<usize>, Vec<usize>) = (0..4).partition(is_rewarded);
    assert_eq!((seen.len(), held_out.len()), (2, 2));

    let found = rewards(&settings, tools, &[&knows(&seen), &knows(&held_out), RIGHT]);

    let shares = |rewarded, hidden| TestShares {
        rewarded,
        hidden: Some(hidden),
    };
    assert_eq!(found[0].tests, Some(shares(1.0, 0.0)));
    assert_eq!(found[1].tests, Some(shares(0.0, 1.0)));
    assert_eq!(found[2].tests, Some(shares(1.0, 1.0)));
    let totals: Vec<f64> = found.iter().map(|reward| reward.total).collect();
    assert_eq!(totals, [2.0, 1.0, 2.0]);
}

/// By hand: the process gives ten times the share of tests, which is half.
#[test]
fn a_reward_of_ones_own_sees_the_share_of_tests() {
    let source = "import json, sys\n\
        print(json.dumps({'protocol': 1, 'version': '1'}), flush=True)\n\
        for line in sys.stdin:\n\
        \x20   items = json.loads(line)['items']\n\
        \x20   assert all(item['code'] and item['target'] and item['row'] == 'row 0' for item in items)\n\
        \x20   print(json.dumps({'rewards': [10 * item['tests'] for item in items]}), flush=True)\n";
    let custom = CustomSettings {
        command: ["python3", "-c", source].map(str::to_owned).to_vec(),
        files: Vec::new(),
        batch_size: 8,
        timeout_seconds: 30.0,
        tests: true,
    };
    let (judge, process) = (judge(), CustomReward::start(&custom).unwrap());
    let mix: Mix = serde_json::from_value(json!({"format": 1.0, "custom": 0.5})).unwrap();
    let mut settings = tested(mix, TestScore::Share, 0.0);
    settings.reward_settings.custom = Some(custom);
    let tools = RewardTools {
        tests: Some(&judge),
        custom: Some(&process),
    };

    let found = rewards(&settings, tools, &[RIGHT, HALF]);

    let parts: Vec<f64> = found.iter().map(|reward| reward.parts["custom"]).collect();
    assert_eq!(parts, [10.0, 5.0]);
    assert_eq!((found[0].total, found[1].total), (6.0, 3.5));
}

#[test]
fn rows_without_usable_tests_are_named_before_the_first_step() {
    let judge = judge();
    let settings = tested(Mix::from(Part::Tests), TestScore::Share, 0.0);
    let error = |rows: &[Row], tests| {
        let tools = RewardTools {
            tests,
            custom: None,
        };
        mixed(&settings, rows, tools).unwrap_err()
    };
    let plain = error(&[row(), rows().remove(1)], Some(&judge)).to_string();
    assert!(
        plain.contains("runs unit tests, and `row 1` has none"),
        "{plain}"
    );
    let wrong = Row {
        target_code: "def f(x):\n    return x".to_owned(),
        ..row()
    };
    let wrong = error(&[row(), wrong], Some(&judge));
    assert!(
        matches!(&wrong, TrainError::Tests { row, .. } if row == "row 0"),
        "{wrong}"
    );
    assert!(matches!(error(&[row()], None), TrainError::Settings(_)));
}

/// A judge that fails in its second step.
struct Failing(std::cell::Cell<usize>);

impl RewardFn for Failing {
    fn rewards(&self, answers: &[Answer<'_>], _: usize) -> Result<Vec<RewardRecord>, RewardError> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > 1 {
            let stderr = "no model".to_owned();
            return Err(CustomError::Ended { stderr }.into());
        }
        Ok(vec![RewardRecord::default(); answers.len()])
    }
}

#[test]
fn a_judge_that_fails_is_no_wrong_answer_and_ends_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, rows) = (settings(grpo(0.0)), rows());
    let inputs = Inputs {
        settings: &settings,
        rows: &rows,
        seed: 5,
        checkpoints: folder.path(),
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher: None,
    };
    let mut recorder = Recorder::default();
    let failing = Failing(std::cell::Cell::new(0));

    let ended = train_with(
        model(AdapterKind::None, 0.0),
        &inputs,
        &mut recorder,
        &failing,
    );

    let error = ended.unwrap_err();
    assert!(
        matches!(error, TrainError::Reward { step: 2, .. }),
        "{error}"
    );
    assert_eq!(recorder.records.len(), 1);
}

/// The same reward, judged after the sampling.
struct Afterwards<'a>(MixedReward<'a>);

impl RewardFn for Afterwards<'_> {
    fn rewards(
        &self,
        answers: &[Answer<'_>],
        group_size: usize,
    ) -> Result<Vec<RewardRecord>, RewardError> {
        self.0.rewards(answers, group_size)
    }
}

/// A model three of whose twelve words are answers with code: a right one, one that is right for half of
/// the tests, and one that raises.
fn coder() -> LanguageModel {
    let code = [RIGHT, HALF, "def f(x):\n    raise ValueError"].map(fenced);
    let words = (1..=9).map(|word| format!("w{word}")).chain(code);
    model_of(words, &Device::flex(), AdapterKind::None, 0.0)
}

/// Oracle: the same training with tests that run after the sampling.
#[test]
fn judging_beside_the_sampling_changes_no_digit_at_any_number_of_workers() {
    let rows = [
        row(),
        Row {
            prompt: "w3 w4 w1".to_owned(),
            ..row()
        },
    ];
    let mut settings = tested(Mix::from(Part::Tests), TestScore::Share, 0.5);
    settings.max_steps = 4;
    let train = |workers: usize, is_beside: bool| {
        let judge = TestJudge::with_workers(workers, Duration::from_secs(5));
        let tools = RewardTools {
            tests: Some(&judge),
            custom: None,
        };
        let reward = mixed(&settings, &rows, tools).unwrap();
        assert!(reward.beside().is_some());
        let folder = tempfile::tempdir().unwrap();
        let inputs = Inputs {
            settings: &settings,
            rows: &rows,
            seed: 5,
            checkpoints: folder.path(),
            tools: RewardTools::default(),
            ranks: &Ranks::alone(),
            teacher: None,
        };
        let mut recorder = Recorder::default();
        let reward: &dyn RewardFn = if is_beside {
            &reward
        } else {
            &Afterwards(reward)
        };
        let outcome = train_with(coder(), &inputs, &mut recorder, reward).unwrap();
        let weights = bits(&outcome.model.decoder.trainable());
        (weights, recorder.records, recorder.samples)
    };

    let afterwards = train(2, false);

    let passed = afterwards.2.iter();
    let shares: BTreeSet<String> = passed
        .map(|sample| format!("{:?}", sample.reward.tests))
        .collect();
    assert!(shares.len() > 1, "some completions pass tests: {shares:?}");
    for workers in [1, 2, 4] {
        assert_eq!(train(workers, true), afterwards, "{workers} workers");
    }
}

#[test]
fn nothing_is_judged_after_a_stop() {
    let judge = TestJudge::with_workers(1, Duration::from_secs(5));
    let rows = [row()];
    let settings = tested(Mix::from(Part::Tests), TestScore::Share, 0.0);
    let tools = RewardTools {
        tests: Some(&judge),
        custom: None,
    };
    let reward = mixed(&settings, &rows, tools).unwrap();
    let stop = AtomicBool::new(true);
    let (sender, groups) = mpsc::channel();
    let group = Group {
        number: 0,
        row: 0,
        texts: vec![fenced(RIGHT)],
    };
    sender.send(group).unwrap();
    drop(sender);
    // Whoever samples has stopped: nothing more is judged.
    let judged = reward.beside().unwrap().judge(groups, &stop).unwrap();
    assert_eq!(judged.in_order(1), None);
}
