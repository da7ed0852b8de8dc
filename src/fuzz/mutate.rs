//! Changes of bytes, and of what looks like the structure of a text.

use std::ops::Range;

use super::Random;

/// An input does not grow beyond this.
const LARGEST: usize = 1 << 16;

/// Bytes with a meaning in some format.
const BYTES: &[u8] = b"[]{}():,.'\"\\/#\n\r\t =-+0%\0\x1f\x7f\x80\xbf\xc3\xed\xff";

/// Tokens that readers may trip over: the limits of numbers, what Python writes and JSON lacks, halves of characters,
/// other types than the expected one.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "0.5",
    "-0.5",
    "1e999",
    "-1e999",
    "1e-999",
    "1e308",
    "NaN",
    "nan",
    "inf",
    "Infinity",
    "-Infinity",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "\"\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\u0000\"",
    "\"\u{feff}\"",
    "\"\u{fffd}é名😀\"",
    "\"../../etc/passwd\"",
    "\"/dev/full\"",
    "\".\"",
    "\" \"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"\":null}",
    "[0]",
    "\"0\"",
    "None",
    "True",
    "()",
    "(1,)",
    "''",
    "\\x00",
    "%",
    "{{",
    "{%",
    "%}",
    "}}",
    "\u{feff}",
    "\u{2028}",
    "\r\n",
];

/// Numbers of a binary header.
const NUMBERS: &[u64] = &[
    0,
    1,
    7,
    8,
    255,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];

/// A seed of the corpus after some changes.
pub(super) fn mutated(random: &mut Random, corpus: &[&[u8]]) -> Vec<u8> {
    let mut bytes = random.of(corpus).to_vec();
    for _ in 0..=random.below(4) {
        let other = *random.of(corpus);
        change(random, &mut bytes, other);
        bytes.truncate(LARGEST);
    }
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    match random.below(16) {
        0 | 1 => flip(random, bytes),
        2 => replace_a_byte(random, bytes),
        3 => bytes.truncate(random.below(bytes.len() + 1)),
        4 => drop(bytes.drain(short(random, bytes))),
        5 => copy_a_part(random, bytes),
        6 => repeat_a_part(random, bytes),
        7 => splice(random, bytes, other),
        8 => change_lines(random, bytes),
        9 => write_a_number(random, bytes),
        10 => nest_a_token(random, bytes),
        11 => swap_tokens(random, bytes),
        12 => take_a_token(random, bytes, other),
        13 => drop_a_token(random, bytes),
        _ => replace_a_token(random, bytes),
    }
}

fn flip(random: &mut Random, bytes: &mut [u8]) {
    let (place, bit) = (random.below(bytes.len()), random.below(8));
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << bit;
    }
}

fn replace_a_byte(random: &mut Random, bytes: &mut [u8]) {
    let (place, new) = (random.below(bytes.len()), *random.of(BYTES));
    if let Some(byte) = bytes.get_mut(place) {
        *byte = new;
    }
}

/// A part that is short more often than long.
fn short(random: &mut Random, bytes: &[u8]) -> Range<usize> {
    let start = random.below(bytes.len() + 1);
    let longest = *random.of(&[2, 8, 64, bytes.len()]);
    let end = (start + random.below(longest + 1)).min(bytes.len());
    start..end
}

fn copy_a_part(random: &mut Random, bytes: &mut Vec<u8>) {
    let part = bytes[short(random, bytes)].to_vec();
    let place = random.below(bytes.len() + 1);
    bytes.splice(place..place, part);
}

fn repeat_a_part(random: &mut Random, bytes: &mut Vec<u8>) {
    let range = short(random, bytes);
    let most = LARGEST / range.len().max(1);
    let often = *random.of(&[3, 300, LARGEST]);
    let times = (2 + random.below(often)).min(most);
    let part = bytes[range.clone()].repeat(times);
    bytes.splice(range, part);
}

fn splice(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    bytes.truncate(random.below(bytes.len() + 1));
    bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
}

fn change_lines(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return;
    }
    let (one, two) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(4) {
        0 => lines.swap(one, two),
        1 => {
            let line = lines[one].clone();
            lines.insert(two, line);
        }
        2 => drop(lines.remove(one)),
        _ => lines.insert(one, b"\n".to_vec()),
    }
    *bytes = lines.concat();
}

fn write_a_number(random: &mut Random, bytes: &mut [u8]) {
    let number = random.of(NUMBERS).to_le_bytes();
    let place = if random.one_in(2) {
        0
    } else {
        random.below(bytes.len())
    };
    for (byte, new) in bytes.iter_mut().skip(place).zip(number) {
        *byte = new;
    }
}

fn nest_a_token(random: &mut Random, bytes: &mut Vec<u8>) {
    let Some(token) = a_token(random, bytes) else {
        return;
    };
    let pairs = [
        ("[", "]"),
        ("{\"a\":", "}"),
        ("(", ")"),
        ("{", "}"),
        ("-", ""),
        ("{{", "}}"),
        ("not ", ""),
    ];
    let (open, close) = *random.of(&pairs);
    let depth = *random.of(&[1, 3, 130, 3_000, 30_000]);
    let depth = depth.min(LARGEST / (open.len() + close.len()));
    let nested = [
        open.repeat(depth).as_bytes(),
        &bytes[token.clone()],
        close.repeat(depth).as_bytes(),
    ]
    .concat();
    bytes.splice(token, nested);
}

fn swap_tokens(random: &mut Random, bytes: &mut Vec<u8>) {
    let tokens = tokens(bytes);
    if tokens.is_empty() {
        return;
    }
    let (one, two) = (random.of(&tokens).clone(), random.of(&tokens).clone());
    let (first, second) = if one.start < two.start {
        (one, two)
    } else {
        (two, one)
    };
    if first.end <= second.start {
        let parts = [
            &bytes[..first.start],
            &bytes[second.clone()],
            &bytes[first.end..second.start],
            &bytes[first.clone()],
            &bytes[second.end..],
        ];
        *bytes = parts.concat();
    }
}

fn take_a_token(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    if let (Some(token), Some(new)) = (a_token(random, bytes), a_token(random, other)) {
        bytes.splice(token, other[new].to_vec());
    }
}

fn drop_a_token(random: &mut Random, bytes: &mut Vec<u8>) {
    if let Some(token) = a_token(random, bytes) {
        bytes.drain(token);
    }
}

fn replace_a_token(random: &mut Random, bytes: &mut Vec<u8>) {
    let new = random.of(TOKENS).bytes();
    if let Some(token) = a_token(random, bytes) {
        bytes.splice(token, new);
    }
}

fn a_token(random: &mut Random, bytes: &[u8]) -> Option<Range<usize>> {
    let tokens = tokens(bytes);
    (!tokens.is_empty()).then(|| random.of(&tokens).clone())
}

/// The strings, words and signs of a text in about any format.
fn tokens(bytes: &[u8]) -> Vec<Range<usize>> {
    let is_word =
        |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_.+-".contains(&byte);
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = bytes.get(start) {
        let end = match *first {
            b'"' => end_of_string(bytes, start),
            byte if is_word(byte) => {
                let length = bytes[start..]
                    .iter()
                    .take_while(|byte| is_word(**byte))
                    .count();
                start + length
            }
            _ => start + 1,
        };
        if !first.is_ascii_whitespace() {
            tokens.push(start..end);
        }
        start = end;
    }
    tokens
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut place = start + 1;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'\\' => place += 2,
            b'"' => return place + 1,
            b'\n' => break,
            _ => place += 1,
        }
    }
    place.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_strings_words_and_signs() {
        let text = br#"{"a\"b": [-1.5e3, nul]"#;
        let found: Vec<&[u8]> = tokens(text).into_iter().map(|token| &text[token]).collect();
        let expected: [&[u8]; 8] = [
            b"{",
            br#""a\"b""#,
            b":",
            b"[",
            b"-1.5e3",
            b",",
            b"nul",
            b"]",
        ];
        assert_eq!(found, expected);
    }
}
