//! Several warm servers, used from several threads.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use super::{
    Answered, Answers, AnswersEnd, Call, Calls, Interpreter, Modules, Program, PythonError, Reply,
    Safeguards, Settings, Verdict,
    harness::Role,
    server::{DRIVER, Server},
};

/// Warm Python servers: as many programs run at the same time as there are workers.
#[derive(Debug)]
pub struct Pool {
    settings: Settings,
    interpreter: Interpreter,
    safeguards: Safeguards,
    idle: Mutex<Vec<Worker>>,
    returned: Condvar,
}

/// Whether something killed the program, so that there is no verdict on it yet.
trait MayBeKilled {
    /// The result if it is killed once more.
    fn killed() -> Self;

    fn is_killed(&self) -> bool;
}

/// A verdict, and the answer of a harness.
impl MayBeKilled for (Verdict, String) {
    fn killed() -> Self {
        (Verdict::KILLED, String::new())
    }

    fn is_killed(&self) -> bool {
        self.0 == Verdict::KILLED
    }
}

impl MayBeKilled for Answered {
    fn killed() -> Self {
        Self {
            end: AnswersEnd::Ended(Verdict::KILLED),
            is_loaded: false,
            count: 0,
        }
    }

    fn is_killed(&self) -> bool {
        self.end == AnswersEnd::Ended(Verdict::KILLED)
    }
}

impl MayBeKilled for Reply {
    fn killed() -> Self {
        Self::Killed
    }

    fn is_killed(&self) -> bool {
        *self == Self::Killed
    }
}

/// Whether something killed the program or its server.
fn is_killed<T: MayBeKilled>(result: &Result<T, PythonError>) -> bool {
    match result {
        Ok(result) => result.is_killed(),
        Err(error) => matches!(error, PythonError::Lost(_) | PythonError::Server { .. }),
    }
}

/// The servers of one worker, by what they have loaded; all except the smallest start when they are first needed.
type Worker = BTreeMap<(Role, Modules), Server>;

impl Pool {
    /// Finds Python, starts a server for each worker, and checks the protections of this system.
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
        // A server that did not start now may start when it is needed, or its error is returned then.
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
    /// An error is a failure to judge, never a failure of the program.
    pub fn run(&self, program: &Program) -> Result<Verdict, PythonError> {
        let modules = Modules::of_program(&program.source);
        let (verdict, _) = self.judge((Role::Candidate, modules), |server| server.run(program))?;
        Ok(verdict)
    }

    /// Runs a program by a harness: the verdict, and the harness's answer if the program passes.
    ///
    /// An error is a failure to judge, never a failure of the program.
    pub fn call(&self, call: &Call<'_>) -> Result<(Verdict, String), PythonError> {
        self.judge((Role::Candidate, call.modules), |server| server.call(call))
    }

    /// Lets a program answer calls by a harness; `answers` gets each answer as soon as it is there.
    ///
    /// An error is a failure to judge, never a failure of the program.
    pub fn answer(
        &self,
        calls: &Calls<'_>,
        answers: &mut dyn Answers,
    ) -> Result<Answered, PythonError> {
        self.judge((Role::Candidate, calls.call.modules), |server| {
            server.answer(calls, answers)
        })
    }

    /// Asks a harness to check something, in a process that runs no program.
    ///
    /// An error is a failure to judge.
    pub fn check(&self, call: &Call<'_>) -> Result<Reply, PythonError> {
        self.judge((Role::Checker, call.modules), |server| {
            Ok(server.check(call)?.map_or(Reply::Late, Reply::Text))
        })
    }

    /// The protections of this system.
    pub fn safeguards(&self) -> &Safeguards {
        &self.safeguards
    }

    /// The Python that runs the programs.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// The text of the driver that runs the programs: with another one, verdicts may differ.
    pub fn driver(&self) -> &'static str {
        DRIVER
    }

    /// The number of programs that run at the same time.
    pub fn workers(&self) -> usize {
        self.settings.workers.max(1)
    }

    /// The modules that a server loads beforehand, with their versions where they have one.
    pub fn modules(&self, modules: Modules) -> Result<BTreeMap<String, String>, PythonError> {
        self.with_worker(|worker| {
            self.work(worker, (Role::Candidate, modules), |server| {
                Ok(server.modules().clone())
            })
        })
    }

    /// Judges a program; once more, by a new server, if something killed the program or its server.
    ///
    /// No program can send the signal that kills. So the system did, which ends processes when memory runs out, or a
    /// person. If it happens again, the program is the cause.
    fn judge<T: MayBeKilled>(
        &self,
        kind: (Role, Modules),
        mut exchange: impl FnMut(&mut Server) -> Result<T, PythonError>,
    ) -> Result<T, PythonError> {
        self.with_worker(|worker| {
            let first = self.work(worker, kind, &mut exchange);
            if !is_killed(&first) {
                return first;
            }
            let server = self.start_server(kind.1)?;
            worker.insert(kind, server);
            match self.work(worker, kind, &mut exchange) {
                Err(PythonError::Lost(_)) => Ok(T::killed()),
                second => second,
            }
        })
    }

    fn with_worker<T>(&self, work: impl FnOnce(&mut Worker) -> T) -> T {
        let mut worker = self.take();
        let result = work(&mut worker);
        self.lock().push(worker);
        self.returned.notify_one();
        result
    }

    fn start_server(&self, modules: Modules) -> Result<Server, PythonError> {
        Server::start(&self.interpreter, &self.settings, modules)
    }

    fn work<T>(
        &self,
        worker: &mut Worker,
        kind: (Role, Modules),
        mut work: impl FnMut(&mut Server) -> Result<T, PythonError>,
    ) -> Result<T, PythonError> {
        let mut server = match worker.remove(&kind) {
            Some(server) => server,
            None => self.start_server(kind.1)?,
        };
        let result = work(&mut server)?;
        // A server that failed is dropped, which kills it: its next reply might be to this request.
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
        // A worker is consistent between two calls, even if a thread has panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
