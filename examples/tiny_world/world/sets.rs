//! The data sets: migrations to train on, and tasks to evaluate with.

use serde::Serialize;

use super::{
    World,
    api::Api,
    document::{updated, updated_in},
    names::one_of,
    program::{Problem, plain},
    style::Style,
    update::{Kind, Update},
};
use recode::seed::{Stream, stream};

/// Rows of each set.
const MIGRATIONS: usize = 1200;
const TASKS_A_KIND: usize = 24;
const PROBES_A_KIND: usize = 6;
const GENERAL: usize = 96;
const OTHER_NOTE: usize = 96;
const MULTI: usize = 48;

/// A file of JSON lines.
#[derive(Debug)]
pub(crate) struct Set {
    /// Its name within the folder of the world.
    pub(crate) file: &'static str,
    /// Its lines.
    pub(crate) lines: String,
}

/// A training row, in the paper's format.
#[derive(Debug, Serialize)]
struct MigrationRow {
    dependency: String,
    new_version: String,
    description: String,
    update_info: String,
    old_code: String,
    new_code: String,
}

/// An update, in CodeUpdateArena's format.
#[derive(Debug, Serialize)]
struct UpdateRow {
    description: String,
    rationale: &'static str,
    docstring: String,
    signature: String,
    imports: String,
    implementation: String,
    update_type: &'static str,
    function_path: String,
    package: String,
    update_id: String,
}

/// A task, in CodeUpdateArena's flat format.
#[derive(Debug, Serialize)]
struct TaskRow {
    /// One update, or several at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<UpdateRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    updates: Vec<UpdateRow>,
    prog_syn_id: String,
    scenario: &'static str,
    problem: String,
    solution_signature: String,
    prog_syn_imports: String,
    ref_solution: String,
    /// The solution of a model that ignores the note: right before the update, wrong after it.
    old_solution: String,
    unit_tests: String,
}

/// A task, in HumanEval's format.
#[derive(Debug, Serialize)]
struct FunctionRow {
    task_id: String,
    prompt: String,
    entry_point: String,
    canonical_solution: String,
    test: String,
}

impl World {
    /// All sets: the training data, then the tasks.
    pub(crate) fn sets(&self) -> Vec<Set> {
        let mut sets: Vec<Set> = Style::ALL
            .into_iter()
            .map(|style| self.migration_set(style))
            .collect();
        sets.extend([
            lines(
                "arena.jsonl",
                &self.arena("arena", &self.held, TASKS_A_KIND),
            ),
            lines(
                "probe.jsonl",
                &self.arena("probe", &self.trained, PROBES_A_KIND),
            ),
            lines("general.jsonl", &self.general()),
            lines("other_note.jsonl", &self.other_note()),
            lines("multi.jsonl", &self.multi()),
        ]);
        sets
    }

    fn draw(&self, purpose: &str, index: usize) -> Stream {
        stream(self.seed, &format!("world {purpose}"), 0, index as u64)
    }

    /// The training data with targets in a style; nothing else depends on it.
    pub(crate) fn migration_set(&self, style: Style) -> Set {
        let rows = (0..MIGRATIONS).map(|index| self.migration(index, style).0);
        lines(style.file(), &rows.collect::<Vec<_>>())
    }

    /// A row of the training data, its problem, and the update.
    fn migration(
        &self,
        index: usize,
        style: Style,
    ) -> (MigrationRow, Problem<'static>, Update<'static>) {
        let mut draw = self.draw("migrations", index);
        let (kind, api) = loop {
            // Kinds take turns, so that all are equally frequent.
            let kind = Kind::ALL[index % Kind::ALL.len()];
            let api = *one_of(&mut draw, &self.trained);
            if kind.fits(api) {
                break (kind, api);
            }
        };
        let update = Update::draw(api, kind, &self.names, false, &mut draw);
        let problem = self.problem_about(api, &mut draw, false);
        let choices = style.choices(&mut self.draw("style", index));
        let row = MigrationRow {
            dependency: api.module().to_owned(),
            new_version: format!("=={}.{}", 2 + draw.below(8), draw.below(10)),
            description: problem.sentence(),
            update_info: update.note(),
            old_code: problem.code(&plain),
            new_code: match &choices {
                Some(choices) => updated_in(choices, &problem, &[&update]),
                None => updated(&problem, &[&update]),
            },
        };
        (row, problem, update)
    }

    /// Programs that run the target of a row in a style, under its update, and compare its results with
    /// those that are known.
    #[cfg(test)]
    pub(crate) fn checks(&self, style: Style, rows: usize) -> Vec<String> {
        let check = |index: usize| {
            let (row, problem, update) = self.migration(index, style);
            let api = update.api;
            let (module, name) = (api.module(), api.name());
            let implementation = update.implementation();
            let apply = match update.kind {
                Kind::Rename => format!(
                    "del {module}.{name}\nsetattr({module}, '{0}', {0})",
                    update.name
                ),
                Kind::Move => format!(
                    "del {module}.{name}\nimport sys, types\nsys.modules['{0}'] = types.ModuleType('{0}')\n\
                     setattr(sys.modules['{0}'], '{name}', {name})",
                    update.name
                ),
                _ => format!("{module}.{name} = {name}"),
            };
            let calls: Vec<String> = problem
                .examples()
                .iter()
                .map(|(arguments, result)| {
                    let function = problem.function();
                    format!("assert {function}({arguments}) == {result}, '{function}'")
                })
                .collect();
            let (kept, calls, code) = (imports(api), calls.join("\n"), row.new_code);
            format!("{kept}\n{implementation}\n{apply}\n{code}\n\n{calls}\n")
        };
        (0..rows).map(check).collect()
    }

    /// Tasks about updates of some functions, equally many of each kind, with held-out names.
    fn arena(&self, purpose: &str, apis: &[&'static Api], a_kind: usize) -> Vec<TaskRow> {
        let mut rows = Vec::new();
        for kind in Kind::ALL {
            let mut draw = self.draw(&format!("{purpose} {}", kind.update_type()), 0);
            let mut fitting: Vec<&Api> =
                apis.iter().copied().filter(|api| kind.fits(api)).collect();
            draw.shuffle(&mut fitting);
            for api in fitting.iter().cycle().take(a_kind) {
                let update = Update::draw(api, kind, &self.names, true, &mut draw);
                let mut problem = self.problem_about(api, &mut draw, true);
                if matches!(kind, Kind::Default | Kind::Swap) {
                    problem = problem.bare();
                }
                rows.push(task_row(&[update], &problem, rows.len()));
            }
        }
        rows
    }

    /// Functions to write without a note.
    fn general(&self) -> Vec<FunctionRow> {
        let row = |index: usize| {
            let mut draw = self.draw("general", index);
            let api = self.all[index % self.all.len()];
            let problem = self.problem_about(api, &mut draw, true);
            let code = problem.code(&plain);
            let (imports, body) = code.split_once("\n\n").unwrap_or_default();
            let body = body.split_once('\n').map_or("", |(_, body)| body);
            let inner: Vec<String> = imports.lines().map(|line| format!("    {line}")).collect();
            let inner = inner.join("\n");
            let tests: Vec<String> = problem
                .examples()
                .iter()
                .map(|(arguments, result)| format!("    assert candidate({arguments}) == {result}"))
                .collect();
            FunctionRow {
                task_id: format!("mini_general/{index}"),
                prompt: format!("{}\n", problem.frame()),
                entry_point: problem.function().to_owned(),
                canonical_solution: format!("{inner}\n{body}\n"),
                test: format!("def check(candidate):\n{}\n", tests.join("\n")),
            }
        };
        (0..GENERAL).map(row).collect()
    }

    /// Functions to write under a note that is about something else.
    fn other_note(&self) -> Vec<TaskRow> {
        let row = |index: usize| {
            let mut draw = self.draw("other note", index);
            let api = self.all[index % self.all.len()];
            let problem = self.problem_about(api, &mut draw, true);
            let update = loop {
                let kind = *one_of(&mut draw, &Kind::ALL);
                let other = *one_of(&mut draw, &self.held);
                if kind.fits(other) && !problem.apis.contains(&other) {
                    break Update::draw(other, kind, &self.names, true, &mut draw);
                }
            };
            task_row(&[update], &problem, index)
        };
        (0..OTHER_NOTE).map(row).collect()
    }

    /// Functions to write under two notes that both matter.
    fn multi(&self) -> Vec<TaskRow> {
        let row = |index: usize| {
            let mut draw = self.draw("multi", index);
            let (first, second) = loop {
                let first = *one_of(&mut draw, &self.held);
                let second = *one_of(&mut draw, &self.held);
                if first != second && Problem::can_add(first, second) {
                    break (first, second);
                }
            };
            let problem = Problem::both(first, second, &mut draw);
            let updates = [first, second].map(|api| {
                loop {
                    let kind = *one_of(&mut draw, &Kind::ALL);
                    if kind.fits(api) {
                        break Update::draw(api, kind, &self.names, true, &mut draw);
                    }
                }
            });
            task_row(&updates, &problem, index)
        };
        (0..MULTI).map(row).collect()
    }
}

fn task_row(updates: &[Update<'_>], problem: &Problem<'_>, index: usize) -> TaskRow {
    let function = problem.function();
    let unit_tests: Vec<String> = problem
        .examples()
        .iter()
        .enumerate()
        .map(|(number, (arguments, result))| {
            format!(
                "def test_{function}_{number}():\n    assert {function}({arguments}) == {result}"
            )
        })
        .collect();
    let heeded: Vec<&Update<'_>> = updates.iter().collect();
    let reference = updated(problem, &heeded);
    // The program's own imports come first: a module that imports an old function must be loaded
    // before an update removes it.
    let needed = problem
        .apis
        .iter()
        .map(|api| format!("import {}", api.module()));
    let kept = updates.iter().map(|update| imports(update.api));
    let imports: Vec<String> = needed.chain(kept).collect();
    let mut rows: Vec<UpdateRow> = updates
        .iter()
        .map(|update| update_row(update, index))
        .collect();
    let ids: Vec<&str> = rows.iter().map(|row| row.update_id.as_str()).collect();
    let prog_syn_id = format!("{}:[prog_syn-{index}]", ids.join("+"));
    let update = if rows.len() == 1 { rows.pop() } else { None };
    TaskRow {
        update,
        updates: rows,
        prog_syn_id,
        scenario: "",
        problem: problem.sentence(),
        solution_signature: problem.signature(),
        prog_syn_imports: imports.join("\n"),
        ref_solution: format!("{reference}\n"),
        old_solution: format!("{}\n", problem.code(&plain)),
        unit_tests: unit_tests.join("\n\n"),
    }
}

/// Python code that keeps the old function, as CodeUpdateArena does.
fn imports(api: &Api) -> String {
    let (module, name) = (api.module(), api.name());
    format!(
        "import {module}\nold_{name} = {module}.{name}\nsetattr({module}, 'old_{name}', old_{name})"
    )
}

fn update_row(update: &Update<'_>, index: usize) -> UpdateRow {
    let api = update.api;
    let update_type = update.kind.update_type();
    UpdateRow {
        description: update.note(),
        rationale: "Fictitious: made to see whether a model follows a note.",
        docstring: update.note(),
        signature: update.signature(),
        imports: imports(api),
        implementation: update.implementation(),
        update_type,
        function_path: api.path.clone(),
        package: api.module().to_owned(),
        update_id: format!("[{}]:[{update_type}]:[update-{index}]", api.path),
    }
}

fn lines(file: &'static str, rows: &[impl Serialize]) -> Set {
    let lines = rows
        .iter()
        .map(|row| serde_json::to_string(row).expect("texts become JSON") + "\n")
        .collect();
    Set { file, lines }
}
