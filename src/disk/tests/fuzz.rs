//! Logs and lock files that nobody wrote.

use std::fs;

use serde_json::Value;

use crate::{
    disk::{
        JsonLines, Timestamp, append_json_line,
        lock::{self, Holder},
    },
    fuzz::{fuzz, law, named},
};

const LOG: &str = "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":null}\n\"text\"\n[1,2]\n";

fn read(path: &std::path::Path) -> Result<Vec<Value>, String> {
    JsonLines::read(path).map_err(|error| error.to_string())
}

#[test]
fn logs_are_read_mended_or_refused() {
    fuzz(2, &[LOG, "{\"step\":1}\n{\"st", "\0\0\0\n"], |case| {
        let path = case.file("log.jsonl");
        let part: Vec<Value> =
            JsonLines::read_whole_part(&path).map_err(|error| error.to_string())?;
        if let Some(all) = named(JsonLines::read::<Value>(&path), &path)? {
            law(all == part, "a log that is read has no gap")?;
        }
        // Mended, a log has what can be read, and grows.
        let lines = case.bytes.split_inclusive(|byte| *byte == b'\n');
        let whole = lines.filter(|line| line.ends_with(b"\n"));
        let expected: Vec<Value> = whole
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let mut log =
            JsonLines::resume(&path, |_: &Value| true).map_err(|error| error.to_string())?;
        law(
            read(&path)? == expected,
            "a mended log has all lines that can be read",
        )?;
        log.append(&1).map_err(|error| error.to_string())?;
        law(
            read(&path)?.len() == expected.len() + 1,
            "a mended log grows by a line",
        )?;
        JsonLines::keep_last(&path, 2).map_err(|error| error.to_string())?;
        law(
            read(&path)?.len() == 2.min(expected.len() + 1),
            "a bounded log is bounded",
        )?;
        case.file("log.jsonl");
        append_json_line(&path, &2).map_err(|error| error.to_string())?;
        let after = fs::read(&path).unwrap();
        law(
            after.starts_with(&case.bytes) && after.ends_with(b"2\n"),
            "a line that is added changes no other",
        )
    });
}

#[test]
fn locks_and_times_are_read_or_unknown() {
    let owner = r#"{"pid":1,"host":"h","since":"2026-01-02T03:04:05Z"}"#;
    fuzz(2, &[owner, ""], |case| {
        let path = case.file("lock");
        let holder = named(lock::holder(&path), &path)?;
        law(
            matches!(holder, None | Some(Holder::Nobody)),
            "a lock that no process holds is free, whatever its file says",
        )?;
        let text = case.text();
        if let Ok(time) = serde_json::from_str::<Timestamp>(&text) {
            let again = serde_json::to_string(&time).map_err(|error| error.to_string())?;
            let again = serde_json::from_str(&again).map_err(|error| error.to_string())?;
            law(time == again, "a time is read as it was written")?;
            let _ = (time.age(), time.date_and_time());
        }
        Ok(())
    });
    fuzz(
        1,
        &[r#""2026-01-02T03:04:05Z""#, r#""-009999-01-01T00:00:00Z""#],
        |case| {
            if let Ok(time) = serde_json::from_str::<Timestamp>(&case.text()) {
                let _ = (time.age(), time.date_and_time(), time.to_string());
            }
            Ok(())
        },
    );
}
