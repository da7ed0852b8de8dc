//! Pools: their workers, and the interpreter that they start.

use std::thread;

use super::fixture::{pool, program};
use crate::sandbox::{Pool, Settings, Verdict};

#[test]
fn several_threads_share_the_workers() {
    let pool = pool(2);
    let verdicts: Vec<Verdict> = thread::scope(|scope| {
        let runs: Vec<_> = (0..6)
            .map(|number| {
                let pool = &pool;
                let source = format!("assert {number} % 2 == 0");
                scope.spawn(move || pool.run(&program(&source)).unwrap())
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let letters: String = verdicts.iter().map(Verdict::letter).collect();
    assert_eq!(letters, "PAPAPA");
}

#[test]
fn an_interpreter_that_is_not_there_is_an_error_with_its_name() {
    let settings = Settings {
        interpreter: "no-such-python".into(),
        ..Settings::default()
    };
    let error = Pool::start(&settings).unwrap_err();
    assert_eq!(error.to_string(), "cannot run Python as `no-such-python`");
}
