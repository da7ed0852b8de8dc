//! Time limits are those of an idle machine.

#[cfg(target_os = "linux")]
use std::thread;
use std::time::Duration;

use super::fixture::{pool, program};
#[cfg(target_os = "linux")]
use crate::sandbox::Pool;
use crate::sandbox::{Program, Verdict};

#[test]
fn a_program_without_end_is_killed_in_time_and_the_next_one_runs() {
    let pool = pool(1);
    let timeout = Duration::from_millis(300);
    let endless = Program {
        timeout,
        ..program("while True: pass")
    };

    assert_eq!(pool.run(&endless).unwrap(), Verdict::Timeout);
    assert_eq!(pool.run(&program("pass")).unwrap(), Verdict::Pass);
}

#[test]
fn a_program_whose_time_is_over_at_once_is_late_and_judged() {
    let pool = pool(1);
    for _ in 0..20 {
        let endless = Program {
            timeout: Duration::from_micros(10),
            ..program("while True: pass")
        };
        assert_eq!(pool.run(&endless).unwrap(), Verdict::Timeout);
    }
    assert_eq!(pool.run(&program("pass")).unwrap(), Verdict::Pass);
}

/// Runs `work` on one CPU together with three threads that do nothing but use it.
#[cfg(target_os = "linux")]
fn on_a_busy_processor<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let all = sched_getaffinity(None).unwrap();
            let mut one = CpuSet::new();
            one.set((0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap());
            sched_setaffinity(None, &one).unwrap();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while !is_done.load(Ordering::Relaxed) {
                            std::hint::spin_loop();
                        }
                    });
                }
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                is_done.store(true, Ordering::Relaxed);
                result.unwrap()
            })
        });
        worker.join().unwrap()
    })
}

#[test]
#[cfg(target_os = "linux")]
fn time_limits_are_those_of_a_quiet_machine() {
    // By the clock, each takes about four times as long as it runs.
    let spin = "import time
while time.process_time() < {}:
    pass";
    let run = |pool: &Pool, source: &str| {
        let verdict = pool.run(&Program {
            source: source.to_owned(),
            timeout: Duration::from_secs(1),
            seed: 0,
        });
        verdict.unwrap()
    };
    let (enough, too_much, asleep) = on_a_busy_processor(|| {
        let pool = pool(1);
        (
            run(&pool, &spin.replace("{}", "0.6")),
            run(&pool, &spin.replace("{}", "1.6")),
            run(&pool, "import time; time.sleep(1.6)"),
        )
    });

    assert_eq!(enough, Verdict::Pass);
    assert_eq!(too_much, Verdict::Timeout);
    assert_eq!(
        asleep,
        Verdict::Timeout,
        "sleeping is not waiting for a CPU"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn emptying_the_scratch_folder_is_not_the_program_s_time() {
    // Two thousand folders take the server longer than what is left of the program's time.
    let source = "import os, time
start = time.monotonic()
for number in range(2000):
    os.mkdir(str(number))
while time.monotonic() < start + 0.49:
    pass";
    let busy = Program {
        timeout: Duration::from_millis(500),
        ..program(source)
    };
    assert_eq!(pool(1).run(&busy).unwrap(), Verdict::Pass);
}
