//! Several warm servers, used from several threads.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use super::{
    Call, Interpreter, Modules, PythonError, Role, Safeguards, Settings, Verdict,
    server::{DRIVER, Server},
};

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its text; it runs as `exec(source, {})` does, so `__name__` is `builtins`.
    pub source: String,
    /// When it is killed, by the time that it would have taken on a quiet machine.
    pub timeout: Duration,
}

/// Warm Python servers: as many programs run side by side as there are workers.
#[derive(Debug)]
pub struct Pool {
    settings: Settings,
    interpreter: Interpreter,
    safeguards: Safeguards,
    idle: Mutex<Vec<Worker>>,
    returned: Condvar,
}

/// The servers of one worker, by what they have loaded; all but the slimmest are started when they are
/// first needed.
type Worker = BTreeMap<(Role, Modules), Server>;

impl Pool {
    /// Finds Python, starts a server for each worker and looks at what protects this system from them.
    pub fn start(settings: &Settings) -> Result<Self, PythonError> {
        let interpreter = Interpreter::find(&settings.interpreter)?;
        let start = || Server::start(&interpreter, settings, Modules::Standard);
        let (first, others) = thread::scope(|scope| {
            let others: Vec<_> = (1..settings.workers).map(|_| scope.spawn(start)).collect();
            let first = start();
            let others = others.into_iter().map(|one| one.join().ok()?.ok());
            (first, others.collect::<Vec<_>>())
        });
        let first = first?;
        let safeguards = first.safeguards().clone();
        if !safeguards.is_complete() && !settings.is_unsandboxed_allowed {
            return Err(PythonError::Unprotected {
                missing: safeguards,
            });
        }
        // What did not start now may start when it is needed, or says then why it does not.
        let servers = others.into_iter().chain([Some(first)]);
        let kind = (Role::Candidate, Modules::Standard);
        let workers = servers
            .map(|server| server.map(|server| (kind, server)).into_iter().collect())
            .collect();
        Ok(Self {
            settings: settings.clone(),
            interpreter,
            safeguards,
            idle: Mutex::new(workers),
            returned: Condvar::new(),
        })
    }

    /// Runs a program; waits for a worker if all are busy.
    ///
    /// An error is a failure to judge, never the program's.
    pub fn run(&self, program: &Program) -> Result<Verdict, PythonError> {
        let modules = Modules::of_program(&program.source);
        self.with_server((Role::Candidate, modules), |server| {
            server.run(&program.source, program.timeout)
        })
    }

    /// Lets a harness run a program: how it ended, and what the harness says if it passed.
    ///
    /// An error is a failure to judge, never the program's.
    pub fn call(&self, call: &Call<'_>) -> Result<(Verdict, String), PythonError> {
        self.with_server((call.role, call.modules), |server| server.call(call))
    }

    /// Which protections hold here.
    pub fn safeguards(&self) -> &Safeguards {
        &self.safeguards
    }

    /// Which Python runs the programs.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// The text of what runs the programs: with another one, verdicts may differ.
    pub fn driver(&self) -> &'static str {
        DRIVER
    }

    /// How many programs run side by side.
    pub fn workers(&self) -> usize {
        self.settings.workers.max(1)
    }

    /// The modules that a server loads beforehand, with their versions where they tell one.
    pub fn modules(&self, modules: Modules) -> Result<BTreeMap<String, String>, PythonError> {
        self.with_server((Role::Candidate, modules), |server| {
            Ok(server.modules().clone())
        })
    }

    fn with_server<T>(
        &self,
        kind: (Role, Modules),
        work: impl FnOnce(&mut Server) -> Result<T, PythonError>,
    ) -> Result<T, PythonError> {
        let mut worker = self.take();
        let result = self.work(&mut worker, kind, work);
        self.lock().push(worker);
        self.returned.notify_one();
        result
    }

    fn work<T>(
        &self,
        worker: &mut Worker,
        kind: (Role, Modules),
        work: impl FnOnce(&mut Server) -> Result<T, PythonError>,
    ) -> Result<T, PythonError> {
        let mut server = match worker.remove(&kind) {
            Some(server) => server,
            None => Server::start(&self.interpreter, &self.settings, kind.1)?,
        };
        let result = work(&mut server)?;
        // A server that failed is dropped, and so killed: its next answer might be to this request.
        if !server.is_spent() {
            worker.insert(kind, server);
        }
        Ok(result)
    }

    fn take(&self) -> Worker {
        let mut idle = self.lock();
        loop {
            match idle.pop() {
                Some(worker) => return worker,
                None => {
                    idle = self
                        .returned
                        .wait(idle)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Worker>> {
        // Workers are whole between two calls, whatever a thread that panicked was doing.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(workers: usize) -> Pool {
        Pool::start(&Settings {
            workers,
            ..Settings::default()
        })
        .unwrap()
    }

    fn program(source: &str) -> Program {
        Program {
            source: source.to_owned(),
            timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn each_way_to_end_has_its_verdict() {
        let pool = pool(1);
        let cases = [
            ("assert 1 + 1 == 2", "pass"),
            ("assert 1 + 1 == 3", "assertion"),
            ("{}['key']", "error"),
            ("def f(:", "error"),
            ("raise SystemExit(0)", "error"),
            ("import os; os._exit(0)", "died"),
            ("import ctypes; ctypes.string_at(0)", "died"),
            ("assert __name__ == 'builtins'", "pass"),
        ];
        for (source, expected) in cases {
            let verdict = pool.run(&program(source)).unwrap();
            assert_eq!(verdict.name(), expected, "{source}: {verdict:?}");
        }
    }

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

    /// Does `work` on one processor, for which three idle threads compete.
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
        // By the clock each takes about four times as long as it runs.
        let spin = "import time
while time.process_time() < {}:
    pass";
        let run = |pool: &Pool, source: &str| {
            let verdict = pool.run(&Program {
                source: source.to_owned(),
                timeout: Duration::from_secs(1),
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
        assert_eq!(asleep, Verdict::Timeout, "who sleeps waits for nobody");
    }

    #[test]
    fn programs_do_not_see_what_earlier_ones_did() {
        let pool = pool(1);
        let leave = "import math; math.pi = 3; open('left', 'w').write('x')";
        let look = "import math, os; assert math.pi > 3 and os.listdir('.') == [], os.listdir('.')";

        assert_eq!(pool.run(&program(leave)).unwrap(), Verdict::Pass);
        assert_eq!(pool.run(&program(look)).unwrap(), Verdict::Pass);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn nothing_that_a_program_does_to_the_pipes_reaches_the_next_one() {
        let pool = pool(1);
        let each = "import fcntl, os
for number in range(3, 64):
    for way in (os.O_RDONLY, os.O_WRONLY):
        try:
            {}
        except (OSError, ValueError):
            pass
";
        let open = "end = os.open(f'/proc/self/fd/{number}', way | os.O_NONBLOCK)";
        for (deed, verdicts) in [
            // What stays readable in the one pipe would be the next program's nonce.
            (
                format!("{open}; os.write(end, b'x' * 1000)"),
                ["pass", "forged"].as_slice(),
            ),
            (format!("{open}; os.read(end, 1000)"), &["error"]),
            ("os.set_blocking(number, False)".to_owned(), &["pass"]),
            // Pipes of packets.
            (
                "fcntl.fcntl(number, fcntl.F_SETFL, os.O_DIRECT | os.O_NONBLOCK)".to_owned(),
                &["pass"],
            ),
            ("os.close(number)".to_owned(), &["died"]),
            ("os.write(number, b'')".to_owned(), &["pass"]),
        ] {
            let verdict = pool.run(&program(&each.replace("{}", &deed))).unwrap();
            assert!(verdicts.contains(&verdict.name()), "{deed}: {verdict:?}");
            assert_eq!(pool.run(&program("pass")).unwrap(), Verdict::Pass, "{deed}");
            let long = format!("raise ValueError('{}')", "y".repeat(2000));
            assert_eq!(pool.run(&program(&long)).unwrap().name(), "error", "{deed}");
        }
    }

    #[test]
    fn no_jump_in_the_frame_above_is_a_pass() {
        let pool = pool(1);
        let traced = "import ctypes, sys
above, jumps = sys._getframe().f_back, []
def jump(_, frame, what, argument):
    if frame is above and what == 2 and not jumps:
        jumps.append(1)
        frame.f_lineno += DELTA
    return 0
function = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.py_object, ctypes.c_int, ctypes.c_void_p)
hook = function(jump)
above.f_trace = jump
__builtins__['kept'] = hook
ctypes.pythonapi.PyEval_SetTrace(hook, None)
assert False";
        let monitored = "import sys
above, jumps = sys._getframe().f_back, []
def jump(code, number):
    frame = sys._getframe(1)
    if frame is above and not jumps:
        jumps.append(1)
        frame.f_lineno += DELTA
monitoring = sys.monitoring
monitoring.use_tool_id(4, 'x')
monitoring.register_callback(4, monitoring.events.LINE, jump)
monitoring.set_events(4, monitoring.events.LINE)
assert False";
        for source in [traced, monitored] {
            for delta in (-4..=12).filter(|delta| *delta != 0) {
                let program = Program {
                    timeout: Duration::from_secs(2),
                    ..program(&source.replace("DELTA", &delta.to_string()))
                };
                let verdict = pool.run(&program).unwrap();
                assert!(!verdict.is_pass(), "{delta}: {source}");
            }
        }
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

    #[test]
    fn a_flood_of_words_is_no_message_and_ends_the_program() {
        let pool = pool(1);
        let flood = "import os
while True:
    for number in range(3, 64):
        try:
            os.write(number, b'P' * 4096)
        except OSError:
            pass";

        let flood = Program {
            timeout: Duration::from_millis(300),
            ..program(flood)
        };
        assert_eq!(pool.run(&flood).unwrap(), Verdict::Forged);
        assert_eq!(pool.run(&program("pass")).unwrap(), Verdict::Pass);
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

    #[test]
    fn a_program_of_megabytes_is_read_whole() {
        let source = format!(
            "text = '{}'\nassert len(text) == 3_000_000",
            "x".repeat(3_000_000)
        );
        assert_eq!(pool(1).run(&program(&source)).unwrap(), Verdict::Pass);
    }

    #[test]
    fn every_program_draws_random_numbers_of_its_own() {
        let pool = pool(1);
        let draw = program("import random; raise ValueError(random.random(), random.gauss(0, 1))");

        let (one, other) = (pool.run(&draw).unwrap(), pool.run(&draw).unwrap());

        assert_eq!((one.name(), other.name()), ("error", "error"));
        assert_ne!(one, other);
    }

    #[test]
    fn a_program_may_start_threads_and_runs_in_the_main_one() {
        let source = "import os, signal, threading
native = []
thread = threading.Thread(target=lambda: native.append(threading.get_native_id()))
thread.start()
thread.join()
assert native[0] != threading.get_native_id() == os.getpid()
assert threading.current_thread() is threading.main_thread()
signal.signal(signal.SIGALRM, signal.SIG_DFL)";

        assert_eq!(pool(1).run(&program(source)).unwrap(), Verdict::Pass);
    }

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
}
