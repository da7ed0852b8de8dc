//! Generated inputs: fragments of Python, mutated goldens, and soup.

use serde::Deserialize;

/// Texts that the extractor, the normalisers, the lexer and the parser look for.
const PIECES: &[&str] = &[
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "```python\n",
    "```python",
    "```Python \n",
    "\n```",
    "```",
    "\r\n",
    "\r",
    "\n",
    "\n\n",
    " ",
    "\t",
    "    ",
    "\u{c}",
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "#",
    "# it's\n",
    "\\",
    "\\\n",
    "f'{x}'",
    "f\"{",
    "f'''{x!r:>{y}}",
    "rb'",
    "{{",
    "}}",
    "}",
    "{",
    "STRING_PLACEHOLDER_1",
    "STRING_PLACEHOLDER_",
    "é",
    "e\u{301}",
    "😀",
    "\u{1c}",
    "\0",
    "\u{feff}",
    "\u{a0}",
    "\u{2028}",
    "\u{202e}",
    "ﬁ",
    "名",
    "def f():\n",
    "class A:\n    'doc'\n",
    "lambda",
    "yield",
    "await",
    "raise;",
    "elif",
    "else:",
    "case _:",
    "match x:",
    "x",
    "=",
    "1",
    "0_7",
    "1__0",
    "9999999999999999999999",
    "1e999",
    "0xg",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ";",
    "*",
    "**",
    "->",
    ":=",
    "@",
    "...",
    "!",
    "$",
    "?",
    "not ",
    "in",
    "is not",
    "import a.b as c\n",
];

/// Texts that can nest in themselves without end.
const NESTING: &[&str] = &[
    "(",
    "[",
    "{",
    "-",
    "~",
    "not ",
    "await ",
    "lambda: ",
    "f(",
    "a[",
    "a.",
    "x if y else ",
    "f'{",
    "*",
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "'\\'",
    "#",
    "\\\n",
    "if x: ",
    "if x:\n ",
    "<think>",
    "```",
    "```python\n",
    "\n```\n",
    "STRING_PLACEHOLDER_1",
    "'a' ",
    "a+",
    "a<b<",
    "a,",
    "@a\n",
    "\r",
];

#[derive(Deserialize)]
struct Rows<T> {
    rows: Vec<T>,
}

#[derive(Deserialize)]
struct Pair {
    completion: String,
    target: String,
}

#[derive(Deserialize)]
struct Code {
    input: String,
}

/// The recorded texts, from which mutants are made.
pub(super) struct Goldens(Vec<String>);

impl Goldens {
    pub(super) fn read() -> Self {
        let pairs: Rows<Pair> =
            serde_json::from_str(include_str!("../../../../tests/golden/rl/rewards.json")).unwrap();
        let codes: Rows<Code> = serde_json::from_str(include_str!(
            "../../../../tests/golden/rl/comments_syntax.json"
        ))
        .unwrap();
        let mut texts: Vec<String> = codes.rows.into_iter().map(|row| row.input).collect();
        for row in pairs.rows {
            texts.extend([row.completion, row.target]);
        }
        Self(texts)
    }
}

/// `SplitMix64`, seeded with the number of the case, from which everything in the case is drawn.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn pick<'a>(&mut self, pieces: &[&'a str]) -> &'a str {
        pieces[self.below(pieces.len())]
    }
}

/// A text of one of the kinds.
pub(super) fn text(random: &mut Random, goldens: &Goldens) -> String {
    let text = match random.below(20) {
        0..=5 => (0..=random.below(6))
            .map(|_| statement(random, 0))
            .collect(),
        6..=12 => mutant(random, goldens),
        13..=16 => soup(random),
        17 | 18 => random_characters(random),
        _ => nested(random),
    };
    match random.below(12) {
        0 => text.replace('\n', "\r\n"),
        1 => text.replace('\n', "\r"),
        _ => text,
    }
}

/// A completion around `code`, well formed or not.
pub(super) fn completion(random: &mut Random, code: &str) -> String {
    match random.below(8) {
        0 => code.to_owned(),
        1 => format!("```python\n{code}\n```</think><answer>```python\n{code}"),
        2 => format!("{}{code}{}", random.pick(PIECES), random.pick(PIECES)),
        3 => mutated(random, &super::rendered(code), 2),
        _ => super::rendered(code),
    }
}

/// A text that differs from `text` in a few places.
pub(super) fn mutated(random: &mut Random, text: &str, edits: usize) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..edits {
        let at = random.below(characters.len() + 1);
        let end = (at + random.below(12)).min(characters.len());
        match random.below(5) {
            0 => drop(characters.drain(at..end)),
            1 => {
                let again: Vec<char> = characters[at..end].to_vec();
                characters.splice(at..at, again);
            }
            2 => characters[at..end].reverse(),
            3 => {
                let other = random.below(characters.len() + 1);
                let (low, high) = (at.min(other), at.max(other));
                characters[low..high].rotate_left((high - low) / 2);
            }
            _ => {
                let piece = random.pick(PIECES);
                characters.splice(at..at, piece.chars());
            }
        }
    }
    characters.into_iter().collect()
}

fn mutant(random: &mut Random, goldens: &Goldens) -> String {
    let golden = &goldens.0[random.below(goldens.0.len())];
    let edits = random.below(4);
    mutated(random, golden, edits)
}

fn soup(random: &mut Random) -> String {
    let count = random.below(40);
    (0..count).map(|_| random.pick(PIECES)).collect()
}

fn random_characters(random: &mut Random) -> String {
    let highest = [0x80, 0x800, 0x1_0000, 0x11_0000][random.below(4)];
    let count = random.below(200);
    (0..count)
        .filter_map(|_| char::from_u32(u32::try_from(random.below(highest)).unwrap()))
        .collect()
}

fn nested(random: &mut Random) -> String {
    let longest = [50, 300, 4_000][random.below(3)];
    let count = random.below(longest);
    let text = random.pick(NESTING).repeat(count);
    let after = random.pick(PIECES).repeat(random.below(3));
    format!("{text}x{after}")
}

fn statement(random: &mut Random, depth: usize) -> String {
    let indent = "    ".repeat(depth);
    let value = expression(random, 0);
    let deeper = |random: &mut Random, head: String| {
        let body: String = (0..=random.below(3))
            .map(|_| statement(random, depth + 1))
            .collect();
        format!("{indent}{head}:\n{body}")
    };
    match random.below(if depth < 3 { 14 } else { 8 }) {
        0 => format!("{indent}x = {value}\n"),
        1 => format!("{indent}{value}  # it's\n"),
        2 => format!("{indent}return {value}\n\n"),
        3 => format!("{indent}\"\"\"Doc.\n\n  # {value}\"\"\"\n"),
        4 => format!("{indent}x += {value}; del y\n"),
        5 => format!("{indent}assert {value}, \\\n    {value}\n"),
        6 => format!("{indent}from .a import (b as c, d,)\n"),
        7 => format!("{indent}# {value}\n   \n"),
        8 => deeper(
            random,
            format!("def f(a, /, b: int = {value}, *c, d, **e) -> x"),
        ),
        9 => deeper(random, format!("class A(B, metaclass={value})")),
        10 => deeper(random, format!("if {value}")),
        11 => deeper(random, format!("for x, *y in {value}")),
        12 => deeper(random, format!("async with {value} as x")),
        _ => {
            let body = deeper(random, "try".to_owned());
            format!("{body}{indent}except (A, B) as e:\n{indent}    raise\n")
        }
    }
}

fn expression(random: &mut Random, depth: usize) -> String {
    if depth > 3 || random.below(3) == 0 {
        let leaves = [
            "x",
            "é",
            "1",
            "0x1f",
            "1_000.5e3j",
            "'a # b'",
            "b\"\\x00\"",
            "r'\\'",
            "'''a\n\nb'''",
            "f'{x!r:>{y}} {{'",
            "None",
            "...",
            "__debug__",
            "'😀'",
            "\"it's\"",
        ];
        return random.pick(&leaves).to_owned();
    }
    let a = expression(random, depth + 1);
    let b = expression(random, depth + 1);
    match random.below(12) {
        0 => format!("{a} + {b}"),
        1 => format!("({a},\n  {b},)"),
        2 => format!("f({a}, *{b}, k={a})"),
        3 => format!("[{a} for x in {b} if {a}]"),
        4 => format!("{{{a}: {b}, **x}}"),
        5 => format!("x[{a}:{b}]"),
        6 => format!("(lambda a, b={a}: {b})"),
        7 => format!("({a} if {b} else {a})"),
        8 => format!("not {a} is {b}"),
        9 => format!("(y := {a}).b"),
        10 => format!("(yield {a})"),
        _ => format!("{a} < {b} <= {a}"),
    }
}
