//! Whether an answer certainly differs from the expected one, read from the bytes of both.
//!
//! Python compares values of different types (`1 == 1.0 == True`), and sets in any order; the benchmark allows floats a
//! tolerance. So bytes that differ prove nothing in general, and a process of Python compares them. But most wrong
//! answers differ in an integer or a text, which is seen here at once: then the program ends at its first wrong answer
//! and no other process is asked.

use crate::eval::benchmark::messages::HEADER_BYTES;

/// The deepest nesting that is compared here.
const MAX_DEPTH: usize = 100;

/// Whether two messages certainly have values that are not equal in Python. A tolerance is not considered.
pub(super) fn is_certain(answer: &[u8], expected: &[u8]) -> bool {
    match (
        answer.split_at_checked(HEADER_BYTES),
        expected.split_at_checked(HEADER_BYTES),
    ) {
        (Some(([b'V' | b'v', ..], answer)), Some(([b'V' | b'v', ..], expected))) => {
            let pair = (&mut Text(answer), &mut Text(expected));
            differ(pair, MAX_DEPTH) == Some(true)
        }
        _ => false,
    }
}

/// The rest of a text of Python's `marshal` in version 2.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn tag(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// The number of items, digits or bytes that follow.
    fn count(&mut self) -> Option<i32> {
        Some(i32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.take(usize::try_from(count).ok()?)
    }

    /// The bytes of a value that is no container, after its tag.
    fn leaf(&mut self, tag: u8) -> Option<&'a [u8]> {
        match tag {
            b'N' | b'T' | b'F' | b'.' => Some(&[]),
            b'i' => self.take(4),
            b'l' => {
                let all = self.0;
                let digits = usize::try_from(self.count()?.unsigned_abs()).ok()?;
                self.take(digits.checked_mul(2)?)?;
                all.get(..4 + 2 * digits)
            }
            b'g' => self.take(8),
            b'y' => self.take(16),
            b's' | b'u' => self.bytes(),
            _ => None,
        }
    }
}

fn is_number(tag: u8) -> bool {
    matches!(tag, b'T' | b'F' | b'i' | b'l' | b'g' | b'y')
}

fn is_integer(tag: u8) -> bool {
    matches!(tag, b'i' | b'l')
}

/// Whether the next values differ; none if that is not certain, and then nothing after them can be compared.
fn differ((one, other): (&mut Text<'_>, &mut Text<'_>), depth: usize) -> Option<bool> {
    let (tag, other_tag) = (one.tag()?, other.tag()?);
    if tag != other_tag {
        // Every integer has one form, and a value of one kind equals none of another kind, except numbers, sets and
        // what is in buffers.
        let kinds = [tag, other_tag];
        let is_unclear = kinds.iter().all(|tag| is_number(*tag))
            || kinds.iter().all(|tag| matches!(tag, b'<' | b'>'));
        return (!is_unclear || kinds.iter().all(|tag| is_integer(*tag))).then_some(true);
    }
    match tag {
        b'[' | b'(' => {
            let (count, other_count) = (one.count()?, other.count()?);
            if count != other_count {
                return Some(true);
            }
            let depth = depth.checked_sub(1)?;
            for _ in 0..count {
                if differ((one, other), depth)? {
                    return Some(true);
                }
            }
            Some(false)
        }
        b'{' | b'<' | b'>' => None,
        b'g' | b'y' => {
            // Two zeros are equal and have different bytes; a number that is none differs from itself.
            let (value, other_value) = (one.leaf(tag)?, other.leaf(tag)?);
            (value == other_value).then_some(false)
        }
        tag => Some(one.leaf(tag)? != other.leaf(tag)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(letter: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&[letter], length.as_slice(), body].concat()
    }

    fn is_certain_of(one: &[u8], other: &[u8]) -> bool {
        let pair = [message(b'V', one), message(b'V', other)];
        let certain = is_certain(&pair[0], &pair[1]);
        assert_eq!(certain, is_certain(&pair[1], &pair[0]));
        certain
    }

    /// Oracle: `==` of Python 3.11 on the values, whose bytes are those of `marshal.dumps(value, 2)`.
    #[test]
    fn only_values_that_python_finds_different_are_certain() {
        let one = b"i\x01\0\0\0";
        let two = b"i\x02\0\0\0";
        let float_one = b"g\0\0\0\0\0\0\xf0?";
        let zero = b"g\0\0\0\0\0\0\0\0";
        let minus_zero = b"g\0\0\0\0\0\0\0\x80";
        // 2 ** 64 and 2 ** 64 + 5.
        let large = b"l\x05\0\0\0\0\0\0\0\0\0\0\0\x10\0";
        let larger = b"l\x05\0\0\0\x05\0\0\0\0\0\0\0\x10\0";
        let list = |items: &[&[u8]]| {
            let count = u32::try_from(items.len()).unwrap().to_le_bytes();
            [b"[", count.as_slice(), &items.concat()].concat()
        };
        for (a, b, expected) in [
            (&one[..], &two[..], true),
            (one, b"T", false),
            (one, float_one, false),
            (zero, minus_zero, false),
            (large, larger, true),
            (large, one, true),
            (b"u\x01\0\0\0a", b"u\x01\0\0\0b", true),
            (b"u\x01\0\0\0a", b"s\x01\0\0\0a", true),
            (b"N", b"F", true),
            (b"<\0\0\0\0", b">\0\0\0\0", false),
            (b"{0", b"N", true),
            (&list(&[one, one]), &list(&[one, two]), true),
            (&list(&[one, b"T"]), &list(&[one, one]), false),
            (&list(&[one]), &list(&[one, two]), true),
            (
                &list(&[b"<\0\0\0\0", one]),
                &list(&[b"<\0\0\0\0", two]),
                false,
            ),
            (&list(&[one]), b"(\x01\0\0\0i\x01\0\0\0", true),
            (&list(&[&list(&[one])]), &list(&[&list(&[two])]), true),
        ] {
            assert_eq!(is_certain_of(a, b), expected, "{a:?} {b:?}");
        }
        assert!(!is_certain(&message(b'X', one), &message(b'V', two)));
    }

    #[test]
    fn no_text_panics() {
        let texts = [
            &b""[..],
            b"[",
            b"[\xff\xff\xff\xff",
            b"l\0\0\0\x80",
            b"u\xff\xff\xff\xff",
            b"i\x01",
        ];
        for text in texts {
            assert!(!is_certain_of(text, text), "{text:?}");
        }
        let deep = b"[\x01\0\0\0".repeat(100_000);
        assert!(!is_certain_of(&deep, &deep));
        assert!(!is_certain(b"V", b"V"));
    }
}
