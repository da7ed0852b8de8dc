//! Values as messages (`plain.py`): a letter, the length of the body in four bytes, and the body.

use std::ops::Range;

/// A letter and the length of the body.
pub(super) const HEADER_BYTES: usize = 5;

/// Messages, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    /// Where each one ends.
    ends: Vec<usize>,
}

impl Messages {
    /// Splits a text of whole messages; none if it is no such text.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Option<Self> {
        let (mut ends, mut end) = (Vec::new(), 0_usize);
        while end < bytes.len() {
            let [_, a, b, c, d] = *bytes[end..].first_chunk::<HEADER_BYTES>()?;
            let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
            end = end.checked_add(HEADER_BYTES + length)?;
            ends.push(end);
        }
        (end == bytes.len()).then_some(Self { bytes, ends })
    }

    /// Splits whole messages in base 64.
    pub(super) fn of_base64(text: &str) -> Option<Self> {
        Self::of_bytes(from_base64(text)?)
    }

    pub(super) fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }

    /// Removes the last one.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let range = self.range(self.len().checked_sub(1)?)?;
        self.ends.pop();
        Some(self.bytes.split_off(range.start))
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The message of that number; empty if there is none.
    pub(super) fn get(&self, number: usize) -> &[u8] {
        let range = self.range(number).unwrap_or_default();
        self.bytes.get(range).unwrap_or_default()
    }

    /// Whether one of them reports an exception.
    pub(super) fn has_exception(&self) -> bool {
        (0..self.len()).any(|number| matches!(self.get(number).first(), Some(b'A' | b'E' | b'R')))
    }

    /// All of them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn range(&self, number: usize) -> Option<Range<usize>> {
        let start = match number.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(start..*self.ends.get(number)?)
    }
}

/// The most bytes that a program's message may have in place of an expected one. A value that equals the expected one
/// may be longer: a complex number takes 17 times the bytes of a truth value. Beyond a megabyte no value does, so that
/// a program cannot fill the memory of the judge.
pub(super) fn most_bytes(expected: usize) -> usize {
    (1 << 20) + 4 * expected
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in base 64 (RFC 4648).
pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let mut triple = [0; 3];
        triple[..part.len()].copy_from_slice(part);
        let number = u32::from_be_bytes([0, triple[0], triple[1], triple[2]]);
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= part.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

/// The bytes of a text in base 64, with its padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for part in digits.chunks(4) {
        let mut number = 0_u32;
        for place in 0..4 {
            let digit = part.get(place).map_or(Some(0), |digit| {
                let value = DIGITS.iter().position(|known| known == digit)?;
                u32::try_from(value).ok()
            })?;
            number = number << 6 | digit;
        }
        let triple = number.to_be_bytes();
        bytes.extend_from_slice(&triple[1..part.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_standard() {
        // Oracle: section 10 of RFC 4648.
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in pairs {
            assert_eq!(to_base64(plain.as_bytes()), text);
            assert_eq!(from_base64(text).unwrap(), plain.as_bytes());
        }
        assert_eq!(from_base64("Zm9v_"), None);
    }

    #[test]
    fn messages_are_split_and_joined() {
        let mut messages = Messages::default();
        messages.push(b"V\x02\0\0\0ab");
        messages.push(b"L\0\0\0\0");
        let text = messages.bytes().to_vec();

        assert_eq!(Messages::of_bytes(text.clone()).unwrap(), messages);
        assert_eq!(messages.get(1), b"L\0\0\0\0");
        assert_eq!(messages.get(2), b"");
        assert_eq!(messages.pop().unwrap(), b"L\0\0\0\0");
        assert_eq!(
            (messages.len(), messages.bytes()),
            (1, &b"V\x02\0\0\0ab"[..])
        );
        for cut in [1, 4, 6, 8] {
            assert_eq!(Messages::of_bytes(text[..cut].to_vec()), None, "{cut}");
        }
    }
}
