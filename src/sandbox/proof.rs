//! What programs say of themselves, of which nothing is trusted but the proof.

use std::{
    fs::File,
    io::{self, Read as _},
};

use sha2::{Digest as _, Sha256};

use super::Verdict;

const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;
/// A letter and the length of what follows.
const HEADER_BYTES: usize = 5;
/// An exception's text, cut by the driver, is no longer than this.
pub(super) const MESSAGE_BYTES: usize = 8192;
/// Characters of an exception's class and of its text.
const TEXT: usize = 500;

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

    /// What a pass must bring.
    fn proof(&self) -> [u8; PROOF_BYTES] {
        let mut hash = Sha256::new();
        hash.update(b"the last assertion holds");
        hash.update(self.0);
        hash.finalize().into()
    }

    /// What a program's message is worth, and the answer of the harness around it.
    ///
    /// `status` is its exit code, or the negative number of the signal that ended it.
    pub(super) fn judge(&self, message: &[u8], status: i32) -> (Verdict, String) {
        let Some((letter, body)) = whole(message) else {
            let silent = if status < 0 {
                Verdict::Died {
                    code: None,
                    signal: Some(-status),
                }
            } else {
                Verdict::Died {
                    code: Some(status),
                    signal: None,
                }
            };
            let is_silent = message.is_empty();
            return (
                if is_silent { silent } else { Verdict::Forged },
                String::new(),
            );
        };
        let proven = body.split_at_checked(PROOF_BYTES);
        match (letter, proven) {
            (b'P', Some((proof, answer))) if proof == self.proof() => {
                (Verdict::Pass, String::from_utf8_lossy(answer).into_owned())
            }
            (b'A' | b'E', _) => (failure(letter, body), String::new()),
            _ => (Verdict::Forged, String::new()),
        }
    }
}

/// The letter and the body of a message that is as long as it says.
fn whole(message: &[u8]) -> Option<(u8, &[u8])> {
    let (header, body) = message.split_first_chunk::<HEADER_BYTES>()?;
    let [letter, a, b, c, d] = *header;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    (length == body.len()).then_some((letter, body))
}

fn failure(letter: u8, body: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(body);
    let (exception, message) = text.split_once('\n').unwrap_or((&text, ""));
    let cut = |text: &str| text.chars().take(TEXT).collect();
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
    use crate::sandbox::server::hexadecimal;

    fn message(letter: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&[letter], length.as_slice(), body].concat()
    }

    fn judged(message: &[u8]) -> Verdict {
        Nonce([7; NONCE_BYTES]).judge(message, 0).0
    }

    #[test]
    fn a_pass_brings_the_hash_of_its_own_nonce() {
        // Oracle: printf 'the last assertion holds' and 32 bytes of 7, through sha256sum.
        let proof = Nonce([7; NONCE_BYTES]).proof();
        assert_eq!(
            hexadecimal(&proof),
            "bc9defe77d228735dfac4d23871539270025273d89c8696cf8b30c5491674295"
        );

        assert_eq!(judged(&message(b'P', &proof)), Verdict::Pass);
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
            assert_eq!(judged(&forged), Verdict::Forged, "{forged:?}");
        }
    }

    #[test]
    fn an_answer_follows_the_proof() {
        let nonce = Nonce([7; NONCE_BYTES]);
        let body = [nonce.proof().as_slice(), b"[1, 2]"].concat();
        let judged = nonce.judge(&message(b'P', &body), 0);
        assert_eq!(judged, (Verdict::Pass, "[1, 2]".to_owned()));
    }

    #[test]
    fn a_failure_is_believed_and_cut() {
        let long = format!("ValueError\n{}", "y".repeat(900));
        let expected = Verdict::Error {
            exception: "ValueError".to_owned(),
            message: "y".repeat(TEXT),
        };
        assert_eq!(judged(&message(b'E', long.as_bytes())), expected);
        let assertion = judged(&message(b'A', b"AssertionError\n"));
        assert_eq!(assertion.name(), "assertion");
    }

    #[test]
    fn who_says_nothing_has_died() {
        let died = |status| Nonce([7; NONCE_BYTES]).judge(b"", status).0;
        assert_eq!(died(-9).to_string(), "ended by signal 9");
        assert_eq!(died(0).to_string(), "exited with code 0");
    }
}
