//! The files of EvalPlus, and the log of verdicts that `recode judge` keeps.

mod results;
mod samples;
mod verdict_log;

pub use results::{evalplus_results, read_evalplus_results};
pub use samples::{Sample, read_samples};
pub use verdict_log::VerdictLog;
