//! The rewards of completions: the parts of the mix, weighted and added.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::{
    reward::{
        CustomItem, CustomReward, Mix, Part, RewardError, RewardSettings, Scorer, TestJudge,
        TestScore, code_of, format_reward,
    },
    train::{
        error::TrainError,
        observer::{RewardRecord, TestShares},
        task::Row,
    },
};

use super::{advantage::mean, answer::Answer, beside::Beside, row_tests::RowTests};

/// Scores completions.
pub(in crate::train) trait RewardFn {
    /// The reward of each completion, in the same order; those of a group follow each other.
    ///
    /// An error means that no reward could be found; a bad completion is not an error.
    fn rewards(
        &self,
        answers: &[Answer<'_>],
        group_size: usize,
    ) -> Result<Vec<RewardRecord>, RewardError>;

    /// What can be judged while other completions are sampled, if there is something.
    fn beside(&self) -> Option<Beside<'_>> {
        None
    }

    /// [`Self::rewards`] with what was judged beside the sampling, which is not judged again.
    fn rewards_after(
        &self,
        answers: &[Answer<'_>],
        group_size: usize,
        tested: Option<Vec<TestShares>>,
    ) -> Result<Vec<RewardRecord>, RewardError> {
        let _ = tested;
        self.rewards(answers, group_size)
    }
}

/// What a reward runs besides this program.
#[derive(Clone, Copy, Debug, Default)]
pub struct RewardTools<'a> {
    /// What runs unit tests.
    pub tests: Option<&'a TestJudge>,
    /// The user's own process.
    pub custom: Option<&'a CustomReward>,
}

/// The reward of methods that have none.
#[derive(Debug)]
pub(in crate::train) struct NoReward;

impl RewardFn for NoReward {
    fn rewards(&self, answers: &[Answer<'_>], _: usize) -> Result<Vec<RewardRecord>, RewardError> {
        Ok(vec![RewardRecord::default(); answers.len()])
    }
}

/// The reward that the settings describe.
#[derive(Debug)]
pub(in crate::train) struct MixedReward<'a> {
    mix: &'a Mix,
    settings: &'a RewardSettings,
    rows: &'a [Row],
    tests: Option<RowTests<'a>>,
    custom: Option<&'a CustomReward>,
}

impl<'a> MixedReward<'a> {
    /// The reward of a training. Tests are run on the target code of each row, which must pass them.
    pub(in crate::train) fn new(
        mix: &'a Mix,
        settings: &'a RewardSettings,
        rows: &'a [Row],
        tools: RewardTools<'a>,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let lacking = |what: &str| TrainError::Settings(format!("the reward needs {what}"));
        let tests = if mix.runs_tests(settings) {
            let judge = tools
                .tests
                .ok_or_else(|| lacking("a judge of unit tests"))?;
            let hidden = settings
                .tests
                .as_ref()
                .map_or(0.0, |tests| tests.hidden_share);
            Some(RowTests::record(judge, rows, hidden, seed)?)
        } else {
            None
        };
        let custom = match tools.custom {
            None if mix.has(Part::Custom) => return Err(lacking("a process of its own")),
            custom => custom,
        };
        Ok(Self {
            mix,
            settings,
            rows,
            tests,
            custom,
        })
    }

    /// The value of a part for each completion.
    fn values(
        &self,
        part: Part,
        answers: &[Answer<'_>],
        tested: Option<&[TestShares]>,
    ) -> Result<Vec<f64>, RewardError> {
        Ok(match part {
            Part::Format => answers.iter().map(|one| format_reward(one.text)).collect(),
            Part::Measure(variant) => {
                let scorer = Scorer::new(variant, self.settings.normalizer);
                let correctness = |one: &Answer<'_>| {
                    let target = &self.rows[one.row].target_code;
                    scorer.score(one.text, target).correctness
                };
                answers.par_iter().map(correctness).collect()
            }
            Part::Tests => {
                let tests = self.settings.tests.as_ref();
                let score = tests.map_or(TestScore::Share, |tests| tests.score);
                let value = |shares: &TestShares| match score {
                    TestScore::Share => shares.rewarded,
                    // Exact: a share of all tests is 1.
                    TestScore::All => f64::from(u8::from(shares.rewarded >= 1.0)),
                };
                tested.unwrap_or_default().iter().map(value).collect()
            }
            Part::Custom => match self.custom {
                Some(custom) => custom.rewards(&self.items(answers, tested))?,
                None => vec![0.0; answers.len()],
            },
        })
    }

    /// What the user's own process sees.
    fn items<'b>(
        &'b self,
        answers: &[Answer<'b>],
        tested: Option<&[TestShares]>,
    ) -> Vec<CustomItem<'b>> {
        let sees_tests = self
            .settings
            .custom
            .as_ref()
            .is_some_and(|custom| custom.tests);
        let tested = tested.filter(|_| sees_tests);
        let item = |(index, answer): (usize, &Answer<'b>)| {
            let row = &self.rows[answer.row];
            CustomItem {
                row: &row.id,
                prompt: &row.prompt,
                completion: answer.text,
                code: code_of(answer.text, &row.target_code, self.settings.normalizer),
                target: &row.target_code,
                tests: tested.and_then(|tested| Some(tested.get(index)?.rewarded)),
            }
        };
        answers.iter().enumerate().map(item).collect()
    }
}

impl RewardFn for MixedReward<'_> {
    fn rewards(
        &self,
        answers: &[Answer<'_>],
        group_size: usize,
    ) -> Result<Vec<RewardRecord>, RewardError> {
        self.rewards_after(answers, group_size, None)
    }

    fn beside(&self) -> Option<Beside<'_>> {
        let tests = self.tests.as_ref()?;
        Some(Beside {
            tests,
            normalizer: self.settings.normalizer,
        })
    }

    fn rewards_after(
        &self,
        answers: &[Answer<'_>],
        group_size: usize,
        tested: Option<Vec<TestShares>>,
    ) -> Result<Vec<RewardRecord>, RewardError> {
        let tested = match (&self.tests, tested) {
            (Some(tests), None) => Some(tests.run(answers, self.settings.normalizer)?),
            (_, tested) => tested,
        };
        let parts = self.mix.parts();
        let values = parts
            .iter()
            .map(|(part, _)| self.values(*part, answers, tested.as_deref()))
            .collect::<Result<Vec<_>, _>>()?;
        let terms = self.mix.terms(&values, group_size, self.settings);
        let is_sum = self.mix.single().is_none();
        let record = |index: usize| {
            let mut record = RewardRecord {
                tests: tested
                    .as_ref()
                    .and_then(|tested| tested.get(index).copied()),
                ..RewardRecord::default()
            };
            for (((part, _), values), terms) in parts.iter().zip(&values).zip(&terms) {
                match part {
                    Part::Format => record.format += at(terms, index),
                    _ => record.correctness += at(terms, index),
                }
                if is_sum {
                    record
                        .parts
                        .insert(part.name().to_owned(), at(values, index));
                }
            }
            record.total = record.format + record.correctness;
            record
        };
        Ok((0..answers.len()).map(record).collect())
    }
}

/// A value of a completion; every part has one for each.
fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or_default()
}

/// The means of each part over some rewards.
pub(in crate::train) fn mean_reward(rewards: &[&RewardRecord]) -> RewardRecord {
    let mean_of = |value: &dyn Fn(&RewardRecord) -> f64| {
        let values: Vec<f64> = rewards.iter().map(|reward| value(reward)).collect();
        mean(&values)
    };
    let some = |value: &dyn Fn(&RewardRecord) -> Option<f64>| {
        let values: Vec<f64> = rewards.iter().filter_map(|reward| value(reward)).collect();
        (!values.is_empty()).then(|| mean(&values))
    };
    let names = rewards.first().map(|reward| reward.parts.keys());
    let part = |name: &String| {
        let value = mean_of(&|reward| reward.parts.get(name).copied().unwrap_or_default());
        (name.clone(), value)
    };
    RewardRecord {
        total: mean_of(&|reward| reward.total),
        format: mean_of(&|reward| reward.format),
        correctness: mean_of(&|reward| reward.correctness),
        overlong: mean_of(&|reward| reward.overlong),
        parts: names
            .into_iter()
            .flatten()
            .map(part)
            .collect::<BTreeMap<_, _>>(),
        tests: some(&|reward| Some(reward.tests?.rewarded)).map(|rewarded| TestShares {
            rewarded,
            hidden: some(&|reward| reward.tests?.hidden),
        }),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the numbers are exact in binary")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reward::{Normalizer, Variant};

    const EXACT: &str = "</think><answer>```python\nx = 2\n```</answer>";
    const WRONG: &str = "```python\nx = 1\n```";

    fn rewards(mix: &Mix, texts: &[&str]) -> Vec<RewardRecord> {
        let rows = [Row {
            id: "row 1".to_owned(),
            prompt: "p".to_owned(),
            is_raw: true,
            target_code: "x = 2".to_owned(),
            target_text: String::new(),
            note: String::new(),
            tests: None,
        }];
        let settings = RewardSettings::of(Normalizer::Fixed);
        let reward = MixedReward {
            mix,
            settings: &settings,
            rows: &rows,
            tests: None,
            custom: None,
        };
        let answers: Vec<Answer<'_>> = texts.iter().map(|text| Answer { row: 0, text }).collect();
        reward.rewards(&answers, answers.len()).unwrap()
    }

    /// Oracle: `Scorer`, to the last bit, for every variant.
    #[test]
    fn a_measure_alone_is_what_the_scorer_says() {
        for variant in Variant::ALL {
            let found = rewards(&Mix::from(*variant), &[EXACT, WRONG]);
            for (found, text) in found.iter().zip([EXACT, WRONG]) {
                let score = Scorer::new(*variant, Normalizer::Fixed).score(text, "x = 2");
                let expected = (score.total, score.format, score.correctness);
                assert_eq!((found.total, found.format, found.correctness), expected);
                assert!(found.parts.is_empty());
            }
        }
    }

    /// By hand: `x = 1` differs from `x = 2` in 1 of 5 characters, so ES* is 0.8 * 3.5 - 1.5.
    #[test]
    fn a_sum_adds_its_weighted_parts_and_records_their_values() {
        let mix = json!({"format": 2.0, "es_star": 0.5, "em": 4.0});
        let mix: Mix = serde_json::from_value(mix).unwrap();

        let found = rewards(&mix, &[EXACT, WRONG]);

        assert_eq!((found[0].total, found[0].format), (2.0 + 1.0 + 4.0, 2.0));
        let es_star = 0.8 * 3.5 - 1.5;
        assert_eq!(found[1].format, -2.0);
        assert_eq!(found[1].correctness, 0.5 * es_star);
        let parts = [("em", 0.0), ("es_star", es_star), ("format", -1.0)];
        let parts = parts.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(found[1].parts, parts.into());
        let mean = mean_reward(&found.iter().collect::<Vec<_>>());
        assert_eq!((mean.format, mean.parts["em"]), (0.0, 0.5));
    }
}
