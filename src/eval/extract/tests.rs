//! Solutions as models write them, and the programs that remain of them.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    answer,
    builtins::{NAMES, is_builtin},
    function, function_name, split_future, tried,
};
use crate::{
    eval::tests::fixture::pool,
    sandbox::{Pool, Program, Verdict},
    syntax::bound_names,
};

/// Statements before `def run(x): return x + STEP`, which returns `x + 1` only if all that is needed of them is kept.
const SET_UPS: &[&str] = &[
    "STEP = 1",
    "STEP: int = 1",
    "STEP = 0\nSTEP += 1",
    "[STEP, B] = [1, 2]",
    "(A, (STEP, *B)) = 0, (1, 2, 3)",
    "A = STEP = 1",
    "import sys\nif sys.version_info >= (3, 0):\n    STEP = 1\nelse:\n    STEP = 2",
    "try:\n    from math import no_such_name as STEP\nexcept ImportError:\n    STEP = 1",
    "try:\n    STEP = int('x')\nexcept ValueError as error:\n    STEP = len(error.args)\nfinally:\n    pass",
    "for STEP in range(2):\n    pass",
    "STEP = 5\nwhile STEP > 1:\n    STEP -= 1",
    "import contextlib\nwith contextlib.suppress(ValueError):\n    STEP = 1",
    "import io\nwith io.StringIO('1') as file:\n    STEP = int(file.read())",
    "match [1, 2]:\n    case [STEP, *_]:\n        pass",
    "assert (STEP := 1)",
    "print(STEP := 1)",
    "A = [STEP := 1]",
    "B = [(STEP := number) for number in [1]]",
    "if (STEP := 1) > 0:\n    pass",
    "def set_up():\n    global STEP\n    STEP = 1\nset_up()",
    "def set_up():\n    inner()\ndef inner():\n    global STEP\n    STEP = 1\nset_up()",
    "STEP = 2\ndel STEP\nfrom builtins import len as _len\nSTEP = _len('a')",
    "import builtins as b, sys\nSTEP = b.len('a')",
    "globals()['STEP'] = 1",
    "globals().update(STEP=1)",
    "exec('STEP = 1')",
    "class STEP_OF:\n    value = 0\nSTEP_OF.value = 1\nSTEP = STEP_OF.value",
    "from functools import reduce\nSTEP = reduce(lambda a, b: a * b, [1, 1])",
    "STEP = (lambda n=1: n)()",
    "A = 1\ndef of(a=A):\n    return a\nSTEP = of()",
];

/// Statements before `def run(x): return x + T['s']`, where `T` is filled in place.
const TABLES: &[&str] = &[
    "T = {}\nT['s'] = 1",
    "T = {'s': 0}\nT['s'] += 1",
    "T = {}\nT.update(s=1)",
    "T = dict()\nfor key in 'rs':\n    T[key] = 1",
    "T = {}\n[T.setdefault(key, 1) for key in 'rs']",
    "T = {}\n_ = T.setdefault('s', 1)",
    "T = {}\ndef fill(table):\n    table['s'] = 1\nfill(T)",
    "T = {}\ndef fill():\n    T['s'] = 1\nfill()",
    "T = {}\ndef fill():\n    T['s'] = 1\nis_full = fill() is None",
    "T = {}\nalias = T\nalias['s'] = 1",
    "T = alias = {}\nalias['s'] = 1",
    "T = {'s': [0]}\nfor row in T.values():\n    row[0] += 1\nT['s'] = T['s'][0]",
    "T = {'s': 1, 'x': 2}\ndel T['x']\nassert len(T) == 1",
    "T = {}\nsetattr(T, '__doc__', 1) if False else T.update(s=1)",
    "T = {}\nclass Keep:\n    def __init__(self):\n        T['s'] = 1\nKeep()",
    "T = {}\ndef register(function):\n    T[function.__name__] = 1\n    return function\n@register\ndef s():\n    pass",
    "class Table(dict):\n    pass\nT = Table()\nT.s = 1\nT['s'] = T.s",
    "import operator\nT = {}\noperator.setitem(T, 's', 1)",
    "T = {}\nif not T:\n    T['s'] = 1",
    "T = {}\ntry:\n    T['s']\nexcept KeyError:\n    T['s'] = 1",
];

/// Whole solutions with `run`.
const WHOLE: &[&str] = &[
    "from __future__ import annotations\n\ndef run(x: Later) -> Later:\n    return x + 1",
    "\"\"\"A module.\"\"\"\nfrom __future__ import annotations\nimport math\ndef run(x):\n    return x + 1",
    "run = lambda x: x + 1",
    "import functools\ndef inc(x):\n    return x + 1\nrun = functools.partial(inc)",
    "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def g(x):\n        return f(x)\n    return g\n@deco\ndef run(x):\n    return x + 1",
    "def run(x):\n    return x\n\ndef run(x):\n    return x + 1",
    "def run(x):\n    return x + run.step\nrun.step = 1",
    "def run(x):\n    return x + run.step\nsetattr(run, 'step', 1)",
    "class Solution:\n    def go(self, x):\n        return x + 1\nrun = Solution().go",
    "from typing import TypeVar\nT = TypeVar('T')\ndef run(x: T) -> T:\n    return x + 1",
    "import sys\nsys.setrecursionlimit(5000)\ndef run(x):\n    return deep(1500) - 1500 + x + 1\ndef deep(n):\n    return n and 1 + deep(n - 1)",
    "from sys import setrecursionlimit\nsetrecursionlimit(5000)\ndef run(x, n=1500):\n    return x + 1 if n == 0 else run(x, n - 1)",
    "from decimal import Decimal, getcontext\ngetcontext().prec = 2\ndef run(x):\n    return 2 if str(Decimal(1) / 3) == '0.33' else 0",
    "import random\nrandom.seed(1)\nfirst = random.random()\nrandom.seed(1)\ndef run(x):\n    return 2 if random.random() == first else 0",
    "memo = {}\ndef run(x):\n    if x not in memo:\n        memo[x] = x + 1\n    return memo[x]\nrun(5)",
    "def numbers(x):\n    yield x + 1\ndef run(x):\n    return next(numbers(x))",
    "def run(x):\n    match x:\n        case int():\n            return x + 1",
    "x = 3; y = 1\ndef run(x): return x + y",
    "def outer():\n    count = 0\n    def inner(x):\n        nonlocal count\n        count += 1\n        return x + count\n    return inner\nrun = outer()",
    "from dataclasses import dataclass, field\n@dataclass\nclass P:\n    x: int = 1\ndef run(x):\n    return P().x + x",
    "from enum import Enum\nclass E(Enum):\n    ONE = 1\ndef run(x):\n    return x + E.ONE.value",
    "ONE = 1\nclass C:\n    step = ONE\ndef run(x):\n    return x + C.step",
    "class B:\n    subs = []\n    def __init_subclass__(cls):\n        B.subs.append(cls)\nclass A(B):\n    n = 1\ndef run(x):\n    return x + B.subs[0].n",
    "class B:\n    pass\nclass A(B):\n    \"\"\"It's \\n '''here'''.\"\"\"\n    n = 1\ndef run(x):\n    assert len(B.__subclasses__()[0].__doc__) == 18\n    return x + B.__subclasses__()[0].n",
    "class M(type):\n    made = {}\n    def __new__(m, n, b, d):\n        c = super().__new__(m, n, b, d)\n        M.made[n] = c\n        return c\nclass P(metaclass=M):\n    n = 1\ndef run(x):\n    return x + M.made['P'].n",
    "from functools import lru_cache\n@lru_cache(None)\ndef fib(n):\n    return n if n < 2 else fib(n-1) + fib(n-2)\nfor i in range(0, 3000, 100):\n    fib(i)\ndef run(x):\n    fib(3000)\n    return x + 1",
    "from functools import lru_cache\n@lru_cache(None)\ndef fib(n):\n    return n if n < 2 else fib(n-1) + fib(n-2)\ni = 0\nwhile i < 3000:\n    fib(i)\n    i += 100\ndef run(x):\n    fib(3000)\n    return x + 1",
    "def g():\n    n = 0\n    while True:\n        n = yield n\nG = g()\nnext(G)\ndef run(x):\n    return G.send(x + 1)",
    "H = [3, 1, 2]\nlist.sort(H)\ndef run(x):\n    return x + H[0]",
    "class Q:\n    items = []\n    def add(self, v):\n        Q.items.append(v)\n        return self\nQ().add(1).add(2)\ndef run(x):\n    return x + Q.items[0]",
    "import threading\nT = []\nt = threading.Thread(target=lambda: T.append(1))\nt.start()\nt.join()\ndef run(x):\n    return x + T[0]",
    "import asyncio\nT = []\nasync def fill():\n    T.append(1)\nasyncio.run(fill())\ndef run(x):\n    return x + T[0]",
    "from concurrent.futures import ThreadPoolExecutor\nT = []\nwith ThreadPoolExecutor() as pool:\n    pool.submit(T.append, 1)\ndef run(x):\n    return x + T[0]",
    "T = {}\n(lambda: T.update(a=1))()\ndef run(x):\n    return x + T['a']",
    "T = {}\nlist(map(lambda k: T.update({k: 1}), 'ab'))\ndef run(x):\n    return x + T['a']",
    "import builtins\nbuiltins.K = 1\ndef run(x):\n    return x + K",
    "if __name__ == '__main__':\n    K = 2\nelse:\n    K = 1\ndef run(x):\n    return x + K",
    "if __name__ == '__main__' or True:\n    def run(x):\n        return x + 1",
    "if __name__ != '__main__':\n    K = 1\ndef run(x):\n    return x + K",
    "def helper(x):\n    return x + 1\ndef run(x):\n    return globals()['hel' + 'per'](x)",
    "STEP_1 = 1\ndef run(x):\n    return x + eval('STEP_' + str(x))",
    "T = [1, 2]\nprint(T.pop(0))\ndef run(x):\n    return x + T[0] - 1",
    "T = []\nassert T.append(1) is None\ndef run(x):\n    return x + T[0]",
    "'One.'\ndef run(x):\n    return x + len(__doc__) - 3",
];

/// Solutions that recurse too deeply unless [`FILL`] runs.
const REMEMBERING: &[&str] = &[
    "from functools import lru_cache\n@lru_cache(None)\ndef run(x):\n    return 2 if x >= 3000 else run(x + 1)",
    "from functools import lru_cache\n@lru_cache(None)\ndef go(x):\n    return 2 if x >= 3000 else go(x + 1)\ndef run(x):\n    return go(x)",
    "from functools import lru_cache\ndef go(x):\n    return 2 if x >= 3000 else run(x + 1)\nrun = lru_cache(None)(go)",
    "from functools import lru_cache\nrun = lru_cache(None)(lambda x: 2 if x >= 3000 else run(x + 1))",
    "def run(x, memo={}):\n    if x not in memo:\n        memo[x] = 2 if x >= 3000 else run(x + 1)\n    return memo[x]",
    "def run(x):\n    if x not in run.memo:\n        run.memo[x] = 2 if x >= 3000 else run(x + 1)\n    return run.memo[x]\nrun.memo = {}",
    "memo = {}\ndef run(x):\n    if x not in memo:\n        memo[x] = 2 if x >= 3000 else run(x + 1)\n    return memo[x]",
    "memo = {}\ndef run(x):\n    if x not in memo:\n        memo.update({x: 2 if x >= 3000 else run(x + 1)})\n    return memo[x]",
    "class S:\n    def __init__(self):\n        self.memo = {}\n    def go(self, x):\n        if x not in self.memo:\n            self.memo[x] = 2 if x >= 3000 else self.go(x + 1)\n        return self.memo[x]\ns = S()\ndef run(x):\n    return s.go(x)",
    "memo = {}\ndef go(x, known):\n    if x not in known:\n        known[x] = 2 if x >= 3000 else go(x + 1, known)\n    return known[x]\ndef run(x):\n    return go(x, memo)",
    "class S:\n    memo = {}\n    def go(self, x):\n        if x not in self.memo:\n            self.memo[x] = 2 if x >= 3000 else self.go(x + 1)\n        return self.memo[x]\ndef run(x):\n    return S().go(x)",
];

const FILL: &str = "for i in range(2900, 0, -100):\n    run(i)";

/// Lines after a solution that would fail, wait or end the program if they ran.
const EXAMPLES: &[&str] = &[
    "print(run(1))",
    "print(1 / 0)",
    "assert run(1) == 3",
    "assert run(1) == 3, 'wrong'",
    "result = run('a')",
    "run('a')",
    "for x in ['a']:\n    print(run(x))",
    "if __name__ == '__main__':\n    run('a')",
    "if '__main__' == __name__:\n    import no_such_module",
    "def main():\n    run('a')\nmain()",
    "def test_run():\n    assert run(1) == 3\ntest_run()",
    "x = int(input())\nprint(run(x))",
    "n = input('n: ')",
    "input()",
    "import sys\nsys.exit(run(1))",
    "import sys\nsys.stdout.write(str(run('a')))",
    "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        assert run(1) == 3\nunittest.main()",
    "import doctest\ndoctest.testmod()",
    "import time\ntime.sleep(60)",
    "raise SystemExit",
    "while True:\n    pass",
    "undefined_name",
    "from pprint import pprint\npprint(run('a'))",
    "import timeit\ntimeit.timeit(lambda: run('a'))",
    "with open('no such file') as file:\n    data = file.read()",
    "try:\n    print(run('a'))\nfinally:\n    1 / 0",
    "data = [0] * 10 ** 12\nprint(run(data))",
    "data = no_such_name()\nfor x in data:\n    print(x, run(x))",
    "class Test(no_such_class):\n    pass",
    "return 5",
    "await run(1)",
    "type N = int",
    "x = 1\nclass Broken:\n    break",
    "import os\nos._exit(1)",
    "from time import sleep\ndef wait():\n    sleep(60)\nwait()",
    "while True:\n    try:\n        n = input()\n    except EOFError:\n        continue",
    "def ask():\n    return input()\nwhile not ask.__doc__:\n    try:\n        ask()\n    except EOFError:\n        pass",
    "import threading\nt = threading.Thread(target=run, args=('a',))\nt.start()\nt.join()",
    "for x in 'ab':\n    run(x)",
    "if __name__ == '__main__':\n    run('a')\nelse:\n    run('b')",
    "import sys\nfor line in sys.stdin:\n    print(run(int(line)))",
    "for _ in range(10 ** 9):\n    run(1)",
    "import time\nstart = time.time()\nfor _ in range(10 ** 9):\n    run(5)\nprint(time.time() - start)",
    "import no_such_module",
    "from no_such_module import *",
    "import no_such_module as plt\nplt.plot([1], [run(1)])",
    "import no_such_module\nno_such_module.set_up()\nprint(run(1))",
    "import no_such_module\nno_such_module.options['a'] = 1\nprint(run(1))",
];

/// Runs a program that asserts something of `run`.
fn run(pool: &Pool, source: String) -> Verdict {
    let timeout = Duration::from_secs(10);
    pool.run(&Program {
        source,
        timeout,
        seed: 0,
    })
    .unwrap()
}

/// The program that remains of a solution in an answer, with a test.
fn tested(solution: &str) -> String {
    let text = format!("Here it is:\n```python\n{solution}\n```\nDone.");
    let program = function(&text, "run", "");
    format!("{}\nassert run(1) == 2", program.unwrap_or_default())
}

/// Oracle: CPython, which runs what remains.
#[test]
fn what_a_solution_needs_is_kept() {
    let pool = pool();
    let step = SET_UPS
        .iter()
        .map(|set_up| format!("{set_up}\n\ndef run(x):\n    return x + STEP"));
    let late = SET_UPS
        .iter()
        .map(|set_up| format!("def run(x):\n    return x + STEP\n\n{set_up}"));
    let table = TABLES
        .iter()
        .map(|fill| format!("{fill}\n\ndef run(x):\n    return x + T['s']"));
    let whole = WHOLE.iter().map(|whole| (*whole).to_owned());
    let remembering = REMEMBERING.iter().map(|whole| format!("{whole}\n{FILL}"));
    let all = step.chain(late).chain(table).chain(whole);
    let all = all.chain(remembering);
    let failed: Vec<_> = all
        .map(|solution| (run(&pool, tested(&solution)), tested(&solution), solution))
        .filter(|(verdict, ..)| !verdict.is_pass())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Oracle: CPython, which runs what remains.
#[test]
fn examples_of_its_use_do_not_run() {
    let pool = pool();
    let solution =
        "import math\n\ndef helper(x):\n    return x + 1\n\ndef run(x):\n    return helper(x)";
    let failed: Vec<_> = EXAMPLES
        .iter()
        .map(|example| tested(&format!("{solution}\n\n{example}")))
        .chain(
            EXAMPLES
                .iter()
                .map(|example| tested(&format!("def run(x):\n    return x + 1\n{example}"))),
        )
        .map(|program| (run(&pool, program.clone()), program))
        .filter(|(verdict, _)| !verdict.is_pass())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn of_a_chat_answer_the_function_and_what_it_uses_remain() {
    let text = "Here it is:\n```python\nimport math\nLIMIT = 3\n\ndef helper(x):\n    \
                return x + LIMIT\n\ndef f(x):\n    return helper(x)\n\ndef unused(): pass\n\
                print(f(1))\nassert f(1) == 5\nn = 7\n```\nDone.";
    let program = function(text, "f", "def f(x):\n").unwrap();
    assert_eq!(
        program,
        format!(
            "{}\n\nLIMIT = 3\n\ndef helper(x):\n    return x + LIMIT\n\n\
             def f(x):\n    return helper(x)\n\n{}\n\n{}\n",
            tried("import math"),
            tried("def unused(): pass"),
            tried("n = 7")
        )
    );
}

#[test]
fn a_parameter_is_no_global_name() {
    let text = "```python\nn = 5\nprint(n)\ndef f(n):\n    return [m for m in n]\nm = 1 / 0\nprint(m)\n```";
    let program = function(text, "f", "").unwrap();
    assert_eq!(program, "def f(n):\n    return [m for m in n]\n");
}

#[test]
fn prose_around_the_function_is_removed() {
    let text = "Sure, I can do it.\ndef f(x):\n    return x\nThis works well, since";
    assert_eq!(
        function(text, "f", "").unwrap(),
        "def f(x):\n    return x\n"
    );
}

#[test]
fn an_answer_that_continues_the_prompt_is_appended_to_it() {
    for text in [
        "    return x\nThat was",
        "```python\n    return x\n```",
        "x</think><answer>\n    return x\n</answer>",
    ] {
        let program = function(text, "f", "def f(x):\n").unwrap();
        assert_eq!(
            program.replace("\n\n", "\n"),
            "def f(x):\n    return x\n",
            "{text}"
        );
    }
}

#[test]
fn a_truncated_answer_keeps_what_is_whole() {
    let text = "```python\ndef f(x):\n    return x\n\ndef g(y):\n    return y +";
    assert_eq!(
        function(text, "f", "").unwrap(),
        "def f(x):\n    return x\n"
    );
    assert_eq!(function("I do not know f.", "f", "def f(x):\n"), None);
}

#[test]
fn imports_may_have_a_fence_of_their_own() {
    let future = "from __future__ import annotations\n\n";
    for (first, before) in [
        ("import math", ""),
        ("import math\nimport os", ""),
        ("import math, os", ""),
        ("import math", future),
        ("import math", "'It floors.'\n\n"),
    ] {
        let code = "def f(x):\n    return math.floor(x)";
        let text = format!(
            "```python\n{first}\n```\nthen\n```python\n{before}{code}\n```\n```python\nimport f\n```"
        );
        let program = function(&text, "f", "").unwrap();
        let import = tried("import math");
        assert_eq!(program, format!("{before}{import}\n\n{code}\n"));
    }
}

/// The first fence of an answer, a solution, and the last fence. Oracle: CPython, which runs the program.
#[test]
fn imports_of_other_fences_change_nothing_that_a_solution_has() {
    let cases = [
        // Python's own names.
        (
            "",
            "def run(x):\n    return pow(x, 3, 7) + 1",
            "from math import pow",
        ),
        (
            "",
            "def run(x):\n    return next(open(0), x) + 1",
            "from os import open",
        ),
        (
            "from os import open, sep",
            "def run(x):\n    return len(sep) + next(open(0), x)",
            "",
        ),
        // The first import of a name counts.
        (
            "from cmath import sqrt",
            "def run(x):\n    return sqrt(-x).imag + 1",
            "from math import sqrt",
        ),
        // Parts of one package.
        (
            "import xml.dom\nimport xml.etree.ElementTree",
            "def run(x):\n    return len(xml.etree.ElementTree.fromstring('<a><b/></a>')) + x",
            "import xml.sax",
        ),
        // A module that is not there, for a name that a text has.
        (
            "import no_such_module as key",
            "def run(x):\n    return {'key': x + 1}['key']",
            "",
        ),
        // What must be first stays first.
        (
            "from math import floor",
            "'One.'\nfrom __future__ import annotations\ndef run(x: Later):\n    return floor(x) + len(__doc__) - 3",
            "",
        ),
    ];
    let pool = pool();
    for (first, solution, last) in cases {
        let fences = [first, solution, last].map(|code| format!("```python\n{code}\n```\n"));
        let program = function(&fences.concat(), "run", "").unwrap();
        let verdict = run(&pool, format!("{program}\nassert run(1) == 2"));
        assert!(verdict.is_pass(), "{verdict:?}: {program}");
    }
}

/// Oracle: CPython's own list.
#[test]
fn the_names_that_python_has_are_known() {
    let verdict = run(
        &pool(),
        format!(
            "import builtins\nunknown = {{*dir(builtins)}} - {{'_', *{NAMES:?}}}\nassert not unknown, unknown"
        ),
    );
    assert!(verdict.is_pass(), "{verdict:?}");
    assert!(!is_builtin("math"));
}

#[test]
fn the_arena_runs_the_whole_code() {
    let text = "```python\nimport math\nx = f(1)\n\ndef f(x): pass\n```";
    assert_eq!(
        answer(text, "f").unwrap(),
        "import math\nx = f(1)\n\ndef f(x): pass"
    );
    for (text, expected) in [
        ("```\nx = 1\n```", Some("x = 1")),
        ("```python\nx = 1\ny = 2", Some("x = 1\ny = 2")),
        ("x = 1\n", Some("x = 1")),
        ("I do not know.", None),
        ("", None),
        ("```python\n```", None),
        ("```bash\nls\n```", None),
    ] {
        assert_eq!(answer(text, "f").as_deref(), expected, "{text}");
    }
}

#[test]
fn a_signature_names_its_function() {
    for signature in [
        "def run(x):",
        "def run (x: int) -> str:",
        "async def run(x)",
        "run(x)",
        "  def run(\n x):",
    ] {
        assert_eq!(function_name(signature), "run", "{signature}");
    }
}

#[test]
fn future_imports_are_split_off() {
    let program =
        "'''Doc from __future__ import x'''\nfrom __future__ import (\n    annotations)\nx = 1\n";
    let (future, rest) = split_future(program);
    assert_eq!(future, "from __future__ import (\n    annotations)");
    assert_eq!(rest, "'''Doc from __future__ import x'''\npass\nx = 1\n");
    assert_eq!(split_future("x = 1"), (String::new(), "x = 1".into()));
    assert_eq!(
        split_future("__future__ ("),
        (String::new(), "__future__ (".into())
    );
}

/// What the reader looks for.
const PIECES: &[&str] = &[
    "```python\n",
    "```\n",
    "\n```",
    "~~~py\n",
    "~~~",
    "<answer>",
    "</answer>",
    "</think>",
    "def f(x):\n",
    "f",
    "= 1\n",
    "    return x\n",
    "T = {}\n",
    "T['a'] = 1\n",
    "for i in T:\n    f(i)\n",
    "@f\n",
    "class f:\n",
    "    ",
    "\t",
    "\n",
    "\r\n",
    "lambda f: (f := 1)",
    "[f for f in T]\n",
    "import f\n",
    "global f\n",
    "del f\n",
    "try:\n",
    "except f as T:\n",
    "> ",
    "- ",
    "match f:\n    case {**f}:\n        pass\n",
    "é",
    "\0",
    "\u{feff}",
    "'",
    "# ",
    "f.f(f, *f)\n",
    "print(f)\n",
    "if f:\n",
    "```markdown\n",
];

/// Answers that are dense in what the reader looks for.
fn answers() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_answer_panics_and_a_program_defines_its_function(text in answers()) {
        if let Some(program) = function(&text, "f", "def f(x):\n") {
            prop_assert!(bound_names(&program).unwrap().contains("f"), "{program}");
        }
        if let Some(code) = answer(&text, "f") {
            prop_assert!(!code.trim().is_empty());
        }
    }
}
