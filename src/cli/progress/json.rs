//! Events as JSON lines, for other programs.

use serde::Serialize;

use crate::{cli::output, results::Timestamp, schedule::Event};

#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

pub(super) fn hear(event: &Event) {
    // Every event has a JSON form: all its keys are texts.
    if let Ok(line) = serde_json::to_string(&Line {
        time: Timestamp::now(),
        event,
    }) {
        output::error_line(&line);
    }
}
