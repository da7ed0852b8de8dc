//! `HumanEval`: complete a function; its tests are one `check` function (arXiv:2107.03374).

mod cache;
mod outside;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Benchmark, Options, Task, row_of, seed_of};
use crate::{
    data::{HumanEvalTask, read_human_eval},
    eval::{EvalError, Judgement, extract},
    sandbox::{Pool, Program, PythonError, Verdict},
};
use outside::Recording;

/// The time limit of the original harness.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct HumanEval {
    name: &'static str,
    tasks: Vec<Task>,
    rows: Vec<Row>,
    timeout: Duration,
    is_in_process: bool,
}

#[derive(Debug)]
struct Row {
    task: HumanEvalTask,
    recording: Mutex<Option<Known>>,
}

/// What a first run of a task's tests has shown: the calls that they make, or nothing if they must run in the solution's
/// process.
type Known = Option<Arc<Recording>>;

/// Opens a file of `HumanEval`, or a file of `HumanEval+` to run its original tests.
pub(super) fn open(
    name: &'static str,
    path: &Path,
    options: &Options,
) -> Result<Box<dyn Benchmark>, EvalError> {
    let rows = read_human_eval(path).map_err(|source| EvalError::Data {
        benchmark: name.to_owned(),
        source,
    })?;
    let tasks = tasks(&rows);
    let rows = rows.into_iter().map(|task| Row {
        task,
        recording: Mutex::new(None),
    });
    Ok(Box::new(HumanEval {
        name,
        tasks,
        rows: rows.collect(),
        timeout: options.timeout.unwrap_or(TIMEOUT),
        is_in_process: options.is_in_process,
    }))
}

/// The tasks of some rows.
pub(super) fn tasks(rows: &[HumanEvalTask]) -> Vec<Task> {
    rows.iter()
        .map(|row| Task {
            id: row.task_id.clone(),
            group: None,
            kind: None,
            fields: row.prompt_fields(),
        })
        .collect()
}

impl Benchmark for HumanEval {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn extract(&self, task: &Task, answer: &str) -> Option<String> {
        let row = &row_of(&self.tasks, &self.rows, task).ok()?.task;
        extract::function(answer, &row.entry_point, &row.prompt)
    }

    fn complete(&self, task: &Task, completion: &str) -> String {
        let prompt = row_of(&self.tasks, &self.rows, task).map_or("", |row| &row.task.prompt);
        format!("{prompt}{completion}")
    }

    fn reference(&self, task: &Task) -> Option<String> {
        let row = &row_of(&self.tasks, &self.rows, task).ok()?.task;
        Some(format!("{}{}", row.prompt, row.canonical_solution))
    }

    fn harness(&self) -> &'static str {
        if self.is_in_process {
            ""
        } else {
            outside::HARNESS
        }
    }

    fn judge(&self, task: &Task, solution: &str, pool: &Pool) -> Result<Judgement, EvalError> {
        let row = row_of(&self.tasks, &self.rows, task)?;
        let verdict = self.run(row, solution, pool);
        let verdict = verdict.map_err(|source| EvalError::Judge {
            task: task.id.clone(),
            source,
        })?;
        Ok(Judgement::of_tests("tests", &[verdict]))
    }
}

impl HumanEval {
    fn run(&self, row: &Row, solution: &str, pool: &Pool) -> Result<Verdict, PythonError> {
        let recording = if self.is_in_process {
            None
        } else {
            row.recording(pool)?
        };
        match recording {
            Some(recording) => {
                outside::run_tests(&row.task, solution, &recording, self.timeout, pool)
            }
            None => pool.run(&self.program(&row.task, solution)),
        }
    }

    /// The program of the original harness.
    fn program(&self, task: &HumanEvalTask, solution: &str) -> Program {
        Program {
            source: format!("{solution}\n{}\ncheck({})", task.test, task.entry_point),
            timeout: self.timeout,
            seed: seed_of(&task.task_id),
        }
    }
}

impl Row {
    /// The calls of its tests.
    fn recording(&self, pool: &Pool) -> Result<Known, PythonError> {
        // Not locked while Python runs: two workers with the same task may both record its calls, with the same result.
        if let Some(known) = &*self.known() {
            return Ok(known.clone());
        }
        let recording = outside::record(&self.task, pool)?;
        *self.known() = Some(recording.clone());
        Ok(recording)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::eval::tests::fixture::pool;

    /// Tests of a function that counts a list. They draw lists at random, and later calls depend on
    /// earlier answers.
    const TEST: &str = "
def check(candidate):
    import random
    assert candidate([]) == 0
    values = [random.random() for _ in range(random.randint(1, 9))]
    assert candidate(values) == len(values)
    assert count([1] * (candidate([7, 7]) + 1)) == 3
    assert candidate(values=(1, 2)) == helper()
";

    fn benchmark(is_in_process: bool) -> Box<dyn Benchmark> {
        benchmark_of(TEST, "len(values)", is_in_process)
    }

    fn benchmark_of(test: &str, result: &str, is_in_process: bool) -> Box<dyn Benchmark> {
        let row = json!({
            "task_id": "T/0", "entry_point": "count", "test": test,
            "prompt": "def helper():\n    return 2\n\ndef count(values):\n",
            "canonical_solution": format!("    return {result}\n"),
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), row.to_string()).unwrap();
        let options = Options {
            is_in_process,
            timeout: Some(Duration::from_secs(3)),
            ..Options::default()
        };
        open("humaneval", file.path(), &options).unwrap()
    }

    const PREFIX: &str = "def helper():\n    return 2\n";

    #[test]
    fn honest_solutions_end_as_in_one_interpreter() {
        let pool = pool();
        let cases = [
            ("def count(values):\n    return len(values)", "pass"),
            // An instance of a subclass of a plain type counts as it does in one interpreter.
            (
                "class N(int): pass\ndef count(values):\n    return N(len(values))",
                "pass",
            ),
            (
                "def count(values):\n    return len(values) + 1",
                "assertion",
            ),
            // Wrong in the middle: the next call then has a list of another length.
            (
                "def count(values):\n    return 5 if values == [7, 7] else len(values)",
                "assertion",
            ),
            ("def count(values):\n    return 1 // 0", "error"),
            ("def count(other):\n    return len(other)", "error"),
            ("x = 1", "error"),
            ("def count(values):\n    import os; os._exit(0)", "died"),
        ];
        for (solution, expected) in cases {
            let solution = format!("{PREFIX}{solution}\n");
            for is_in_process in [false, true] {
                let benchmark = benchmark(is_in_process);
                let judgement = benchmark.judge(&benchmark.tasks()[0], &solution, &pool);
                let verdict = judgement.unwrap().verdict;
                assert_eq!(
                    verdict.name(),
                    expected,
                    "in process: {is_in_process}: {solution}"
                );
            }
        }
    }

    /// Tests that make a tuple of each answer, as those of two tasks do, and keep one answer for later.
    const TUPLES: &str = "
def check(candidate):
    assert tuple(candidate([3, 1])) == (1, 3)
    assert tuple(candidate([3, 2, 1])) == tuple(count([2, 3, 1]))
";
    const LATER: &str = "
def check(candidate):
    first = candidate([1])
    assert tuple(candidate([2])) == (2,)
    assert tuple(first) == (1,)
";
    const TWICE: &str = "
def check(candidate):
    first = candidate([1])
    assert tuple(first) == (1,)
    assert tuple(first) == (1,)
";

    /// The verdicts outside of the solution's process and within it. Oracle: `check` in one interpreter.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn an_object_without_a_plain_value_has_its_items() {
        let pool = pool();
        let def = "def count(values):\n    ";
        let cases = [
            (TUPLES, "return sorted(values)", [true, true]),
            (TUPLES, "yield from sorted(values)", [true, true]),
            (TUPLES, "return map(int, sorted(values))", [true, true]),
            (
                TUPLES,
                "import collections\n    return collections.deque(sorted(values))",
                [true, true],
            ),
            (
                TUPLES,
                "import collections\n    return collections.UserList(sorted(values))",
                [true, true],
            ),
            (
                TUPLES,
                "import array\n    return array.array('l', sorted(values))",
                [true, true],
            ),
            (TUPLES, "yield from values", [false, false]),
            (
                TUPLES,
                "yield from sorted(values)\n    raise ValueError",
                [false, false],
            ),
            (
                TUPLES,
                "yield from sorted(values)\n    yield len",
                [false, false],
            ),
            (
                TUPLES,
                "import itertools\n    return itertools.repeat(1)",
                [false, false],
            ),
            (
                TUPLES,
                "while True:\n        yield 'a' * 10 ** 6",
                [false, false],
            ),
            (
                TUPLES,
                "class E:\n        def __eq__(self, other): return True\n    return iter([E() for _ in values])",
                [false, true],
            ),
            (
                TUPLES,
                "class C:\n        n = 0\n        def __iter__(self):\n            C.n += 1\n            return iter(sorted(values) if C.n > 1 else [])\n    return C()",
                [false, false],
            ),
            (
                TUPLES,
                "class C:\n        def __len__(self): return 1 // 0\n        def __iter__(self): return iter(sorted(values))\n    return C()",
                [false, false],
            ),
            // Which items it has may depend on when they are asked for.
            (LATER, "yield from values", [false, true]),
            (LATER, "return values", [true, true]),
            (
                LATER,
                "global last\n    last = values\n    return (value for i in [0] for value in last)",
                [false, false],
            ),
            // An iterator has its items once.
            (TWICE, "yield from values", [false, false]),
            (TWICE, "return tuple(values)", [true, true]),
            (
                "def check(candidate):\n    assert candidate([1]) == [1]",
                "yield from values",
                [false, false],
            ),
            (
                "def check(candidate):\n    assert 1 in candidate([1])",
                "class C:\n        def __contains__(self, other): return False\n        def __iter__(self): return iter([1])\n    return C()",
                [false, false],
            ),
            (
                "def check(candidate):\n    assert candidate([1]) is not None",
                "class C:\n        def __getattr__(self, name): return 1 // 0\n    return C()",
                [true, true],
            ),
            (
                "def check(candidate):\n    assert dict(candidate([1])) == {1: 2}",
                "class C:\n        def keys(self): return []\n        def __iter__(self): return iter([(1, 2)])\n    return C()",
                [false, false],
            ),
        ];
        for (test, body, expected) in cases {
            let solution = format!("{PREFIX}{def}{body}\n");
            let passed = [false, true].map(|is_in_process| {
                let benchmark = benchmark_of(test, "sorted(values)", is_in_process);
                let judgement = benchmark.judge(&benchmark.tasks()[0], &solution, &pool);
                judgement.unwrap().passed
            });
            assert_eq!(passed, expected, "outside, in process: {test}{solution}");
        }
    }

    #[test]
    fn results_forged_within_an_interpreter_pass_in_process_only() {
        let pool = pool();
        let cases = [
            "class E:\n    def __eq__(s, o): return True\n    def __add__(s, o): return 2\n\
             def count(values):\n    return E()",
            "class E(int):\n    def __eq__(s, o): return True\n    def __add__(s, o): return 2\n\
             def count(values):\n    return 2 if values == [7, 7] else 3 if values == [1] * 3 else E(9)",
            // Redefines the helper that the tests use.
            "def helper():\n    return 9\ndef count(values):\n    return 9 if values == (1, 2) else len(values)",
        ];
        for solution in cases {
            let solution = format!("{PREFIX}{solution}\n");
            for is_in_process in [false, true] {
                let benchmark = benchmark(is_in_process);
                let judgement = benchmark
                    .judge(&benchmark.tasks()[0], &solution, &pool)
                    .unwrap();
                assert_eq!(judgement.passed, is_in_process, "{solution} {judgement:?}");
            }
        }
    }

    #[test]
    fn a_solution_that_answers_differently_each_time_fails_in_the_end() {
        let (pool, benchmark) = (pool(), benchmark(false));
        let solution = "import time\ndef count(values):\n    \
                        return time.monotonic_ns() if values == [7, 7] else len(values)";
        // A list of that many ones would be too long: the tests run out of memory or time at the latest.
        let solution = solution.replace("monotonic_ns()", "monotonic_ns() % 1000");

        let judgement = benchmark
            .judge(&benchmark.tasks()[0], &solution, &pool)
            .unwrap();

        assert!(!judgement.passed, "{judgement:?}");
    }
}
