//! Messages of servers and of programs that nobody wrote.

use std::{
    io::{Seek as _, Write as _},
    time::Duration,
};

use sha2::{Digest as _, Sha256};

use super::protocol::{Channel, Ended, Hello, Prepared};
use crate::{
    fuzz::{fuzz, law},
    sandbox::{Verdict, proof::Nonce},
};

#[test]
fn replies_are_read_or_refused() {
    let corpus = [
        r#"{"safeguards": {"network": null, "memory": "no cgroup"}, "details": {"network": "a"}, "modules": {"numpy": "1.0"}}"#,
        r#"{"prepared": true}"#,
        r#"{"status": -9, "is_spent": false}"#,
        r#"{"fatal": "no such module"}"#,
    ];
    fuzz(4, &corpus, |case| {
        let mut length = u32::try_from(case.bytes.len()).map_err(|error| error.to_string())?;
        if case.random.one_in(8) {
            length = *case
                .random
                .of(&[0, length / 2, length + 1, 1 << 20, u32::MAX]);
        }
        let frame = [&length.to_le_bytes(), case.bytes.as_slice()].concat();
        let receive = |kind: usize| {
            let (mut ours, mut theirs) = Channel::pair().map_err(|error| error.to_string())?;
            theirs
                .write_all(&frame)
                .map_err(|error| error.to_string())?;
            drop(theirs);
            let within = Duration::from_secs(5);
            let refusal = match kind {
                0 => ours.receive::<Hello>(within).err(),
                1 => ours.receive::<Prepared>(within).err(),
                _ => ours.receive::<Ended>(within).err(),
            };
            let is_named = refusal.is_none_or(|error| !error.to_string().is_empty());
            law(is_named, "a refusal says why")
        };
        (0..3).try_for_each(receive)
    });
}

#[test]
fn no_message_without_the_proof_passes() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 32]).unwrap();
    file.rewind().unwrap();
    let nonce = Nonce::new(&mut file).unwrap();
    let mut hash = Sha256::new();
    hash.update(b"the last assertion holds");
    hash.update([7; 32]);
    let proof: [u8; 32] = hash.finalize().into();
    let message = |letter: u8, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&[letter], length.as_slice(), body].concat()
    };
    let corpus = [
        message(b'P', &proof),
        message(b'P', &[proof.as_slice(), b"[1, 2]"].concat()),
        message(b'A', b"AssertionError\nx"),
        message(b'E', b"ValueError\n\xff"),
        Vec::new(),
    ];
    fuzz(1, &corpus, |case| {
        let status = *case.random.of(&[0, 1, -9, i32::MAX]);
        let (verdict, answer) = nonce.verify(case.bytes.clone(), status);
        let has_proof = case.bytes.windows(32).any(|part| part == proof);
        law(
            verdict != Verdict::Pass || has_proof,
            "a pass has the proof",
        )?;
        law(
            verdict == Verdict::Pass || answer.is_empty(),
            "only a pass has an answer",
        )
    });
}
