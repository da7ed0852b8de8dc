//! Values and time are judged from outside of the solution's process.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::fixture::pool;
use crate::{
    eval::{
        Judgement,
        benchmark::{Benchmark, Options, find},
    },
    sandbox::{Pool, Program, Verdict},
};

#[test]
fn every_plain_value_crosses_the_border_exactly() {
    let program = Program {
        source: concat!(
            include_str!("../benchmark/plain.py"),
            "\n",
            include_str!("values.py")
        )
        .to_owned(),
        timeout: Duration::from_mins(1),
        seed: 0,
    };
    assert_eq!(pool().run(&program).unwrap(), Verdict::Pass);
}

fn open(name: &str, row: &Value, is_in_process: bool) -> Box<dyn Benchmark> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), row.to_string()).unwrap();
    let options = Options {
        is_in_process,
        ..Options::default()
    };
    find(name).unwrap().open(file.path(), &options).unwrap()
}

/// A task whose tests have the given body; its canonical solution is the given expression of `x`.
fn human_eval(canonical: &str, test: &str, is_in_process: bool) -> Box<dyn Benchmark> {
    let test = test.replace('\n', "\n    ");
    let row = json!({
        "task_id": "T/0", "entry_point": "f", "prompt": "def f(x):\n",
        "canonical_solution": format!("    return {canonical}\n"),
        "test": format!("def check(f):\n    {test}\n"),
    });
    open("humaneval", &row, is_in_process)
}

fn judge(benchmark: &dyn Benchmark, solution: &str, pool: &Pool) -> Judgement {
    benchmark
        .judge(&benchmark.tasks()[0], solution, pool)
        .unwrap()
}

fn returning(expression: &str) -> String {
    format!("def f(x):\n    return {expression}\n")
}

#[test]
fn values_are_compared_exactly_as_python_compares_them() {
    let pool = pool();
    // Oracle: `==` of Python, in whose own process each answer ends the same way.
    let cases = [
        ("2**64", "2**64 + 5", false),
        ("2**64 + 1", "2**64 + 1", true),
        ("2**64 + 1", "float(2**64)", false),
        ("10**400", "10**400", true),
        ("10**400", "float('inf')", false),
        ("float('inf')", "float('inf')", true),
        ("[-0.0]", "[0]", true),
        ("'\\ud800'", "'\\ud800'", true),
        ("'\\ud800'", "'?'", false),
        ("b'ab'", "bytearray(b'ab')", true),
        ("{1, 2}", "frozenset([2, 1])", true),
        ("{'a': 1, 'b': (2,)}", "{'b': (2,), 'a': True}", true),
        ("(1, 2)", "[1, 2]", false),
        ("range(3)", "range(0, 3, 1)", true),
        ("None", "...", false),
        ("1", "True", true),
    ];
    for (expected, answer, passes) in cases {
        let test = format!("assert f(0) == {expected}");
        for is_in_process in [false, true] {
            let benchmark = human_eval(expected, &test, is_in_process);
            let judgement = judge(&*benchmark, &returning(answer), &pool);
            assert_eq!(
                judgement.passed, passes,
                "{expected} {answer}: {judgement:?}"
            );
        }
    }
}

#[test]
fn nan_is_an_honest_wrong_answer() {
    let benchmark = human_eval("1.0", "assert f(0) == 1.0", false);
    for answer in ["float('nan')", "float('inf')", "10**400", "'\\ud800'"] {
        let judgement = judge(&*benchmark, &returning(answer), &pool());
        assert_eq!(
            judgement.verdict.name(),
            "assertion",
            "{answer}: {judgement:?}"
        );
    }
}

#[test]
fn tests_that_draw_at_random_draw_the_same_for_every_solution() {
    // This solution is wrong for one argument of a hundred, and the tests draw twenty.
    let test =
        "import random\nfor _ in range(20):\n    n = random.randint(0, 99)\n    assert f(n) == n";
    let pools = [pool(), pool()];
    let mut verdicts = Vec::new();
    for is_in_process in [false, true] {
        let benchmark = human_eval("x", test, is_in_process);
        for wrong in 0..30 {
            let solution = format!("def f(x):\n    return 0 if x == {wrong} else x\n");
            let runs = pools.each_ref().map(|pool| {
                // Another program in between, which draws as well.
                judge(
                    &*benchmark,
                    "import random\nrandom.seed()\nf = random.random",
                    pool,
                );
                judge(&*benchmark, &solution, pool).passed
            });
            assert_eq!(runs[0], runs[1], "{wrong}");
            verdicts.push(runs[0]);
        }
        // What a solution draws has one result, too, and changes no argument of the tests.
        let coin = "import random\nis_right = random.random() < 0.5\ndef f(x):\n    return x if is_right else -1\n";
        let coins = pools
            .each_ref()
            .map(|pool| judge(&*benchmark, coin, pool).passed);
        assert_eq!(coins[0], coins[1]);
    }
    // What a solution draws, or where it starts drawing, changes no argument of tests in another process.
    let benchmark = human_eval("x", test, false);
    for (wrong, passes) in (0..30).zip(verdicts.clone()) {
        let solution = format!(
            "import random\ndef f(x):\n    random.seed(x)\n    return 0 if x == {wrong} else x\n"
        );
        assert_eq!(
            judge(&*benchmark, &solution, &pools[0]).passed,
            passes,
            "{wrong}"
        );
    }
    assert!(verdicts.contains(&true) && verdicts.contains(&false));
}

#[test]
fn tests_that_expect_exceptions_or_changed_arguments_run() {
    let pool = pool();
    let raising = human_eval(
        "1 // x",
        "try:\n    f(0)\nexcept ZeroDivisionError:\n    pass\nelse:\n    assert False\nassert f(1) == 1",
        false,
    );
    let solution = |body: &str| format!("def f(x):\n    {body}\n");
    for (body, verdict) in [
        ("return 1 // x", "pass"),
        ("return 1 if x else 1 / 0", "pass"),
        ("return x", "assertion"),
        ("return [][1 - x]", "error"),
        ("return 1 // x if not x else 2", "assertion"),
    ] {
        let judgement = judge(&*raising, &solution(body), &pool);
        assert_eq!(judgement.verdict.name(), verdict, "{body}: {judgement:?}");
    }
    // These tests see more of a call than its answer, and pass a function: they run in the solution's process.
    for (canonical, test) in [
        ("x.sort()", "a = [2, 1]\nf(a)\nassert a == [1, 2]"),
        ("x(1)", "assert f(lambda y: y + 1) == 2"),
    ] {
        let benchmark = human_eval(canonical, test, false);
        assert!(
            judge(&*benchmark, &returning(canonical), &pool).passed,
            "{test}"
        );
        assert!(
            !judge(&*benchmark, &returning("None"), &pool).passed,
            "{test}"
        );
    }
}

#[test]
fn no_object_of_a_solution_passes() {
    let pool = pool();
    let benchmark = human_eval("x + 1", "assert f(1) == 2\nassert f(2) == 3", false);
    let class = |body: &str| format!("class E:\n    {body}\ndef f(x):\n    return E()\n");
    let subclass = "class E(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef f(x):\n    return E(0)\n";
    let lie = "class E(int):\n    __class__ = property(lambda s: int)\n    def __eq__(s, o): return True\n    \
               def __reduce__(s): return (int, (0,))\ndef f(x):\n    return E(0)\n";
    // Its last line would decorate the tests, if they followed.
    let decorator = "def f(x):\n    return -1\n@(lambda f: (lambda c: None))\n";
    for solution in [
        &class("def __eq__(s, o): return True"),
        &class(
            "def __eq__(s, o): return True\n    def __int__(s): return 2\n    def __bool__(s): return True",
        ),
        subclass,
        lie,
        decorator,
        "import ctypes\ndef f(x):\n    ctypes.CDLL(None).syscall(231, 0)\n",
        "import os\ndef f(x):\n    os._exit(0)\n",
    ] {
        let judgement = judge(&*benchmark, solution, &pool);
        assert!(!judgement.passed, "{solution}: {judgement:?}");
    }
}

/// A task of `HumanEval+` that adds one to a number, with five inputs.
fn plus(is_in_process: bool) -> Box<dyn Benchmark> {
    let row = json!({
        "task_id": "T/0", "entry_point": "f", "prompt": "def f(x):\n", "contract": "", "atol": 0, "test": "",
        "canonical_solution": "    return x + 1\n",
        "base_input": [[1], [2], [3], [4], [5]], "plus_input": [[6]],
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), row.to_string()).unwrap();
    let options = Options {
        is_in_process,
        // Together the inputs have 2.5 seconds.
        timeout: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let benchmark = find("humaneval_plus").unwrap();
    benchmark.open(file.path(), &options).unwrap()
}

#[test]
fn a_call_that_is_too_slow_fails_whatever_the_solution_does_to_its_timers() {
    let pool = pool();
    let slow = |preparation: &str, wait: &str| {
        format!(
            "import signal, time\nn = 0\ndef f(x):\n    global n\n    n += 1\n    if n == 3:\n        \
             {preparation}\n        end = time.process_time() + 0.9\n        {wait}\n    return x + 1\n"
        )
    };
    let spin = "while time.process_time() < end: pass";
    let swallow = "while time.process_time() < end:\n            try:\n                while time.process_time() < end: pass\n            \
                   except BaseException: pass";
    let reset = "signal.setitimer(signal.ITIMER_REAL, 0); signal.setitimer(signal.ITIMER_PROF, 0)";
    for (preparation, wait) in [
        ("pass", spin),
        ("pass", "time.sleep(0.9)"),
        ("pass", swallow),
        (reset, spin),
    ] {
        let judgement = judge(&*plus(false), &slow(preparation, wait), &pool);
        assert_eq!(
            judgement.tests["base"], "T",
            "{preparation} {wait}: {judgement:?}"
        );
        assert_eq!(judgement.failed_inputs["base"], 2);
    }
    // Five times a fifth of a second is within the limit of each and of all.
    let each = "import time\ndef f(x):\n    time.sleep(0.2)\n    return x + 1\n";
    assert!(judge(&*plus(false), each, &pool).passed);
    // The published way has its timer within the solution's interpreter.
    assert_eq!(
        judge(&*plus(true), &slow(reset, spin), &pool).tests["base"],
        "P"
    );
    assert_eq!(
        judge(&*plus(true), &slow("pass", spin), &pool).tests["base"],
        "A"
    );
}

#[test]
fn answers_that_are_too_long_or_forged_fail_at_their_input() {
    let pool = pool();
    let write = |data: &str| {
        format!(
            "import os\ndef f(x):\n    for number in range(3, 64):\n        try:\n            \
             while True: os.write(number, {data})\n        except OSError: pass\n    return x + 1\n"
        )
    };
    for (solution, letter) in [
        (returning("'x' * 2**22 if x == 3 else x + 1"), "A"),
        (returning("[0] * 2**20 if x == 3 else x + 1"), "A"),
        (returning("x + 1 if x < 3 else x"), "A"),
        (returning("x + 1 if x < 3 else float(x)"), "A"),
        (returning("x + 1 if x != 3 else 1 // 0"), "A"),
    ] {
        let judgement = judge(&*plus(false), &solution, &pool);
        assert_eq!(judgement.tests["base"], letter, "{solution}: {judgement:?}");
        assert_eq!(
            judgement.failed_inputs["base"], 2,
            "{solution}: {judgement:?}"
        );
    }
    // The header of a gigabyte, and of nothing that is known.
    for data in ["b'V\\0\\0\\0\\x40' + b'x' * 4096", "b'Q' * 4096"] {
        let judgement = judge(&*plus(false), &write(data), &pool);
        assert!(!judgement.passed, "{judgement:?}");
    }
    // The right answers in another type.
    assert!(judge(&*plus(false), &returning("float(x + 1)"), &pool).passed);
}
