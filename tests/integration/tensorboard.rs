//! Event files, read only by the documented formats: `TFRecord`, CRC-32C and protocol buffers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value as Json;

/// The scalars of a training, by step and name.
type Scalars = BTreeMap<(u64, String), f32>;

/// The scalars of all trainings in a folder of results, each compared with its `metrics.jsonl`.
///
/// Speed is left out, since it differs from run to run.
pub(crate) fn scalars_of(results: &Path) -> BTreeMap<String, Scalars> {
    let jobs = fs::read_dir(results.join("jobs")).unwrap();
    jobs.map(|job| job.unwrap().path())
        .filter(|job| job.join("metrics.jsonl").is_file())
        .map(|job| {
            let mut scalars = read(&job.join("tb"));
            compare(
                &scalars,
                &fs::read_to_string(job.join("metrics.jsonl")).unwrap(),
            );
            scalars.retain(|(_, tag), _| {
                tag != "train/tokens_per_second" && tag != "train/reward_share"
            });
            let name = job.file_name().unwrap().to_string_lossy().into_owned();
            (name, scalars)
        })
        .collect()
}

/// Fails unless each scalar is in the line of its step, and each step has its scalars.
fn compare(scalars: &Scalars, metrics: &str) {
    let lines: Vec<Json> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        let step = line["step"].as_u64().unwrap();
        let of_step = scalars.iter().filter(|((other, _), _)| *other == step);
        let mut count = 0;
        for ((_, tag), value) in of_step {
            let (group, name) = tag.split_once('/').unwrap();
            let expected = match (group, name) {
                ("train", "tokens_per_second" | "reward_share") => &line["timing"][name],
                ("train", _) => &line[name],
                ("reward", _) => &line["rollout"]["reward"][name],
                ("reward_part", _) => &line["rollout"]["reward"]["parts"][name],
                ("tests", _) => &line["rollout"]["reward"]["tests"][name],
                ("gaming", _) => &line["rollout"]["gaming"][name],
                _ => &line[group][name],
            };
            #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits")]
            let expected = expected.as_f64().unwrap() as f32;
            assert!(
                expected.to_bits() == value.to_bits(),
                "{tag} of step {step}"
            );
            count += 1;
        }
        // SFT has loss, gradient norm, rate and speed; GRPO also three rewards, length and spread.
        let least = if line["rollout"].is_null() { 4 } else { 8 };
        assert!(count >= least, "step {step} has {count} scalars");
    }
    let mut steps: Vec<u64> = scalars.keys().map(|(step, _)| *step).collect();
    steps.dedup();
    assert_eq!(steps.len(), lines.len());
}

/// Reads the only event file of a folder.
fn read(folder: &Path) -> Scalars {
    let entries = fs::read_dir(folder).unwrap();
    let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let [path] = &paths[..] else {
        panic!("one event file, not {paths:?}")
    };
    assert!(path.to_string_lossy().contains("events.out.tfevents."));
    let bytes = fs::read(path).unwrap();
    let mut events = records(&bytes).into_iter();
    let first = fields(events.next().unwrap());
    assert_eq!(first[&3], [b"brain.Event:2"]);
    let mut scalars = Scalars::new();
    for event in events {
        let event = fields(event);
        let step = u64::from(event[&2][0][0]);
        for value in &fields(event[&5][0])[&1] {
            let value = fields(value);
            let tag = String::from_utf8(value[&1][0].to_vec()).unwrap();
            let number = f32::from_le_bytes(value[&2][0].try_into().unwrap());
            let before = scalars.insert((step, tag), number);
            assert_eq!(before, None, "step {step} is there twice");
        }
    }
    scalars
}

/// The data of a file's records, whose checksums must be right.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(8);
        let (sum, rest) = rest.split_at(4);
        assert_eq!(sum, masked(length).to_le_bytes());
        let length = u64::from_le_bytes(length.try_into().unwrap());
        let (data, rest) = rest.split_at(usize::try_from(length).unwrap());
        let (sum, rest) = rest.split_at(4);
        assert_eq!(sum, masked(data).to_le_bytes());
        records.push(data);
        bytes = rest;
    }
    records
}

/// CRC-32C bit by bit, as a division by its polynomial, with the mask of `TFRecord`.
fn masked(data: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for bit in data
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1))
    {
        let is_set = (sum & 1) ^ u32::from(bit) == 1;
        sum >>= 1;
        if is_set {
            sum ^= 0x1edc_6f41_u32.reverse_bits();
        }
    }
    (!sum).rotate_left(17).wrapping_add(0xa282_ead8)
}

/// The fields of a message by number.
fn fields(mut message: &[u8]) -> BTreeMap<u64, Vec<&[u8]>> {
    let mut fields: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            1 => 8,
            5 => 4,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            // A step below 128 is a single byte; this test has no larger ones.
            0 => {
                assert!(message[0] < 128);
                1
            }
            kind => panic!("a field of kind {kind}"),
        };
        let (value, rest) = message.split_at(length);
        fields.entry(key >> 3).or_default().push(value);
        message = rest;
    }
    fields
}

fn varint(message: &mut &[u8]) -> u64 {
    let end = message.iter().position(|byte| *byte < 128).unwrap();
    let (bytes, rest) = message.split_at(end + 1);
    *message = rest;
    let bits = |sum, byte: &u8| sum << 7 | u64::from(byte & 0x7f);
    bytes.iter().rev().fold(0, bits)
}
