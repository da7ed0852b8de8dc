//! Whether a model heeds a note when it should, and only then: the tasks of `CodeUpdateArena`, each under
//! five kinds of note.
//!
//! | kind | the note | the library in which the tests run |
//! |---|---|---|
//! | right | the task's own update | updated |
//! | stale | another update of the same function, which says that it no longer holds | as it was |
//! | wrong | the task's own update | as it was |
//! | irrelevant | an update of another function, of another task | that function is updated |
//! | none | none | as it was |
//!
//! A solution is right if its tests pass in that library. It follows the note if it needs what the note
//! says, so that its tests pass with the update of the note and fail without, or if it has a name that the
//! note brings in: an attribute, an import, a keyword of a call or a key that is in the note and not in the
//! task. Without a note, the update is that of the task: how often an answer has its names by chance.
//!
//! A wrong note looks like a right one: the figures of both say together how blindly a model follows.

use std::{collections::BTreeSet, path::Path};

use super::{
    Benchmark, Options, Task,
    code_update_arena::{CodeUpdateArena, Row, TIMEOUT, read},
};
use crate::{
    data::{ArenaTask, ArenaUpdate, NoteKind, stale_note, words},
    eval::{EvalError, Judgement},
    sandbox::Pool,
    seed,
    syntax::library_names,
};

/// The seed of the notes that are taken from other tasks: the same tasks for everybody.
const SEED: u64 = 1;

/// The name of the measure that says whether a solution follows the note.
pub(super) const FOLLOWS: &str = "follows";

#[derive(Debug)]
struct NoteTrust {
    arena: CodeUpdateArena,
    /// What is shown and applied in each of the tasks.
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    kind: NoteKind,
    /// The task with the update of the note.
    row: Row,
    /// The names that the note brings in.
    names: BTreeSet<String>,
}

/// Opens a file of `CodeUpdateArena` in any of its formats.
pub(super) fn open(
    name: &'static str,
    path: &Path,
    options: &Options,
) -> Result<Box<dyn Benchmark>, EvalError> {
    let mut arena = read(name, path, options.repairs)?;
    // A task with several updates needs all of them, and a note is about one.
    let sources = arena
        .sources()
        .filter(|task| task.further_updates.is_empty());
    let sources: Vec<ArenaTask> = sources.cloned().collect();
    let mut cases = Vec::new();
    let mut tasks = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        for kind in NoteKind::ALL {
            let Some(shown) = with_note(&sources, index, kind) else {
                continue;
            };
            let id = format!("{} ({} note)", source.task_id, kind.name());
            let failed = |reason| EvalError::Tasks {
                path: path.to_path_buf(),
                reasons: vec![format!("{reason} in `{id}`")],
            };
            let names = introduced(&shown.update, source);
            tasks.push(Task {
                group: Some(source.update.function_path.clone()),
                kind: Some(kind.name().to_owned()),
                fields: fields(&shown, kind),
                id: id.clone(),
            });
            cases.push(Case {
                kind,
                names,
                row: Row::new(shown).map_err(failed)?,
            });
        }
    }
    arena.replace_tasks(tasks, options.timeout.unwrap_or(TIMEOUT));
    Ok(Box::new(NoteTrust { arena, cases }))
}

/// The task with the update that its note is about; nothing if no other task has a fitting one.
fn with_note(tasks: &[ArenaTask], index: usize, kind: NoteKind) -> Option<ArenaTask> {
    let task = tasks.get(index)?;
    let update = &task.update;
    let mut draw = seed::stream(SEED, "note trust", kind as u64, index as u64);
    let start = draw.below(tasks.len());
    let others = tasks.iter().cycle().skip(start).take(tasks.len());
    let mut others = others.map(|other| &other.update);
    let found = match kind {
        NoteKind::Right | NoteKind::Wrong | NoteKind::None => Some(update),
        NoteKind::Stale => others.find(|other| {
            other.function_path == update.function_path && other.update_id != update.update_id
        }),
        NoteKind::Irrelevant => others.find(|other| {
            let name = other.function_path.rsplit('.').next().unwrap_or_default();
            other.package != update.package
                && !words(&task.reference_solution).any(|word| word == name)
        }),
    };
    // A function with a single update has no older one of another task.
    let found = found.or((kind == NoteKind::Stale).then_some(update))?;
    let mut shown = task.clone();
    if found.update_id != update.update_id {
        shown.imports = format!("{}\n{}", task.imports, found.imports);
        shown.update = found.clone();
    }
    Some(shown)
}

/// What a prompt may show.
fn fields(task: &ArenaTask, kind: NoteKind) -> serde_json::Value {
    let mut shown = task.clone();
    if kind == NoteKind::Stale {
        for text in [&mut shown.update.docstring, &mut shown.update.description] {
            *text = stale_note(text);
        }
    }
    let mut fields = shown.prompt_fields();
    if kind == NoteKind::None {
        for name in [
            "function_path",
            "package",
            "update_type",
            "description",
            "signature",
            "docstring",
        ] {
            fields[name] = "".into();
        }
        fields["updates"] = Vec::<serde_json::Value>::new().into();
    }
    fields
}

/// The names of the signature of an update, and those between backticks in its note, that are neither in
/// the function's old path nor in the task.
fn introduced(update: &ArenaUpdate, task: &ArenaTask) -> BTreeSet<String> {
    let quoted = [&update.description, &update.docstring];
    let quoted = quoted
        .into_iter()
        .flat_map(|text| text.split('`').skip(1).step_by(2));
    let texts = quoted.chain([update.signature.as_str()]);
    let known = [
        update.function_path.as_str(),
        update.package.as_str(),
        task.update.function_path.as_str(),
        task.problem.as_str(),
        task.scenario.as_str(),
        task.solution_signature.as_str(),
        // Names of Python that notes show as values.
        "True False None",
    ];
    let known: BTreeSet<&str> = known.into_iter().flat_map(words).collect();
    texts
        .flat_map(words)
        .filter(|word| {
            !known.contains(word) && !word.starts_with(|letter: char| letter.is_numeric())
        })
        .map(str::to_owned)
        .collect()
}

impl NoteTrust {
    fn case(&self, task: &Task) -> Result<&Case, EvalError> {
        super::row_of(self.arena.tasks(), &self.cases, task)
    }
}

impl Benchmark for NoteTrust {
    fn name(&self) -> &'static str {
        self.arena.name()
    }

    fn tasks(&self) -> &[Task] {
        self.arena.tasks()
    }

    fn extract(&self, task: &Task, answer: &str) -> Option<String> {
        self.case(task).ok()?.row.extract(answer)
    }

    fn reference(&self, task: &Task) -> Option<String> {
        let case = self.case(task).ok()?;
        (case.kind == NoteKind::Right).then(|| case.row.reference().to_owned())
    }

    fn judge(&self, task: &Task, solution: &str, pool: &Pool) -> Result<Judgement, EvalError> {
        let case = self.case(task)?;
        let run = |is_updated: bool| {
            let without = (!is_updated).then_some(0);
            let verdicts = self.arena.run(&case.row, solution, without, pool);
            verdicts.map_err(|source| EvalError::Judge {
                task: task.id.clone(),
                source,
            })
        };
        let is_updated = matches!(case.kind, NoteKind::Right | NoteKind::Irrelevant);
        let run_name = |is_updated: bool| {
            if is_updated {
                "with_update"
            } else {
                "without_update"
            }
        };
        let mut judgement = Judgement::of_tests(run_name(is_updated), &run(is_updated)?);
        let mut needs_note = false;
        // Where it passes with the update, it needs it if it fails without; and the other way round.
        if judgement.passed == is_updated {
            let other = run(!is_updated)?;
            let passes = other.iter().all(crate::sandbox::Verdict::is_pass);
            needs_note = passes != is_updated;
            let letters = crate::eval::judgement::letters(&other);
            judgement
                .tests
                .insert(run_name(!is_updated).to_owned(), letters);
        }
        let used = library_names(solution).unwrap_or_default();
        let has_names = !used.is_disjoint(&case.names);
        judgement
            .measures
            .insert(FOLLOWS.to_owned(), needs_note || has_names);
        Ok(judgement)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;
    use crate::eval::tests::fixture::pool;

    /// A task about a function of `math` that is renamed; an answer with the old name is right before.
    fn task(number: usize, module: &str, old: &str, new: &str) -> Value {
        let imports = format!("import {module}\nold_{old} = {module}.{old}");
        json!({
            "update": {
                "update_id": format!("[{module}.{old}]:[update-{number}]"),
                "update_type": "modify-function-name", "function_path": format!("{module}.{old}"),
                "package": module, "description": format!("`{module}.{old}` is now `{module}.{new}`."),
                "docstring": format!("`{module}.{old}` is now `{module}.{new}`."),
                "signature": format!("{module}.{new}(x)"), "imports": imports,
                "implementation": format!("def {new}(x):\n    return old_{old}(x)"),
            },
            "prog_syn_id": format!("task {number}"), "scenario": "",
            "problem": format!("Return the {old} of x."), "solution_signature": "def run(x):",
            "imports": imports,
            "ref_solution": format!("import {module}\n\ndef run(x):\n    return {module}.{new}(x)"),
            "unit_tests": match old {
                "sqrt" => "def test_run():\n    assert run(9) == 3",
                _ => "def test_run():\n    assert run([3, 1]) == '[3, 1]'",
            },
        })
    }

    fn opened() -> Box<dyn Benchmark> {
        let rows = [
            task(0, "math", "sqrt", "oak_root"),
            task(1, "math", "sqrt", "elm_root"),
            task(2, "json", "dumps", "ash_text"),
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        fs::write(file.path(), lines.join("\n")).unwrap();
        open("mini_note_trust", file.path(), &Options::default()).unwrap()
    }

    fn root(name: &str) -> String {
        format!("import math\n\ndef run(x):\n    return math.{name}(x)")
    }

    #[test]
    fn each_task_has_its_five_kinds_of_note() {
        let trust = opened();
        let tasks = trust.tasks();
        assert_eq!(tasks.len(), 15);
        let note = |task: &Task| task.fields["docstring"].as_str().unwrap().to_owned();
        let kinds: Vec<&str> = tasks
            .iter()
            .filter_map(|task| task.kind.as_deref())
            .collect();
        assert_eq!(
            kinds[..5],
            ["right", "stale", "wrong", "irrelevant", "none"]
        );
        assert_eq!(note(&tasks[0]), "`math.sqrt` is now `math.oak_root`.");
        assert_eq!(
            note(&tasks[1]),
            "This no longer holds in the newest release: `math.sqrt` is now `math.elm_root`."
        );
        assert_eq!(
            note(&tasks[2]),
            note(&tasks[0]),
            "a wrong note looks like a right one"
        );
        assert_eq!(note(&tasks[3]), "`json.dumps` is now `json.ash_text`.");
        assert_eq!(
            (note(&tasks[4]), &tasks[4].fields["updates"]),
            (String::new(), &json!([]))
        );
        // The third task's function has no other update.
        assert!(note(&tasks[11]).ends_with("`json.dumps` is now `json.ash_text`."));
        assert_eq!(tasks[0].id, "task 0 (right note)");
        assert_eq!(tasks[3].group.as_deref(), Some("math.sqrt"));
    }

    /// Oracle: by hand, which answers are right in which library and which follow the note.
    #[test]
    fn an_answer_is_right_and_follows_as_its_kind_says() {
        let trust = opened();
        let pool = pool();
        let judge = |place: usize, solution: &str| {
            let judgement = trust.judge(&trust.tasks()[place], solution, &pool).unwrap();
            (judgement.passed, judgement.measures[FOLLOWS])
        };
        let (old, own, other) = (root("sqrt"), root("oak_root"), root("elm_root"));
        let free = "def run(x):\n    return x ** 0.5";
        // Of the columns: the old name, the task's new name, that of the other update, no library.
        let expected = [
            // right: the old function is gone.
            [(false, false), (true, true), (false, false), (true, false)],
            // stale: its note is that of the other update.
            [(true, false), (false, false), (false, true), (true, false)],
            // wrong: nothing has changed.
            [(true, false), (false, true), (false, false), (true, false)],
            // irrelevant: nothing about `math` has changed.
            [(true, false), (false, false), (false, false), (true, false)],
            // none: what the task's update would have said.
            [(true, false), (false, true), (false, false), (true, false)],
        ];
        for (place, expected) in expected.into_iter().enumerate() {
            let found = [&*old, &*own, &*other, free].map(|solution| judge(place, solution));
            assert_eq!(found, expected, "{}", trust.tasks()[place].id);
        }
        // Under the note about `json`, a broken answer with its name follows it.
        let lured = "import json\n\ndef run(x):\n    return json.ash_text(x) ** 0.5";
        assert_eq!(judge(3, lured), (false, true));
        // One whose name is only a variable does not.
        let variable = "def run(x):\n    ash_text = x ** 0.5\n    return ash_text";
        assert_eq!(judge(3, variable), (true, false));
    }

    #[test]
    fn only_right_notes_have_a_reference() {
        let trust = opened();
        for task in trust.tasks() {
            let is_right = task.kind.as_deref() == Some("right");
            assert_eq!(trust.reference(task).is_some(), is_right, "{}", task.id);
        }
    }
}
