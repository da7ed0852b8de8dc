//! How long a program has run, without the time in which it waited for a CPU.
//!
//! A limit of three seconds means three seconds on an idle machine. On a busy one the kernel makes a program wait for a
//! CPU, and reports for how long (`/proc/<pid>/schedstat`). Wall time minus that wait is the time that the program would
//! have taken alone, whether it computes or sleeps.

use std::{fs, path::PathBuf, process, thread, time::Duration};

/// Ticks of `/proc/<pid>/stat` per second, the same on every Linux that Python runs on.
const TICKS_PER_SECOND: u64 = 100;

/// The CPU time of a program, and its wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contention {
    /// The time in which the thread that waited most was ready to run and did not.
    waited: Duration,
    /// The time for which all threads ran, including those that have ended.
    ran: Duration,
}

impl Contention {
    /// Reads both for a process; `None` if the kernel does not report them.
    pub(super) fn of(process: u32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let mut waited = None;
        for thread in fs::read_dir(folder.join("task")).ok()? {
            // A thread may have ended meanwhile.
            let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else {
                continue;
            };
            waited = waited.max(waited_of(&text));
        }
        Some(Self {
            waited: waited?,
            ran: ran_of(&fs::read_to_string(folder.join("stat")).ok()?)?,
        })
    }

    /// What has been used since another measurement, without the first `age` after it: at most one CPU's time of that.
    pub(super) fn since(self, before: Self, age: Duration) -> Self {
        Self {
            waited: self.waited.saturating_sub(before.waited),
            ran: self.ran.saturating_sub(before.ran).saturating_sub(age),
        }
    }

    /// The time that a program would have taken on an idle machine, if it took `wall` here.
    ///
    /// Threads of a program that compete with each other gain no time: all CPUs together are the most that they can
    /// use.
    pub(super) fn quiet_time(self, wall: Duration) -> Duration {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
        wall.saturating_sub(self.waited).max(self.ran / cpus)
    }
}

/// Whether this system reports how long a process waits for a CPU; where it does not, time limits are by the clock.
pub fn are_time_limits_exact() -> bool {
    Contention::of(process::id()).is_some()
}

/// The second number: nanoseconds on a run queue.
fn waited_of(schedstat: &str) -> Option<Duration> {
    let waited = schedstat.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(waited))
}

/// The sum of fields 14 and 15, counted from 1: ticks in user mode and in the kernel. The second field is a name in
/// brackets, which may contain anything.
fn ran_of(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + kernel) * 1000 / TICKS_PER_SECOND,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_on_a_run_queue_does_not_count() {
        let contention = Contention {
            waited: Duration::from_secs(4),
            ran: Duration::from_secs(1),
        };
        // 6 seconds by the clock: 4 waiting, 1 running, so 1 sleeping.
        assert_eq!(
            contention.quiet_time(Duration::from_secs(6)),
            Duration::from_secs(2)
        );
    }

    #[test]
    fn what_was_used_before_does_not_count() {
        let seconds = |waited, ran| Contention {
            waited: Duration::from_secs(waited),
            ran: Duration::from_secs(ran),
        };
        // By hand: of 6 and 9 seconds, 2 and 4 were used before, and one more second ran before the limit began.
        let since = seconds(6, 9).since(seconds(2, 4), Duration::from_secs(1));
        assert_eq!(since, seconds(4, 4));
    }

    #[test]
    fn threads_that_wait_for_each_other_gain_no_time() {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let wall = Duration::from_secs(8);
        let contention = Contention {
            waited: Duration::from_secs(6),
            ran: wall * u32::try_from(processors).unwrap(),
        };
        assert_eq!(contention.quiet_time(wall), wall);
    }

    #[test]
    fn the_kernel_s_files_are_read_whatever_a_program_calls_itself() {
        // Oracle: the columns of proc_pid_stat(5).
        let stat = "7 (a) 9 (b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1";
        assert_eq!(ran_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(
            waited_of("101550 2000000000 1\n"),
            Some(Duration::from_secs(2))
        );
        assert_eq!(waited_of(""), None);
    }
}
