//! Threads that wait for the next piece of work without going to sleep.
//!
//! A pass of a small model hands work over some thirty times, for ten microseconds each. Putting a
//! thread to sleep in between and waking it takes as long as the work. So the threads of the team
//! look for work during [`PATIENCE`] before they sleep, which is longer than all that lies between
//! two products of a pass, and whoever hands work over takes part in it.

#![expect(
    unsafe_code,
    reason = "threads that outlive a piece of work borrow from whoever waits for its end"
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

/// Looks between two looks at the clock, or before others get the processor.
const LOOKS: usize = 256;

/// Does `work` on every part, by several threads at a time; the order is nobody's.
///
/// In a thread of rayon's the pool of that thread does it: a training has a pool of one thread for
/// each micro-batch. A second caller at the same time works alone.
///
/// # Panics
///
/// If `work` does.
pub(in crate::model) fn each<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync + Send) {
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

/// Some threads, and what they are doing.
#[derive(Debug)]
struct Team {
    board: Arc<Board>,
    /// Held by who hands out work.
    turn: Mutex<()>,
}

/// What a thread of the team looks at.
#[derive(Default)]
struct Board {
    /// See [`State`].
    state: AtomicU64,
    /// Whole while the state is open or somebody is at work.
    work: UnsafeCell<Option<Work>>,
    sleepers: AtomicUsize,
    door: Mutex<()>,
    bell: Condvar,
    /// What a thread has panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A piece of work, which lives as long as [`Team::run`] that waits for its end.
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

// SAFETY: `work` is written by the one who holds the turn, before it opens the state and after it has
// closed it and seen nobody at work; it is read by those at work alone. `Work::of` asks for `Sync`.
unsafe impl Send for Board {}
// SAFETY: as above.
unsafe impl Sync for Board {}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

/// The number of a piece of work, whether it is open to those who come, and how many are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State(u64);

impl State {
    /// One thread at work; there are fewer than `OPEN`.
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
    /// A team of so many threads, the one that hands out work among them.
    fn new(threads: usize) -> Self {
        let board = Arc::new(Board::default());
        for index in 1..threads {
            let board = Arc::clone(&board);
            let thread = thread::Builder::new().name(format!("team-{index}"));
            // A team with a thread less does all the work as well.
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
            // Held for an instant: nobody sleeps for it.
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

    /// Has whoever is free call `work`, this thread among them, and returns when all calls have ended.
    fn run<F: Fn() + Sync>(&self, work: &F) {
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            // Left behind by a panic of `work`, which has no part in the turn.
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            // Somebody else's turn, or this is a piece of work that hands out work.
            Err(TryLockError::WouldBlock) => return work(),
        };
        let board = &*self.board;
        board.take_panic();
        // SAFETY: it is this thread's turn, the state is closed, and nobody is at work.
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

/// Closes the work to those who come late, and waits for those who are at it.
struct Closing<'a>(&'a Board);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let state = &self.0.state;
        state.fetch_and(!State::OPEN, Ordering::AcqRel);
        let mut looks = 0_usize;
        while State(state.load(Ordering::Acquire)).at_work() > 0 {
            looks += 1;
            if looks.is_multiple_of(LOOKS) {
                // Where threads are more than processors, the other may be waiting for this one's.
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

    /// What a thread of the team does, as long as the program runs.
    fn serve(&self) {
        let mut last = 0;
        loop {
            last = self.enter(last);
            // SAFETY: this thread is at work, so that nobody writes until it leaves.
            let work = unsafe { *self.work.get() };
            let result = work.map_or(Ok(()), |Work { work, call }| {
                // SAFETY: who handed it out waits, also where the work panics, until this thread leaves.
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
                // Costs nothing where nobody else wants the processor.
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
        // Who hands out work opens it, then counts the sleepers; here the order is the other way round,
        // so that one of the two sees the other.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let state = State(self.state.load(Ordering::SeqCst));
        if !state.is_open() || state.number() == last {
            // Waking up for nothing costs one round of looks.
            drop(self.bell.wait(door).unwrap_or_else(PoisonError::into_inner));
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has a team count up each of many numbers once, and returns their sum.
    fn count(team: &Team, parts: usize) -> usize {
        let sums: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
        team.each((0..parts).collect(), |part| {
            sums[part].fetch_add(1, Ordering::Relaxed);
        });
        assert!(sums.iter().all(|sum| sum.load(Ordering::Relaxed) == 1));
        sums.iter().map(|sum| sum.load(Ordering::Relaxed)).sum()
    }

    #[test]
    fn every_part_is_done_once_whoever_sleeps() {
        for threads in 1..6 {
            let team = Team::new(threads);
            for round in 0..2_000 {
                assert_eq!(count(&team, round % 7), round % 7);
                if round % 500 == 0 {
                    // Until the threads sleep, or are about to.
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
