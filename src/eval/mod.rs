//! Measuring a model.
//!
//! A [benchmark](benchmark::Benchmark) is tasks and a judge: the code of a completion
//! ([`extract`]) is judged by running its tests ([`Judgement`]), and the share of tasks solved is
//! [`pass_at_k`].

pub mod benchmark;
mod error;
mod evalplus;
pub mod extract;
mod judgement;
mod judging;
mod measure;
mod pass_at_k;
mod prompt;
mod remote;
mod settings;
mod tally;
#[cfg(test)]
mod tests;

pub use error::EvalError;
pub use evalplus::{Sample, VerdictLog, evalplus_results, read_evalplus_results, read_samples};
pub use judgement::Judgement;
pub use judging::judge_samples;
pub use measure::{Inputs, Observer, SampleRecord, measure};
pub use pass_at_k::{pass_at_k, pass_at_k_of_tasks};
pub use prompt::prompt_text;
pub use remote::measure_remote;
pub use settings::EvalSettings;
pub use tally::Tally;
