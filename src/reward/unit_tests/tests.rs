//! Verdicts of programs that solve a task, that fail, and that attack the judge.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;

use super::{JudgeError, Recorded, TestJudge, UnitTests};
use crate::sandbox::{Pool, Settings, Verdict};

/// `textwrap.wrap` with a new argument, without which it fails.
const SETUP: &str = "import textwrap
_wrap = textwrap.wrap
def wrap(text, width, *, newest_first):
    lines = _wrap(text, width)
    return lines[::-1] if newest_first else lines
textwrap.wrap = wrap
";
const NEW: &str = "import textwrap
SIZE = 6
def lines(text):
    return textwrap.wrap(text, SIZE, newest_first=True)
";
const TESTS: [&str; 4] = [
    "assert lines('aa bb cc dd') == ['cc dd', 'aa bb']",
    "import math\nfound = lines('one two three four')\nassert math.isclose(len(found), 4) and found[3] == 'one'",
    // The second call depends on the first answer.
    "def check():\n    first = lines('xx yy zz ww')[0]\n    assert lines(first + ' uu') == ['uu', 'zz ww']\ncheck()",
    "try:\n    lines(7)\nexcept AttributeError:\n    assert lines('a') == ['a']\nelse:\n    assert False",
];

fn judge(workers: usize) -> TestJudge {
    let pool = Pool::start(&Settings {
        workers,
        ..Settings::default()
    });
    TestJudge::new(pool.unwrap(), Duration::from_secs(3))
}

fn unit_tests(tests: &[&str]) -> UnitTests {
    UnitTests {
        setup: SETUP.to_owned(),
        tests: tests.iter().map(|test| (*test).to_owned()).collect(),
    }
}

fn letters(judge: &TestJudge, recorded: &Recorded, code: &str) -> String {
    let verdicts = judge.judge(&[(recorded, Some(code))]).unwrap();
    verdicts[0].iter().map(Verdict::letter).collect()
}

/// Oracle: what each program computes, by hand.
#[test]
fn a_program_passes_the_tests_of_what_it_computes() {
    let judge = judge(2);
    let recorded = judge.record(&unit_tests(&TESTS), NEW).unwrap();
    for (code, expected) in [
        (NEW, "PPPP"),
        // Without the update.
        (
            "import textwrap\ndef lines(text):\n    return textwrap.wrap(text, 6)",
            "EEEE",
        ),
        // By another way; it takes what is no text, so the last test fails.
        (
            "def lines(text):\n    words, out = str(text).split(), []\n    for word in words:\n        \
             if out and len(out[-1]) + len(word) < 6:\n            out[-1] += ' ' + word\n        \
             else:\n            out.append(word)\n    return out[::-1]",
            "PPPA",
        ),
        ("def lines(text):\n    return ['cc dd', 'aa bb']", "PAAA"),
        ("def other(text):\n    return []", "EEEE"),
        ("def lines(text:\n", "EEEE"),
    ] {
        assert_eq!(letters(&judge, &recorded, code), expected, "{code}");
    }
    let without = judge.judge(&[(&recorded, None)]).unwrap();
    assert!(without[0].iter().all(|verdict| verdict.name() == "error"));
}

#[test]
fn a_variable_of_the_program_can_be_tested() {
    let judge = judge(1);
    let recorded = judge
        .record(&unit_tests(&["assert SIZE == 6"]), NEW)
        .unwrap();
    assert_eq!(letters(&judge, &recorded, "SIZE = 6"), "P");
    assert_eq!(letters(&judge, &recorded, "SIZE = 7"), "A");
    assert_eq!(letters(&judge, &recorded, "size = 6"), "E");
}

/// Oracle: Python's own comparisons.
#[test]
fn values_of_any_size_and_kind_are_compared_exactly() {
    let judge = judge(1);
    let same = "def f(x):\n    return x";
    let test = [
        "assert f(2 ** 64) == 2 ** 64",
        "nan = f(float('nan'))\nassert nan != nan",
        "assert f('\\ud800') == '\\ud800'",
        "assert f(list(range(100_000)))[-1] == 99_999",
    ];
    let recorded = judge.record(&unit_tests(&test), same).unwrap();
    assert_eq!(letters(&judge, &recorded, same), "PPPP");
    let near = "def f(x):\n    return x + 5 if type(x) is int else x";
    assert_eq!(letters(&judge, &recorded, near), "APPP");
}

#[test]
fn tests_that_cannot_be_used_are_named() {
    let judge = judge(1);
    let error = |test: &str, reference: &str| {
        let tests = unit_tests(&["assert lines('a') == ['a']", test]);
        judge.record(&tests, reference).unwrap_err()
    };
    for (test, expected) in [
        (
            "assert lines('a') == ['b']",
            "the reference does not pass test 2: AssertionError",
        ),
        ("assert True", "test 2 cannot be run: it calls no function"),
        ("assert lines", "test 2 cannot be run: it calls no function"),
        (
            "assert (",
            "the reference does not pass test 2: SyntaxError",
        ),
    ] {
        let found = error(test, NEW).to_string();
        assert!(found.starts_with(expected), "{found}");
    }
    let with_class = format!("{NEW}class Box:\n    pass\n");
    let found = error("assert Box().__class__ is Box", &with_class);
    assert!(
        matches!(found, JudgeError::Unusable { test: 2, .. }),
        "{found}"
    );
    let opaque = format!("{NEW}def opaque():\n    return object()\n");
    let found = error("assert opaque()", &opaque).to_string();
    assert!(found.contains("no plain value"), "{found}");
}

/// Same completions, same verdicts, at any number of workers and in any company.
#[test]
fn the_number_of_workers_changes_no_verdict() {
    let codes = [
        NEW,
        "def lines(text):\n    return ['cc dd', 'aa bb']",
        "def lines(text):\n    return [text]",
        NEW,
        "x = (",
    ];
    let letters = |workers: usize| -> Vec<String> {
        let judge = judge(workers);
        let recorded = judge.record(&unit_tests(&TESTS), NEW).unwrap();
        let cases: Vec<_> = codes.iter().map(|code| (&recorded, Some(*code))).collect();
        let verdicts = judge.judge(&cases).unwrap();
        let letters = |verdicts: &Vec<Verdict>| verdicts.iter().map(Verdict::letter).collect();
        verdicts.iter().map(letters).collect()
    };
    let one = letters(1);
    assert_eq!(one, ["PPPP", "PAAA", "AAAA", "PPPP", "EEEE"]);
    assert_eq!(letters(3), one);
}

#[derive(Deserialize)]
struct Attacks {
    attack: Vec<Attack>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    name: String,
    tries: String,
    code: String,
}

/// The programs of the file, against tests that they must not pass; a solution passes after each.
#[test]
fn no_attack_earns_a_reward() {
    let text = include_str!("../../../tests/fixtures/reward_attacks.toml");
    let attacks: Attacks = toml::from_str(text).unwrap();
    let names: BTreeSet<&str> = attacks.attack.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), attacks.attack.len(), "every name is used once");
    assert!(names.len() >= 30, "{}", names.len());
    let judge = TestJudge::new(judge(2).pool, Duration::from_millis(500));
    let recorded = judge.record(&unit_tests(&TESTS), NEW).unwrap();
    for Attack { name, tries, code } in &attacks.attack {
        let found = letters(&judge, &recorded, code.trim_matches('\n'));
        assert!(
            !found.contains('P'),
            "`{name}`, which tries {tries}: {found}"
        );
    }
    assert_eq!(letters(&judge, &recorded, NEW), "PPPP");
}
