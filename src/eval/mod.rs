//! Measuring a model.
//!
//! A [benchmark](benchmark::Benchmark) has tasks and judges solutions. A completion is generated
//! ([`measure()`]) or requested ([`measure_remote`]), its code is found ([`extract`]) and judged by
//! running the task's tests ([`judge_each`], [`Judgement`]). The [`EvalOutcome`] reports the share of
//! tasks that are solved ([`pass_at_k`]).

pub mod benchmark;
mod error;
mod evalplus;
pub mod extract;
mod judgement;
mod judging;
mod measure;
mod outcome;
mod pass_at_k;
mod prompt;
mod remote;
mod sample_record;
mod settings;
mod tally;
#[cfg(test)]
mod tests;

pub use error::EvalError;
pub use evalplus::{Sample, VerdictLog, evalplus_results, read_evalplus_results, read_samples};
pub use judgement::{Judgement, UNJUDGED};
pub use judging::{Submission, Text, judge_again, judge_each};
pub use measure::{Inputs, Observer, measure};
pub use outcome::{EvalOutcome, TaskOutcome};
pub use pass_at_k::{pass_at_k, pass_at_k_of_tasks};
pub use prompt::{is_raw, prompt_text};
pub use remote::measure_remote;
pub use sample_record::SampleRecord;
pub use settings::EvalSettings;
pub use tally::Tally;
