//! `recode schema`: the JSON Schema of a spec.

use super::{exit::Exit, output};
use crate::spec;

/// Runs `recode schema`.
pub(super) fn run() -> Exit {
    output::result(spec::json_schema().trim_end());
    Exit::Done
}
