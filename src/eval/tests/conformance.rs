//! Our verdicts, compared with the recorded ones of the reference harnesses.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fixture::{golden, in_parallel, shared};

use crate::{
    data::read_json_lines,
    eval::benchmark::{Benchmark, Options, Repairs, Task, code_update_arena, find},
    sandbox::{Modules, Pool, Settings},
};

#[derive(Deserialize)]
struct Sample {
    task_id: String,
    kind: String,
    completion: Option<String>,
    solution: Option<String>,
}

impl Sample {
    fn solution(&self, benchmark: &dyn Benchmark, task: &Task) -> String {
        match (&self.solution, &self.completion) {
            (Some(solution), _) => solution.clone(),
            (None, Some(completion)) => benchmark.complete(task, completion),
            (None, None) => panic!("a sample without code"),
        }
    }
}

fn task<'a>(benchmark: &'a dyn Benchmark, id: &str) -> &'a Task {
    benchmark.tasks().iter().find(|task| task.id == id).unwrap()
}

fn in_process() -> Options {
    Options {
        is_in_process: true,
        ..Options::default()
    }
}

/// The samples whose verdicts differ from the recorded ones; those of the kinds `cheats` must fail,
/// although the reference harness passes them.
fn humaneval_differences(options: &Options, cheats: &[&str]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Golden {
        verdicts: Vec<(u8, String)>,
    }
    let golden: Golden = golden("goldens/eval/humaneval_verdicts.json");
    let samples: Vec<Sample> =
        read_json_lines(&shared("goldens/eval/humaneval_samples.jsonl.gz")).unwrap();
    assert_eq!(samples.len(), 1200);
    let file = shared("data/humaneval/HumanEval.jsonl.gz");
    let benchmark = find("humaneval").unwrap().open(&file, options).unwrap();
    let pool = Pool::start(&Settings::default()).unwrap();

    let judgements = in_parallel(&pool, &samples, |sample| {
        let task = task(&*benchmark, &sample.task_id);
        let solution = sample.solution(&*benchmark, task);
        benchmark.judge(task, &solution, &pool).unwrap()
    });

    let mut differing = Vec::new();
    for ((sample, judgement), (passed, text)) in
        samples.iter().zip(&judgements).zip(golden.verdicts)
    {
        let expected = match sample.kind.as_str() {
            kind if cheats.contains(&kind) => false,
            // Its verdict depends on how long it takes.
            "mem_3g" => continue,
            _ => passed == 1,
        };
        if judgement.passed != expected {
            let (id, kind) = (&sample.task_id, &sample.kind);
            differing.push(format!("{id} {kind}: {text}, but {:?}", judgement.verdict));
        }
    }
    differing
}

#[test]
#[ignore = "needs the conformance data: just conformance"]
fn in_process_humaneval_verdicts_are_the_recorded_ones_but_for_the_forged() {
    let differing = humaneval_differences(&in_process(), &["cheat_frame_result"]);
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
#[ignore = "needs the conformance data: just conformance"]
fn humaneval_verdicts_differ_in_objects_that_equal_everything_and_one_spoilt_helper() {
    let cheats = ["cheat_frame_result", "cheat_alwayseq"];
    let differing = humaneval_differences(&Options::default(), &cheats);
    // This correct solution breaks a helper of the prompt. Outside of its process the tests use the
    // benchmark's helpers, which a solution cannot change.
    let expected = ["HumanEval/50 mutant: failed: , but Pass"];
    assert_eq!(differing, expected);
}

#[test]
#[ignore = "needs the conformance data: just conformance"]
fn humaneval_passes_every_canonical_solution_and_no_object_that_equals_everything() {
    const EQUAL: &str = "class E:
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *arguments): return self
def {}(*arguments, **named): return E()
";
    let file = shared("data/humaneval/HumanEval.jsonl.gz");
    let options = Options::default();
    let benchmark = find("humaneval").unwrap().open(&file, &options).unwrap();
    let pool = Pool::start(&Settings::default()).unwrap();

    let failed: Vec<_> = in_parallel(&pool, benchmark.tasks(), |task| {
        let solution = benchmark.reference(task).unwrap();
        let judgement = benchmark.judge(task, &solution, &pool).unwrap();
        let name = task.fields["entry_point"].as_str().unwrap();
        let equal = EQUAL.replace("{}", name);
        let forged = benchmark.judge(task, &equal, &pool).unwrap();
        (task.id.clone(), judgement, forged)
    });

    // Oracle: canonical solutions pass by the definition of the benchmark.
    assert_eq!(failed.len(), 164);
    let failed: Vec<_> = failed
        .iter()
        .filter(|(_, judgement, forged)| !judgement.passed || forged.passed)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Whether each sample passes the base and the plus inputs.
fn plus_statuses(options: &Options) -> Vec<(Sample, bool, bool)> {
    let samples: Vec<Sample> =
        read_json_lines(&shared("goldens/eval/humanevalplus_samples.jsonl.gz")).unwrap();
    let file = shared("data/humaneval/HumanEvalPlus.jsonl.gz");
    let benchmark = find("humaneval_plus")
        .unwrap()
        .open(&file, options)
        .unwrap();
    let pool = Pool::start(&Settings::default()).unwrap();
    let judgements = in_parallel(&pool, &samples, |sample| {
        let task = task(&*benchmark, &sample.task_id);
        benchmark
            .judge(task, &sample.solution(&*benchmark, task), &pool)
            .unwrap()
    });
    let statuses = judgements
        .iter()
        .map(|judgement| {
            (
                judgement.tests["base"] == "P",
                judgement.tests["plus"] == "P",
            )
        })
        .collect::<Vec<_>>();
    samples
        .into_iter()
        .zip(statuses)
        .map(|(sample, (base, plus))| (sample, base, plus))
        .collect()
}

fn recorded_plus_statuses() -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Golden {
        verdicts: Vec<(String, String)>,
    }
    let golden: Golden = golden("goldens/eval/humanevalplus_verdicts.json");
    assert_eq!(golden.verdicts.len(), 600);
    golden.verdicts
}

#[test]
#[ignore = "needs the conformance data: just conformance"]
fn in_process_humaneval_plus_verdicts_are_the_recorded_ones() {
    let differing: Vec<_> = plus_statuses(&in_process())
        .into_iter()
        .zip(recorded_plus_statuses())
        .filter(|((_, base, plus), recorded)| {
            (*base, *plus) != (recorded.0 == "pass", recorded.1 == "pass")
        })
        .map(|((sample, base, plus), recorded)| (sample.task_id, sample.kind, base, plus, recorded))
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
#[ignore = "needs the conformance data: just conformance"]
fn humaneval_plus_verdicts_differ_in_objects_that_equal_everything_alone() {
    let differing: Vec<_> = plus_statuses(&Options::default())
        .into_iter()
        .zip(recorded_plus_statuses())
        .filter(|((sample, base, plus), recorded)| {
            let is_fooled = sample.kind == "alwayseq";
            let expected = (
                recorded.0 == "pass" && !is_fooled,
                recorded.1 == "pass" && !is_fooled,
            );
            (*base, *plus) != expected
        })
        .map(|((sample, base, plus), recorded)| (sample.task_id, sample.kind, base, plus, recorded))
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

#[derive(Deserialize)]
struct ArenaHeader {
    ref_versions: BTreeMap<String, String>,
    new_versions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ArenaExample {
    ref_w: String,
    ref_wo: String,
    new_w: String,
    new_wo: String,
}

#[derive(Deserialize)]
struct ArenaGolden {
    header: ArenaHeader,
    broken_ref: BTreeMap<String, serde_json::Value>,
    broken_new: BTreeMap<String, serde_json::Value>,
    examples: BTreeMap<String, ArenaExample>,
}

/// The recorded verdicts that match the libraries installed here.
struct Column {
    is_pinned: bool,
    /// The arena's libraries that are installed in the recorded versions.
    libraries: Vec<String>,
}

impl Column {
    fn choose(header: &ArenaHeader, pool: &Pool) -> Self {
        let mut installed = pool.modules(Modules::Scientific).unwrap();
        installed.extend(pool.modules(Modules::Torch).unwrap());
        let here = |versions: &BTreeMap<String, String>| -> Vec<String> {
            let is_here =
                |(name, version): &(&String, &String)| installed.get(*name) == Some(version);
            versions
                .iter()
                .filter(is_here)
                .map(|(name, _)| name.clone())
                .collect()
        };
        let (pinned, newest) = (here(&header.ref_versions), here(&header.new_versions));
        let is_pinned = pinned.len() >= newest.len();
        Self {
            is_pinned,
            libraries: if is_pinned { pinned } else { newest },
        }
    }

    fn serves(&self, text: &str) -> bool {
        ["numpy", "torch", "sympy", "pandas", "scipy", "pytest"]
            .iter()
            .all(|name| !text.contains(name) || self.libraries.iter().any(|here| here == name))
    }

    fn ends(&self, example: &ArenaExample) -> (String, String) {
        let (with, without) = if self.is_pinned {
            (&example.ref_w, &example.ref_wo)
        } else {
            (&example.new_w, &example.new_wo)
        };
        (with.clone(), without.clone())
    }
}

/// The verdicts of the references, test by test, with and without the update. Tasks are left out if
/// they import a library that is not installed in a recorded version.
#[test]
#[ignore = "needs the conformance data: just conformance"]
fn arena_references_end_test_by_test_as_recorded() {
    let golden: ArenaGolden = golden("goldens/eval/arena_reference_verdicts.json");
    let file = shared("data/code_update_arena/arena.jsonl.gz");
    let arena = code_update_arena::read("code_update_arena", &file, Repairs::None).unwrap();
    let pool = Pool::start(&Settings::default()).unwrap();
    let column = Column::choose(&golden.header, &pool);
    let broken = if column.is_pinned {
        &golden.broken_ref
    } else {
        &golden.broken_new
    };
    let is_chosen =
        |task: &&Task| !broken.contains_key(&task.id) && column.serves(&arena.text(task));
    let chosen: Vec<&Task> = arena.tasks().iter().filter(is_chosen).collect();
    // Oracle: the counts in the recorded file, if every library is installed.
    let libraries = ["numpy", "torch", "sympy", "pandas", "scipy", "pytest"];
    let has_all = libraries
        .iter()
        .all(|name| column.libraries.iter().any(|here| here == name));
    let counts = if column.is_pinned { 570 } else { 565 };
    assert!(
        if has_all {
            chosen.len() == counts
        } else {
            chosen.len() > 200
        },
        "{}",
        chosen.len()
    );

    let ends = in_parallel(&pool, &chosen, |task| {
        let solution = arena.reference(task).unwrap();
        let run = |with_update| arena.letters(task, &solution, with_update, &pool).unwrap();
        (run(true), run(false))
    });

    let differing: Vec<_> = chosen
        .iter()
        .zip(ends)
        .map(|(task, ends)| (&task.id, ends, column.ends(&golden.examples[&task.id])))
        .filter(|(_, ends, recorded)| ends != recorded)
        .collect();
    assert!(differing.is_empty(), "of {}: {differing:#?}", chosen.len());
}

/// Every edit matches once in both formats of the file (reading fails otherwise), and the references
/// of the repaired tasks still pass with the update.
#[test]
#[ignore = "needs the conformance data: just conformance"]
fn the_papers_repairs_fit_the_published_data_and_its_references() {
    let read = |name: &str, repairs| {
        let file = shared(&format!("data/code_update_arena/{name}"));
        code_update_arena::read("code_update_arena", &file, repairs).unwrap()
    };
    let (published, mended) = (
        read("arena.jsonl.gz", Repairs::None),
        read("arena.jsonl.gz", Repairs::Paper),
    );
    let joined = read("arena_joined.jsonl.gz", Repairs::Paper);
    let changed: Vec<&Task> = mended
        .tasks()
        .iter()
        .filter(|task| mended.text(task) != published.text(task))
        .collect();
    // Oracle: the number of tasks that the overlay names, of 577.
    assert_eq!((mended.tasks().len(), changed.len()), (577, 13));
    for task in &changed {
        assert_eq!(mended.text(task), joined.text(task), "{}", task.id);
    }
    let pool = Pool::start(&Settings::default()).unwrap();
    let golden: ArenaGolden = golden("goldens/eval/arena_reference_verdicts.json");
    let column = Column::choose(&golden.header, &pool);
    let served: Vec<&Task> = changed
        .into_iter()
        .filter(|task| column.serves(&mended.text(task)))
        .collect();
    assert!(!served.is_empty());
    let ends = in_parallel(&pool, &served, |task| {
        let solution = mended.reference(task).unwrap();
        let judgement = mended.judge(task, &solution, &pool).unwrap();
        (task.id.clone(), judgement)
    });
    let failed: Vec<_> = ends
        .iter()
        .filter(|(_, end)| !end.passed || !end.measures["upass"])
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
