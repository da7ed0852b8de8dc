//! The seal of a file: its job's name and a digest at its end, so that a changed digit is not believed.
//!
//! A file of an earlier version has no seal, and is believed.

use crate::{digest::Digest, plan::JobId};

/// How the file of an object ends.
const END: &[u8] = b"\n}\n";
/// What is before the seal, which is the last member of the file's object.
const START: &[u8] = b",\n  \"seal\": \"";
/// The longest seal: a name, a digest, and what is around them.
const LONGEST: usize = 512;
/// The digits in a job's name.
const DIGITS: usize = 8;

/// The bytes of a JSON object with the seal of a job.
pub(super) fn sealed(job: &JobId, object: &[u8]) -> Vec<u8> {
    let Some(content) = object.strip_suffix(END) else {
        return object.to_vec();
    };
    let seal = format!("{job} {}\"", digest(job.0.as_bytes(), content));
    [content, START, seal.as_bytes(), END].concat()
}

/// The bytes without their seal; an error if the seal is not that of these bytes, or of another job than the
/// folder's.
pub(super) fn opened(folder: &JobId, mut bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    let Some((content, seal)) = split(&bytes) else {
        let has_one = bytes.windows(6).any(|word| word == b"\"seal\"");
        return if has_one {
            Err("its seal is not at its end")
        } else {
            Ok(bytes)
        };
    };
    let space = seal.iter().position(|byte| *byte == b' ');
    let (job, found) = seal.split_at(space.unwrap_or_default());
    if found.trim_ascii_start() != digest(job, content).as_str().as_bytes() {
        return Err("its content is not what its seal says");
    }
    // A person may have given the folder a name of another form.
    if is_name_of_a_job(folder) && folder.0.as_bytes() != job {
        return Err("its seal is of another job");
    }
    let length = content.len();
    bytes.truncate(length);
    bytes.extend_from_slice(END);
    Ok(bytes)
}

/// Whether bytes end with a seal, right or wrong.
pub(super) fn is_sealed(bytes: &[u8]) -> bool {
    split(bytes).is_some()
}

/// What is before the seal, and the seal.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_suffix(END)?.strip_suffix(b"\"")?;
    let from = rest.len().saturating_sub(LONGEST);
    let mut windows = rest.get(from..)?.windows(START.len());
    let place = from + windows.rposition(|window| window == START)?;
    let (content, seal) = rest.split_at(place);
    Some((content, seal.get(START.len()..)?))
}

fn digest(job: &[u8], content: &[u8]) -> Digest {
    Digest::of_bytes(&[job, b"\n", content].concat())
}

fn is_name_of_a_job(name: &JobId) -> bool {
    let digits = name.0.split_once('-').map_or("", |(_, digits)| digits);
    let is_digits = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digits && name.kind().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &[u8] = b"{\n  \"a\": 1\n}\n";

    fn id(name: &str) -> JobId {
        JobId(name.into())
    }

    #[test]
    fn what_is_sealed_is_opened_in_its_folder_and_in_a_renamed_one() {
        let job = id("eval-0123abcd");
        let bytes = sealed(&job, OBJECT);

        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        for folder in ["eval-0123abcd", "eval-0123abcd.old", "best", "train-best"] {
            assert_eq!(
                opened(&id(folder), bytes.clone()).unwrap(),
                OBJECT,
                "{folder}"
            );
        }
        assert_eq!(opened(&job, OBJECT.to_vec()).unwrap(), OBJECT);
        assert_eq!(
            opened(&id("eval-0123abce"), bytes).unwrap_err(),
            "its seal is of another job"
        );
    }

    #[test]
    fn no_change_of_a_byte_is_believed() {
        let job = id("eval-0123abcd");
        let bytes = sealed(&job, OBJECT);
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                // What has no seal must not be taken for a file of an earlier version either.
                let read = opened(&job, changed).ok();
                let read =
                    read.filter(|bytes| bytes.as_slice() == OBJECT || is_object_of_one(bytes));
                assert_eq!(read, None, "bit {bit} of byte {place}");
            }
            let cut = opened(&job, bytes[..place].to_vec()).ok();
            assert_eq!(
                cut.filter(|bytes| is_object_of_one(bytes)),
                None,
                "{place} bytes"
            );
        }
    }

    /// Whether a reader would take the bytes, as outcomes are objects with one member.
    fn is_object_of_one(bytes: &[u8]) -> bool {
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes);
        object.is_ok_and(|object| object.len() == 1)
    }
}
