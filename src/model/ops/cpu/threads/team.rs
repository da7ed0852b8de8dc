//! Threads that wait for the next piece of work without sleeping.
//!
//! A pass of a small model starts some thirty pieces of parallel work of ten microseconds each.
//! Putting a thread to sleep in between and waking it takes as long as the work. So the threads of
//! the team look for work during [`PATIENCE`] before they sleep, which is longer than the time
//! between two products of a pass. The thread that hands out work takes part in it.

#![expect(
    unsafe_code,
    reason = "threads that outlive a piece of work borrow from the caller, which waits for its end"
)]

use std::{
    any::Any,
    cell::UnsafeCell,
    fmt,
    hint::spin_loop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rayon::prelude::*;

/// How long a thread looks for work before it sleeps.
const PATIENCE: Duration = Duration::from_micros(200);

/// How often a thread looks for work before it checks the clock and yields the processor.
const LOOKS: usize = 256;

/// Does `work` on every part, on several threads, in no particular order.
///
/// Within a thread of rayon, the pool of that thread does the work: in training, each micro-batch
/// has a pool of one thread. A second caller at the same time does its work alone.
///
/// # Panics
///
/// If `work` does.
pub(in crate::model::ops::cpu) fn each<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync + Send) {
    static TEAM: OnceLock<Team> = OnceLock::new();
    if parts.len() <= 1 {
        parts.into_iter().for_each(work);
    } else if rayon::current_thread_index().is_some() {
        parts.into_par_iter().for_each(work);
    } else {
        let team = TEAM.get_or_init(|| Team::new(rayon::current_num_threads()));
        team.each(parts, work);
    }
}

/// Some threads, and the work that they share.
#[derive(Debug)]
struct Team {
    board: Arc<Board>,
    /// Held by the thread that hands out work.
    turn: Mutex<()>,
}

/// What the threads of the team look at.
#[derive(Default)]
struct Board {
    /// See [`State`].
    state: AtomicU64,
    /// Valid while the state is open or a thread is at work.
    work: UnsafeCell<Option<Work>>,
    sleepers: AtomicUsize,
    door: Mutex<()>,
    bell: Condvar,
    /// The payload of the first panic of a thread.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A piece of work. [`Team::run`] keeps it alive until it has ended.
#[derive(Clone, Copy)]
struct Work {
    work: *const (),
    /// Calls `work`, which must be alive and may be called by several threads.
    call: unsafe fn(*const ()),
}

impl Work {
    fn of<F: Fn() + Sync>(work: &F) -> Self {
        /// # Safety
        ///
        /// `work` is a live `F`.
        unsafe fn call<F: Fn()>(work: *const ()) {
            // SAFETY: the caller's promise.
            unsafe { (*work.cast::<F>())() }
        }
        Self {
            work: std::ptr::from_ref(work).cast(),
            call: call::<F>,
        }
    }
}

// SAFETY: only the thread that holds the turn writes `work`, before it opens the state and after it
// has closed it and has seen that no thread is at work. Only threads at work read it. `Work::of`
// requires `Sync`.
unsafe impl Send for Board {}
// SAFETY: as above.
unsafe impl Sync for Board {}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

/// The number of a piece of work, whether threads may still join it, and how many are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State(u64);

impl State {
    /// One thread at work. There are fewer than `OPEN` threads.
    const ONE: u64 = 1;
    const OPEN: u64 = 1 << 16;
    const NEXT: u64 = 1 << 17;

    fn is_open(self) -> bool {
        self.0 & Self::OPEN != 0
    }

    fn at_work(self) -> u64 {
        self.0 % Self::OPEN
    }

    fn number(self) -> u64 {
        self.0 / Self::NEXT
    }
}

impl Team {
    /// A team of so many threads, including the one that hands out work.
    fn new(threads: usize) -> Self {
        let board = Arc::new(Board::default());
        for index in 1..threads {
            let board = Arc::clone(&board);
            let thread = thread::Builder::new().name(format!("team-{index}"));
            // A smaller team does all of the work as well.
            if thread.spawn(move || board.serve()).is_err() {
                break;
            }
        }
        Self {
            board,
            turn: Mutex::new(()),
        }
    }

    fn each<T: Send>(&self, parts: Vec<T>, work: impl Fn(T) + Sync) {
        let parts = Mutex::new(parts.into_iter());
        let next = || loop {
            // The lock is held for an instant, so that sleeping would take longer.
            match parts.try_lock() {
                Ok(mut parts) => return parts.next(),
                Err(_) => spin_loop(),
            }
        };
        self.run(&|| {
            while let Some(part) = next() {
                work(part);
            }
        });
    }

    /// Calls `work` on this thread and on those that are free, and returns when all calls have
    /// ended.
    fn run<F: Fn() + Sync>(&self, work: &F) {
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            // `work` has panicked, which does not affect the turn.
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            // Another thread has the turn, or this work is part of other work.
            Err(TryLockError::WouldBlock) => return work(),
        };
        let board = &*self.board;
        board.take_panic();
        // SAFETY: this thread has the turn, the state is closed, and no thread is at work.
        unsafe { *board.work.get() = Some(Work::of(work)) };
        board
            .state
            .fetch_add(State::NEXT | State::OPEN, Ordering::SeqCst);
        if board.sleepers.load(Ordering::SeqCst) > 0 {
            let _door = board.door.lock().unwrap_or_else(PoisonError::into_inner);
            board.bell.notify_all();
        }
        let closing = Closing(board);
        work();
        drop(closing);
        if let Some(panic) = board.take_panic() {
            resume_unwind(panic);
        }
    }
}

/// Lets no more threads join the work, and waits for those that are at work.
struct Closing<'a>(&'a Board);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let state = &self.0.state;
        state.fetch_and(!State::OPEN, Ordering::AcqRel);
        let mut looks = 0_usize;
        while State(state.load(Ordering::Acquire)).at_work() > 0 {
            looks += 1;
            if looks.is_multiple_of(LOOKS) {
                // With more threads than processors, the other thread may be waiting for this
                // processor.
                thread::yield_now();
            } else {
                spin_loop();
            }
        }
    }
}

impl Board {
    fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        panic.take()
    }

    /// The loop of a thread of the team, which runs as long as the program.
    fn serve(&self) {
        let mut last = 0;
        loop {
            last = self.enter(last);
            // SAFETY: this thread is at work, so that no thread writes until it has left.
            let work = unsafe { *self.work.get() };
            let result = work.map_or(Ok(()), |Work { work, call }| {
                // SAFETY: the caller waits until this thread has left, even if the work panics.
                catch_unwind(AssertUnwindSafe(|| unsafe { call(work) }))
            });
            if let Err(panic) = result {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(panic);
            }
            self.state.fetch_sub(State::ONE, Ordering::AcqRel);
        }
    }

    /// Waits for a piece of work other than `last`, begins it, and returns its number.
    fn enter(&self, last: u64) -> u64 {
        let mut since = Instant::now();
        let mut looks = 0_usize;
        loop {
            if let Some(number) = self.try_enter(last) {
                return number;
            }
            looks += 1;
            spin_loop();
            if looks.is_multiple_of(LOOKS) {
                if since.elapsed() > PATIENCE {
                    self.sleep(last);
                    since = Instant::now();
                }
                // This costs nothing if no other thread wants the processor.
                thread::yield_now();
            }
        }
    }

    fn try_enter(&self, last: u64) -> Option<u64> {
        let state = State(self.state.load(Ordering::SeqCst));
        if !state.is_open() || state.number() == last {
            return None;
        }
        self.state
            .compare_exchange(
                state.0,
                state.0 + State::ONE,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
            .then(|| state.number())
    }

    /// Sleeps until the bell rings, unless there is work.
    fn sleep(&self, last: u64) {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread that hands out work opens the state and then reads `sleepers`. Here the order
        // is the reverse, so that at least one of the two notices the other.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let state = State(self.state.load(Ordering::SeqCst));
        if !state.is_open() || state.number() == last {
            // Waking up without work costs one round of looking for it.
            drop(self.bell.wait(door).unwrap_or_else(PoisonError::into_inner));
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Increments each of many numbers once, on the team, and returns their sum.
    fn count(team: &Team, parts: usize) -> usize {
        let sums: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
        team.each((0..parts).collect(), |part| {
            sums[part].fetch_add(1, Ordering::Relaxed);
        });
        assert!(sums.iter().all(|sum| sum.load(Ordering::Relaxed) == 1));
        sums.iter().map(|sum| sum.load(Ordering::Relaxed)).sum()
    }

    #[test]
    fn every_part_is_done_once_whether_threads_sleep_or_not() {
        for threads in 1..6 {
            let team = Team::new(threads);
            for round in 0..2_000 {
                assert_eq!(count(&team, round % 7), round % 7);
                if round % 500 == 0 {
                    // Until the threads sleep, or are about to sleep.
                    thread::sleep(PATIENCE + Duration::from_micros(round as u64 / 5));
                }
            }
        }
    }

    #[test]
    fn several_callers_and_work_within_work_end() {
        let team = Team::new(3);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let sum = AtomicUsize::new(0);
                        team.each((0..5).collect(), |_: u32| {
                            sum.fetch_add(count(&team, 3), Ordering::Relaxed);
                        });
                        assert_eq!(sum.into_inner(), 15);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_is_the_callers_and_the_team_goes_on() {
        let team = Team::new(3);
        for bad in 0..20_u32 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                team.each((0..20).collect(), |part: u32| assert_ne!(part, bad));
            }));
            assert!(result.is_err());
            assert_eq!(count(&team, 20), 20);
        }
    }
}
