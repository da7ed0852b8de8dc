//! `CodeUpdateArena`: use a function that has been changed since the model was trained
//! (arXiv:2407.06249).
//!
//! A program replaces the old function by the updated one, defines the solution and runs one unit test.
//! pass@k counts solutions whose tests all pass with the update, UPass@k only those of them that fail
//! without it. If a task has several updates, all of them are applied, and "without" leaves out one at
//! a time: UPass@k then counts solutions that need every update.

use std::{collections::BTreeMap, path::Path, time::Duration};

use ruff_python_ast::Stmt;
use ruff_python_parser::parse_module;

use super::{Benchmark, Options, Repairs, Task, row_of, seed_of};
use crate::{
    data::{ArenaTask, ArenaUpdate, read_code_update_arena},
    eval::{EvalError, Judgement, extract, judgement::letters},
    sandbox::{Pool, Program, PythonError, Verdict},
};

/// The benchmark's own time limit of a test.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(in crate::eval) struct CodeUpdateArena {
    name: &'static str,
    tasks: Vec<Task>,
    rows: Vec<Row>,
    timeout: Duration,
}

/// A task, and what is parsed from it when the file is read.
#[derive(Debug)]
pub(super) struct Row {
    task: ArenaTask,
    /// The statements that apply each update.
    enforce: Vec<String>,
    /// The name of each unit test.
    names: Vec<String>,
}

/// Opens a file of `CodeUpdateArena` in any of its formats.
pub(super) fn open(
    name: &'static str,
    path: &Path,
    options: &Options,
) -> Result<Box<dyn Benchmark>, EvalError> {
    let mut arena = read(name, path, options.repairs)?;
    arena.timeout = options.timeout.unwrap_or(TIMEOUT);
    Ok(Box::new(arena))
}

pub(in crate::eval) fn read(
    name: &'static str,
    path: &Path,
    repairs: Repairs,
) -> Result<CodeUpdateArena, EvalError> {
    let mut read = read_code_update_arena(path).map_err(|source| EvalError::Data {
        benchmark: name.to_owned(),
        source,
    })?;
    let mut rows = Vec::new();
    let mut reasons = repairs.apply(&mut read);
    for task in read {
        let id = task.task_id.clone();
        match Row::new(task) {
            Ok(row) => rows.push(row),
            Err(reason) => reasons.push(format!("{reason} in `{id}`")),
        }
    }
    if !reasons.is_empty() {
        return Err(EvalError::Tasks {
            path: path.to_path_buf(),
            reasons,
        });
    }
    let tasks = rows
        .iter()
        .map(|row| Task {
            id: row.task.task_id.clone(),
            group: row.single().map(|update| update.function_path.clone()),
            kind: row.single().map(|update| update.update_type.clone()),
            fields: row.task.prompt_fields(),
        })
        .collect();
    Ok(CodeUpdateArena {
        name,
        tasks,
        rows,
        timeout: TIMEOUT,
    })
}

impl Row {
    pub(super) fn new(task: ArenaTask) -> Result<Self, String> {
        let enforce = task.updates().map(enforce).collect::<Result<_, _>>()?;
        let names = task
            .unit_tests
            .iter()
            .map(|test| only_function(test))
            .collect::<Result<_, _>>();
        Ok(Self {
            names: names?,
            enforce,
            task,
        })
    }

    /// The solution in an answer, if there is one.
    pub(super) fn extract(&self, answer: &str) -> Option<String> {
        let wanted = extract::function_name(&self.task.solution_signature);
        extract::answer(answer, wanted)
    }

    /// The solution that the data set gives.
    pub(super) fn reference(&self) -> &str {
        &self.task.reference_solution
    }

    /// Its update, if it has only one.
    fn single(&self) -> Option<&ArenaUpdate> {
        let is_single = self.task.further_updates.is_empty();
        is_single.then_some(&self.task.update)
    }

    /// The program of one unit test, in which every update is applied except the one numbered `without`.
    fn program(&self, solution: &str, test: usize, without: Option<usize>) -> Option<String> {
        // Python wants these before everything else.
        let (future, solution) = extract::split_future(solution);
        let mut parts = vec![future.as_str(), self.task.imports.as_str()];
        for (position, (update, enforce)) in self.task.updates().zip(&self.enforce).enumerate() {
            parts.push(&update.implementation);
            if without != Some(position) {
                parts.push(enforce);
            }
        }
        let call = format!("{}()", self.names.get(test)?);
        parts.extend([&*solution, self.task.unit_tests.get(test)?, &call]);
        Some(parts.join("\n"))
    }
}

/// The statements that apply an update.
fn enforce(update: &ArenaUpdate) -> Result<String, String> {
    let path = &update.function_path;
    let (parent, old) = path
        .rsplit_once('.')
        .ok_or_else(|| format!("`{path}` is not a function in a package"))?;
    let new = || last_function(&update.implementation);
    match update.update_type.as_str() {
        "modify-function-name" => {
            let new = new()?;
            Ok(format!(
                "del {parent}.{old}\nsetattr({parent}, '{new}', {new})"
            ))
        }
        "add-function" => {
            let new = new()?;
            Ok(format!("setattr({parent}, '{new}', {new})"))
        }
        // Our own type: the benchmark has no such update.
        "modify-function-module" => {
            let module = module_of(&update.signature)?;
            Ok(format!(
                "del {parent}.{old}\nimport sys, types\n\
                 sys.modules['{module}'] = types.ModuleType('{module}')\n\
                 setattr(sys.modules['{module}'], '{old}', {old})"
            ))
        }
        kind if ["argument", "output", "function-semantics"]
            .iter()
            .any(|place| {
                kind.split_once('-')
                    .is_some_and(|(_, rest)| rest.starts_with(place))
            }) =>
        {
            Ok(format!("{path} = {old}"))
        }
        kind => Err(format!("unknown type of update `{kind}`")),
    }
}

/// The module in a call such as `module.function(x)`; its name has no dot.
fn module_of(signature: &str) -> Result<&str, String> {
    let path = signature.split('(').next().unwrap_or(signature);
    match path.rsplit_once('.') {
        Some((module, _)) if !module.contains('.') => Ok(module),
        _ => Err(format!("`{signature}` names no new module")),
    }
}

/// The functions that a text defines at its top level.
fn functions(source: &str) -> Result<Vec<String>, String> {
    let module = parse_module(source).map_err(|error| error.to_string())?;
    Ok(module
        .syntax()
        .body
        .iter()
        .filter_map(|statement| match statement {
            Stmt::FunctionDef(function) => Some(function.name.to_string()),
            _ => None,
        })
        .collect())
}

fn only_function(source: &str) -> Result<String, String> {
    match functions(source)?.as_slice() {
        [name] => Ok(name.clone()),
        names => Err(format!(
            "a unit test with {} functions, expected one,",
            names.len()
        )),
    }
}

/// The updated function, which may follow its helpers.
fn last_function(source: &str) -> Result<String, String> {
    functions(source)?
        .pop()
        .ok_or_else(|| "no function in `implementation`".to_owned())
}

#[cfg(test)]
impl CodeUpdateArena {
    /// How each test of a solution ends.
    pub(in crate::eval) fn letters(
        &self,
        task: &Task,
        solution: &str,
        with_update: bool,
        pool: &Pool,
    ) -> Result<String, EvalError> {
        let row = row_of(&self.tasks, &self.rows, task)?;
        let failed = |source| EvalError::Judge {
            task: task.id.clone(),
            source,
        };
        Ok(letters(
            &self
                .run(row, solution, (!with_update).then_some(0), pool)
                .map_err(failed)?,
        ))
    }

    /// All code of a task.
    pub(in crate::eval) fn text(&self, task: &Task) -> String {
        let row = row_of(&self.tasks, &self.rows, task).unwrap();
        let programs = (0..row.names.len())
            .filter_map(|test| row.program(&row.task.reference_solution, test, None));
        programs.collect()
    }
}

impl CodeUpdateArena {
    /// The tasks as the file has them.
    pub(super) fn sources(&self) -> impl Iterator<Item = &ArenaTask> {
        self.rows.iter().map(|row| &row.task)
    }

    /// Shows other tasks, which the caller judges row by row with this time limit.
    pub(super) fn replace_tasks(&mut self, tasks: Vec<Task>, timeout: Duration) {
        self.tasks = tasks;
        self.timeout = timeout;
    }

    pub(super) fn run(
        &self,
        row: &Row,
        solution: &str,
        without: Option<usize>,
        pool: &Pool,
    ) -> Result<Vec<Verdict>, PythonError> {
        (0..row.names.len())
            .filter_map(|test| row.program(solution, test, without))
            .map(|source| {
                pool.run(&Program {
                    source,
                    timeout: self.timeout,
                    seed: seed_of(&row.task.task_id),
                })
            })
            .collect()
    }
}

impl Benchmark for CodeUpdateArena {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn extract(&self, task: &Task, answer: &str) -> Option<String> {
        row_of(&self.tasks, &self.rows, task).ok()?.extract(answer)
    }

    fn reference(&self, task: &Task) -> Option<String> {
        let row = row_of(&self.tasks, &self.rows, task).ok()?;
        Some(row.reference().to_owned())
    }

    fn judge(&self, task: &Task, solution: &str, pool: &Pool) -> Result<Judgement, EvalError> {
        let row = row_of(&self.tasks, &self.rows, task)?;
        let failed = |source| EvalError::Judge {
            task: task.id.clone(),
            source,
        };
        let with = self.run(row, solution, None, pool).map_err(failed)?;
        let mut judgement = Judgement::of_tests("with_update", &with);
        // A solution that fails with the update does not count, whatever happens without it.
        let mut needs_update = judgement.passed;
        let left_out = if judgement.passed {
            row.enforce.len()
        } else {
            0
        };
        for position in 0..left_out {
            let without = self
                .run(row, solution, Some(position), pool)
                .map_err(failed)?;
            needs_update &= without.iter().any(|verdict| !verdict.is_pass());
            let name = match left_out {
                1 => "without_update".to_owned(),
                _ => format!("without_update_{}", position + 1),
            };
            judgement.tests.insert(name, letters(&without));
        }
        judgement.measures = BTreeMap::from([("upass".to_owned(), needs_update)]);
        Ok(judgement)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::eval::tests::fixture::pool;

    fn update(update_type: &str, path: &str, implementation: &str) -> ArenaUpdate {
        serde_json::from_value(json!({
            "update_id": "u", "update_type": update_type, "function_path": path,
            "package": "math", "description": "", "docstring": "", "signature": "",
            "imports": ["import math"], "implementation": implementation,
        }))
        .unwrap()
    }

    #[test]
    fn each_type_of_update_has_its_enforce_statement() {
        // Oracle: the benchmark's own statements, read from its source.
        let sine = "def helper(): pass\ndef sine(x): return x";
        let cases = [
            (
                "add-argument",
                "torch.Tensor.view",
                "def view(): pass",
                "torch.Tensor.view = view",
            ),
            (
                "modify-output-data_type",
                "math.sin",
                "def sin(x): pass",
                "math.sin = sin",
            ),
            (
                "add-function-semantics",
                "math.sin",
                "def sin(x): pass",
                "math.sin = sin",
            ),
            (
                "modify-function-name",
                "math.sin",
                sine,
                "del math.sin\nsetattr(math, 'sine', sine)",
            ),
            (
                "add-function",
                "math.sin",
                sine,
                "setattr(math, 'sine', sine)",
            ),
        ];
        for (kind, path, implementation, expected) in cases {
            assert_eq!(
                enforce(&update(kind, path, implementation)).unwrap(),
                expected,
                "{kind}"
            );
        }
        assert_eq!(
            enforce(&update("deprecate-function", "math.sin", sine)).unwrap_err(),
            "unknown type of update `deprecate-function`"
        );
    }

    #[test]
    fn a_solution_counts_for_upass_only_if_it_needs_the_update() {
        let row = json!({
            "update": {
                "update_id": "u", "update_type": "add-argument", "function_path": "math.sqrt",
                "package": "math", "description": "", "docstring": "", "signature": "",
                "imports": "import math\nold_sqrt = math.sqrt\nsetattr(math, 'old_sqrt', old_sqrt)",
                "implementation": "def sqrt(x, base=2):\n    return x ** (1 / base)",
            },
            "prog_syn_id": "t", "scenario": "", "problem": "", "solution_signature": "",
            "imports": "import math\nold_sqrt = math.sqrt\nsetattr(math, 'old_sqrt', old_sqrt)",
            "ref_solution": "def root(x):\n    return math.sqrt(x, base=3)",
            "unit_tests": "def test_one():\n    assert root(1) == 1\n\ndef test_eight():\n    \
                           assert abs(root(8) - 2) < 1e-9",
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), row.to_string()).unwrap();
        let arena = open("mini_arena", file.path(), &Options::default()).unwrap();
        let task = &arena.tasks()[0];
        let pool = pool();
        let judge = |solution: &str| arena.judge(task, solution, &pool).unwrap();

        let reference = judge(&arena.reference(task).unwrap());
        let without = judge("def root(x):\n    return x ** (1 / 3)");
        let wrong = judge("def root(x):\n    return 1");

        assert!(reference.passed && reference.measures["upass"]);
        assert_eq!(reference.tests["with_update"], "PP");
        assert_eq!(reference.tests["without_update"], "EE");
        assert!(without.passed && !without.measures["upass"]);
        assert!(!wrong.passed && !wrong.measures["upass"]);
        assert_eq!(wrong.tests["with_update"], "PA");
    }

    #[test]
    fn a_task_of_two_updates_counts_for_upass_only_if_it_needs_both() {
        let change = |name: &str, body: &str| {
            let imports = format!("import math\nold_{name} = math.{name}");
            let implementation = format!("def {name}(x):\n    return {body}");
            json!({
                "update_id": name, "update_type": "modify-output-value",
                "function_path": format!("math.{name}"), "package": "math", "description": "",
                "docstring": "", "signature": "", "imports": imports,
                "implementation": implementation,
            })
        };
        let row = json!({
            "updates": [change("floor", "[old_floor(x)]"), change("ceil", "(old_ceil(x),)")],
            "prog_syn_id": "t", "scenario": "", "problem": "", "solution_signature": "",
            "imports": "import math\nold_floor = math.floor\nold_ceil = math.ceil",
            "ref_solution": "def bounds(x):\n    return math.floor(x)[0], math.ceil(x)[0]",
            "unit_tests": "def test_bounds():\n    assert bounds(1.5) == (1, 2)",
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), row.to_string()).unwrap();
        let arena = open("multi_update", file.path(), &Options::default()).unwrap();
        let task = &arena.tasks()[0];
        let pool = pool();
        let judge = |solution: &str| arena.judge(task, solution, &pool).unwrap();

        let reference = judge(&arena.reference(task).unwrap());
        let one = judge("def bounds(x):\n    low = math.floor(x)[0]\n    return low, low + 1");
        let none = judge("def bounds(x):\n    return math.floor(x), math.ceil(x)");

        assert_eq!(task.group, None);
        assert!(reference.passed && reference.measures["upass"]);
        let without = |judgement: &Judgement, number: usize| {
            judgement.tests[&format!("without_update_{number}")].clone()
        };
        assert_eq!(
            (without(&reference, 1), without(&reference, 2)),
            ("E".into(), "E".into())
        );
        // It passes, but would pass without the second update too.
        assert!(one.passed && !one.measures["upass"]);
        assert_eq!(
            (without(&one, 1), without(&one, 2)),
            ("E".into(), "P".into())
        );
        assert!(!none.passed && !none.measures["upass"]);
    }
}
