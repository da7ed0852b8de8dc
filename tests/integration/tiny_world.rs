//! The files of the tiny world: that they are what the seed gives, and do what they say.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use recode::{
    data::{Prompt, PromptTemplate, TrainingRow, read_code_update_arena, read_training_rows},
    eval::benchmark,
    python::{Pool, Settings},
    world::World,
};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn tiny(file: &str) -> PathBuf {
    root().join("datasets/tiny").join(file)
}

fn raw_rows(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(tiny(file)).expect("a shipped file");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

fn render(template: &str, fields: &Value) -> String {
    let template =
        PromptTemplate::load(&tiny("prompts").join(template)).expect("a shipped template");
    match template.render(fields).expect("a prompt") {
        Prompt::Raw(text) => text,
        Prompt::Messages(messages) => format!("{messages:?}"),
    }
}

#[test]
fn the_shipped_world_is_the_one_of_its_seed() {
    let world = World::new(7);
    let again = "recode world datasets/tiny";
    for set in world.sets() {
        let shipped = fs::read_to_string(tiny(set.file)).unwrap();
        assert!(shipped == set.lines, "{} changed: {again}", set.file);
    }
    let shipped = fs::read_to_string(tiny("tokenizer.json")).unwrap();
    assert!(
        shipped == world.tokenizer().unwrap(),
        "tokenizer.json changed: {again}"
    );
}

#[test]
fn the_calls_of_the_universe_give_in_python_what_it_says() {
    // Oracle: Python's own functions.
    const CHECK: &str = "
import importlib, json, sys
faults = 0
for api in json.load(sys.stdin)['api']:
    module, _, name = api['path'].rpartition('.')
    function = getattr(importlib.import_module(module), name)
    for call in api['calls']:
        arguments = [eval(text) for text in call['arguments']]
        wanted = eval(call['result'])
        results = {'plain': function(*arguments) == wanted}
        if api.get('symmetric'):
            results['swapped'] = function(*reversed(arguments)) == wanted
        if default := api.get('default'):
            given = lambda text: function(*arguments, **{default['keyword']: eval(text)})
            results['old'] = given(default['old']) == wanted
            for new in default['new']:
                results[new] = given(new) != wanted
        for which, fine in results.items():
            if not fine:
                faults += 1
                print(api['path'], arguments, which)
sys.exit(faults > 0)
";
    let text = fs::read_to_string(root().join("src/world/universe.toml")).unwrap();
    let universe: toml::Value = toml::from_str(&text).unwrap();
    let mut child = Command::new("python3")
        .args(["-c", CHECK])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let json = serde_json::to_string(&universe).unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(json.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Judges a text of each task of a set; whether it passes, and whether it needs the update.
fn judged(name: &str, file: &str, text: &dyn Fn(&Value) -> String) -> Vec<(String, bool, bool)> {
    let bench = benchmark::open(name, &tiny(file)).expect("a benchmark");
    let settings = Settings {
        workers: 2,
        is_unsandboxed_allowed: true,
        ..Settings::default()
    };
    let pool = Pool::start(&settings).expect("servers of Python");
    bench
        .tasks()
        .iter()
        .zip(raw_rows(file))
        .map(|(task, row)| {
            let verdict = bench.judge(task, &text(&row), &pool).expect("a verdict");
            let upass = verdict.measures.get("upass").copied().unwrap_or(false);
            (task.id.clone(), verdict.passed, upass)
        })
        .collect()
}

fn text(name: &'static str) -> impl Fn(&Value) -> String {
    move |row| row[name].as_str().expect("a text").to_owned()
}

#[test]
fn reference_solutions_pass_and_need_their_updates() {
    for file in ["arena.jsonl", "probe.jsonl"] {
        for (task, passed, upass) in judged("mini_arena", file, &text("ref_solution")) {
            // Who writes the old default down is right before the update as well.
            let needs = !task.contains("default_value");
            assert!(passed && upass == needs, "{task}");
        }
    }
}

#[test]
fn who_passes_over_the_note_fails() {
    for file in ["arena.jsonl", "probe.jsonl"] {
        for (task, passed, _) in judged("mini_arena", file, &text("old_solution")) {
            assert!(!passed, "{task}");
        }
    }
}

#[test]
fn a_note_about_something_else_asks_for_nothing() {
    for row in raw_rows("other_note.jsonl") {
        assert_eq!(row["ref_solution"], row["old_solution"]);
    }
    for (task, passed, upass) in judged("mini_arena", "other_note.jsonl", &text("ref_solution")) {
        assert!(passed && !upass, "{task}");
    }
}

#[test]
fn functions_without_a_note_are_as_they_are() {
    let solution = |row: &Value| {
        let part = |name: &str| row[name].as_str().unwrap().to_owned();
        part("prompt") + &part("canonical_solution")
    };
    for (task, passed, _) in judged("humaneval", "general.jsonl", &solution) {
        assert!(passed, "{task}");
    }
}

#[test]
fn the_templates_make_the_prompts_of_the_corpus() {
    let mut corpus = Vec::new();
    World::new(7).write_corpus(400, 400, &mut corpus).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), corpus).unwrap();
    let texts: Vec<String> = read_training_rows(file.path())
        .unwrap()
        .into_iter()
        .map(|row| match row {
            TrainingRow::Text(text) => text.prompt,
            TrainingRow::Migration(_) => panic!("a migration"),
        })
        .collect();
    // The same pieces, put together by the templates.
    let inside = |text: &str, from: &str, to: &str| {
        let (_, rest) = text.split_once(from)?;
        Some(rest.split_once(to)?.0.to_owned())
    };
    let mut kinds = [0; 3];
    for text in texts {
        let code = inside(&text, "```python\n", "\n```").unwrap();
        let note = inside(&text, "<doc>\n", "\n</doc>");
        let rendered = match (&note, code.strip_suffix("\n    ...")) {
            (None, _) => {
                kinds[0] += 1;
                render("human_eval.jinja", &serde_json::json!({"prompt": code}))
            }
            (Some(note), None) => {
                kinds[1] += 1;
                let fields = serde_json::json!({"update_info": note, "old_code": code});
                render("migration.jinja", &fields)
            }
            (Some(note), Some(frame)) => {
                kinds[2] += 1;
                let (problem, signature) = frame.split_once('\n').unwrap();
                let problem = problem.strip_prefix("# ").unwrap();
                let fields = serde_json::json!({
                    "docstring": note, "problem": problem, "solution_signature": signature,
                });
                render("code_update_arena.jinja", &fields)
            }
        };
        assert_eq!(rendered, text);
    }
    assert!(kinds.iter().all(|count| *count > 40), "{kinds:?}");
}

#[test]
fn the_sets_are_read_as_what_they_are() {
    assert_eq!(
        read_training_rows(&tiny("migrations.jsonl")).unwrap().len(),
        1200
    );
    for (file, rows) in [
        ("arena.jsonl", 168),
        ("probe.jsonl", 42),
        ("other_note.jsonl", 96),
    ] {
        assert_eq!(
            read_code_update_arena(&tiny(file)).unwrap().len(),
            rows,
            "{file}"
        );
    }
    assert!(Path::new(&tiny("multi.jsonl")).is_file());
}
