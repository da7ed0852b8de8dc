//! The shipped files of the tiny world are those of its seed, and agree with Python.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use recode::data::{Prompt, PromptTemplate, TrainingRow, read_training_rows};
use serde_json::Value;

use crate::world::{Style, World};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tiny(file: &str) -> PathBuf {
    root().join("datasets/tiny").join(file)
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
    let again = "./just tiny-world datasets/tiny";
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
fn the_second_world_is_the_one_of_its_seed() {
    let world = World::new(8);
    let second = |file: &str| root().join("datasets/tiny_second").join(file);
    let sets = world.sets();
    let shipped: Vec<_> = sets
        .iter()
        .filter(|set| second(set.file).exists())
        .collect();
    assert_eq!(shipped.len(), 4);
    for set in shipped {
        assert!(
            fs::read_to_string(second(set.file)).unwrap() == set.lines,
            "{} changed",
            set.file
        );
    }
    let tokenizer = fs::read_to_string(second("tokenizer.json")).unwrap();
    assert_eq!(tokenizer, world.tokenizer().unwrap());
}

#[test]
fn python_returns_the_results_that_the_universe_states() {
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
    let text = fs::read_to_string(root().join("examples/tiny_world/world/universe.toml")).unwrap();
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

#[test]
fn the_templates_render_the_prompts_of_the_corpus() {
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
    // The templates render the pieces of each text; the result must be the same text.
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

/// Oracle: Python, which runs the targets of each style under their updates.
#[test]
fn targets_do_the_same_in_each_style() {
    const RUN: &str = "
import json, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
def run(program):
    done = subprocess.run([sys.executable, '-I', '-c', program], capture_output=True, text=True)
    return done.stderr and program + done.stderr
with ThreadPoolExecutor(2) as pool:
    faults = [text for text in pool.map(run, json.load(sys.stdin)) if text]
print('\\n'.join(faults[:3]))
sys.exit(len(faults) > 0)
";
    let world = World::new(7);
    let rows = 28;
    let programs: Vec<String> = Style::ALL
        .into_iter()
        .flat_map(|style| world.checks(style, rows))
        .collect();
    let mut child = Command::new("python3")
        .args(["-c", RUN])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let json = serde_json::to_string(&programs).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(json.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_style_changes_targets_and_nothing_else() {
    let world = World::new(7);
    let rows = |style: Style| -> Vec<Value> {
        let lines = world.migration_set(style).lines;
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let own = rows(Style::Own);
    for style in &Style::ALL[1..] {
        let other = rows(*style);
        let differ = own.iter().zip(&other).filter(|(own, other)| own != other);
        let share = differ.count() as f64 / own.len() as f64;
        // Only a third of the programs have names of intermediate results.
        let least = if *style == Style::Names { 0.25 } else { 0.6 };
        assert!(share > least, "{style:?}: {share}");
        assert_eq!(own.len(), other.len());
        for (mut own, mut other) in own.clone().into_iter().zip(other) {
            assert_ne!(own["new_code"], Value::Null);
            (own["new_code"], other["new_code"]) = (Value::Null, Value::Null);
            assert_eq!(own, other);
        }
    }
}
