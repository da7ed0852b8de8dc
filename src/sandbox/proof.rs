//! The messages of programs, in which nothing is trusted except the proof.

use std::{
    fs::File,
    io::{self, Read as _},
};

use sha2::{Digest as _, Sha256};

use super::Verdict;

const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;
/// A letter and the length of the body.
pub(super) const HEADER_BYTES: usize = 5;
/// The longest message that has no value: the driver cuts the text of an exception, and the answer of a harness's `run`
/// is short. It fits into a pipe.
pub(super) const MAX_MESSAGE_BYTES: usize = 8192;
/// The most characters that are kept of an exception's class, and of its text.
const MAX_TEXT_CHARACTERS: usize = 500;

/// A number that is used once.
#[derive(Debug)]
pub(super) struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// Reads one from the system's source of random numbers.
    pub(super) fn new(random: &mut File) -> io::Result<Self> {
        let mut bytes = [0; NONCE_BYTES];
        random.read_exact(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the message of a program that has passed must contain.
    fn proof(&self) -> [u8; PROOF_BYTES] {
        let mut hash = Sha256::new();
        hash.update(b"the last assertion holds");
        hash.update(self.0);
        hash.finalize().into()
    }

    /// The verdict that a program's message earns, and the answer of its harness.
    ///
    /// `status` is its exit code, or the negative number of the signal that ended it. The answer is the message's own
    /// memory, because it may be large.
    pub(super) fn verify(&self, mut message: Vec<u8>, status: i32) -> (Verdict, String) {
        let Some((letter, body)) = whole(&message) else {
            let verdict = if message.is_empty() {
                died(status)
            } else {
                Verdict::Forged
            };
            return (verdict, String::new());
        };
        let proven = body.split_at_checked(PROOF_BYTES);
        match (letter, proven) {
            (b'P', Some((proof, _))) if proof == self.proof() => {
                message.drain(..HEADER_BYTES + PROOF_BYTES);
                // The driver encodes a text.
                let answer = String::from_utf8(message);
                answer.map_or((Verdict::Forged, String::new()), |answer| {
                    (Verdict::Pass, answer)
                })
            }
            (b'A' | b'E', _) => (failure(letter, body), String::new()),
            _ => (Verdict::Forged, String::new()),
        }
    }
}

/// The verdict on a program that ended without a message.
pub(super) fn died(status: i32) -> Verdict {
    let (code, signal) = if status < 0 {
        (None, Some(-status))
    } else {
        (Some(status), None)
    };
    Verdict::Died { code, signal }
}

/// The letter of a message and the length of its body, if the header is complete.
pub(super) fn header(message: &[u8]) -> Option<(u8, usize)> {
    let [letter, a, b, c, d] = *message.first_chunk::<HEADER_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    Some((letter, length))
}

/// The letter and the body of a message whose length is the announced one.
fn whole(message: &[u8]) -> Option<(u8, &[u8])> {
    let (letter, length) = header(message)?;
    let body = &message[HEADER_BYTES..];
    (length == body.len()).then_some((letter, body))
}

/// The verdict on a program that reports an exception.
pub(super) fn failure(letter: u8, body: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(body);
    let (exception, message) = text.split_once('\n').unwrap_or((&text, ""));
    let cut = |text: &str| text.chars().take(MAX_TEXT_CHARACTERS).collect();
    let (exception, message) = (cut(exception), cut(message));
    if letter == b'A' {
        Verdict::Assertion { exception, message }
    } else {
        Verdict::Error { exception, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(letter: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&[letter], length.as_slice(), body].concat()
    }

    fn verdict_of(message: &[u8]) -> Verdict {
        Nonce([7; NONCE_BYTES]).verify(message.to_vec(), 0).0
    }

    #[test]
    fn a_pass_brings_the_hash_of_its_own_nonce() {
        // Oracle: printf 'the last assertion holds' and 32 bytes of 7, through sha256sum.
        let proof = Nonce([7; NONCE_BYTES]).proof();
        assert_eq!(
            proof.map(|byte| format!("{byte:02x}")).concat(),
            "bc9defe77d228735dfac4d23871539270025273d89c8696cf8b30c5491674295"
        );

        assert_eq!(verdict_of(&message(b'P', &proof)), Verdict::Pass);
        for forged in [
            message(b'P', &[7; NONCE_BYTES]),
            message(b'P', &Nonce([8; NONCE_BYTES]).proof()),
            message(b'P', &proof[1..]),
            message(b'Q', &proof),
            message(b'P', &proof)[..20].to_vec(),
            [message(b'P', &proof), vec![0]].concat(),
            [vec![b'x'], message(b'P', &proof)].concat(),
            b"P".to_vec(),
        ] {
            assert_eq!(verdict_of(&forged), Verdict::Forged, "{forged:?}");
        }
    }

    #[test]
    fn an_answer_follows_the_proof() {
        let nonce = Nonce([7; NONCE_BYTES]);
        let body = [nonce.proof().as_slice(), b"[1, 2]"].concat();
        let whole = message(b'P', &body);
        let place = whole.as_ptr();
        let (verdict, answer) = nonce.verify(whole, 0);
        assert_eq!((verdict, answer.as_str()), (Verdict::Pass, "[1, 2]"));
        assert_eq!(answer.as_ptr(), place, "there is no second copy in memory");
    }

    #[test]
    fn an_answer_that_is_no_text_is_forged() {
        // A replacement for each wrong byte would take three times the memory.
        let nonce = Nonce([7; NONCE_BYTES]);
        let body = [nonce.proof().as_slice(), b"\xff\xff"].concat();
        assert_eq!(verdict_of(&message(b'P', &body)), Verdict::Forged);
    }

    #[test]
    fn a_failure_is_believed_and_cut() {
        let long = format!("ValueError\n{}", "y".repeat(900));
        let expected = Verdict::Error {
            exception: "ValueError".to_owned(),
            message: "y".repeat(MAX_TEXT_CHARACTERS),
        };
        assert_eq!(verdict_of(&message(b'E', long.as_bytes())), expected);
        let assertion = verdict_of(&message(b'A', b"AssertionError\n"));
        assert_eq!(assertion.name(), "assertion");
    }

    #[test]
    fn a_program_without_a_message_has_died() {
        let died = |status| Nonce([7; NONCE_BYTES]).verify(Vec::new(), status).0;
        assert_eq!(died(-9).to_string(), "ended by signal 9");
        assert_eq!(died(0).to_string(), "exited with code 0");
    }
}
