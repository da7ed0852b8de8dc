//! The loop: polls the workers and starts jobs that are ready, until none is left.

use std::{thread, time::Instant};

use super::{
    End, Event, ScheduleError, Scheduler, Summary,
    track::{Phase, Track, Worker, blocked, ready},
};
use crate::{
    launch::{Ended, Order},
    plan::Job,
    results::{Holder, JobState, exit_code, in_words},
};

impl Scheduler<'_> {
    /// Runs the jobs that are not done; a failed job blocks only those that need it.
    pub fn run(&mut self, jobs: &[Job]) -> Result<Summary, ScheduleError> {
        let mut tracks = self.survey(jobs)?;
        let mut stopping: Option<Instant> = None;
        loop {
            let requests = (self.stop_requests)();
            if requests > 0 && stopping.is_none() {
                self.ask_to_stop(&mut tracks);
                stopping = Some(Instant::now());
            }
            let out_of_patience =
                stopping.is_some_and(|since| since.elapsed() > self.settings.patience);
            if requests > 1 || out_of_patience {
                tracks
                    .iter_mut()
                    .filter_map(Track::worker)
                    .for_each(|w| w.process.kill());
            }
            for track in &mut tracks {
                self.poll(track, stopping.is_some());
            }
            if stopping.is_none() {
                self.start_ready(&mut tracks);
            }
            if tracks.iter().all(|track| track.end().is_some()) {
                let end = |track: Track<'_>| match track.phase {
                    Phase::Over(end) => (track.job.id.clone(), end),
                    _ => (track.job.id.clone(), End::Stopped),
                };
                return Ok(Summary {
                    ends: tracks.into_iter().map(end).collect(),
                });
            }
            check_for_cycle(&tracks)?;
            thread::sleep(self.settings.interval);
        }
    }

    /// Finds out which jobs are done, and checks that every job they need is planned or done.
    fn survey<'a>(&mut self, jobs: &'a [Job]) -> Result<Vec<Track<'a>>, ScheduleError> {
        let mut tracks: Vec<Track<'a>> = Vec::new();
        for job in jobs {
            let dir = self.store.job_dir(&job.id);
            let is_done = dir.outcome().is_some();
            let id = job.id.clone();
            let (event, phase) = if is_done {
                (Event::Reused { job: id }, Phase::Over(End::Reused))
            } else {
                (Event::Queued { job: id }, Phase::Waiting)
            };
            self.listener.hear(&event);
            tracks.push(Track {
                job,
                dir,
                phase,
                failures: 0,
            });
        }
        for track in tracks.iter().filter(|track| !track.is_done()) {
            for upstream in &track.job.after {
                let is_planned = tracks.iter().any(|other| other.id() == upstream);
                if !is_planned && self.store.job_dir(upstream).outcome().is_none() {
                    let (job, upstream) = (track.id().clone(), upstream.clone());
                    return Err(ScheduleError::UnknownUpstream { job, upstream });
                }
            }
        }
        Ok(tracks)
    }

    /// Asks the workers to end; jobs without a worker are not started.
    fn ask_to_stop(&mut self, tracks: &mut [Track<'_>]) {
        let mut running = 0;
        for track in tracks {
            match &mut track.phase {
                Phase::Running(worker) => {
                    worker.process.stop();
                    running += 1;
                }
                Phase::Waiting | Phase::Held => track.phase = Phase::Over(End::Stopped),
                Phase::Over(_) => {}
            }
        }
        self.listener.hear(&Event::Stopping { running });
    }

    /// Polls a running job.
    fn poll(&mut self, track: &mut Track<'_>, is_stopping: bool) {
        if matches!(track.phase, Phase::Held) {
            self.poll_held(track);
        }
        let Phase::Running(worker) = &mut track.phase else {
            return;
        };
        match worker.process.poll() {
            Ok(None) => {
                let note = track
                    .dir
                    .note()
                    .filter(|note| note.attempt == worker.attempt);
                let progress = note.and_then(|note| note.progress);
                if let Some(progress) = progress.filter(|new| worker.progress.as_ref() != Some(new))
                {
                    worker.progress = Some(progress.clone());
                    self.listener.hear(&Event::Progress {
                        job: track.id().clone(),
                        progress,
                    });
                }
            }
            Ok(Some(ended)) => self.conclude(track, ended, is_stopping),
            Err(error) => self.fail(track, in_words(&error), is_stopping),
        }
    }

    /// Polls a job that another process runs.
    fn poll_held(&mut self, track: &mut Track<'_>) {
        match track.dir.state() {
            Ok(JobState::Running { .. }) => {}
            Ok(JobState::Done) => {
                self.listener.hear(&Event::Reused {
                    job: track.id().clone(),
                });
                track.phase = Phase::Over(End::Reused);
            }
            // The other process has given up: this one may run the job.
            Ok(_) => track.phase = Phase::Waiting,
            Err(error) => self.fail(track, in_words(&error), false),
        }
    }

    fn start_ready(&mut self, tracks: &mut [Track<'_>]) {
        while let Some((position, by)) = blocked(tracks) {
            let job = tracks[position].id().clone();
            self.listener.hear(&Event::Blocked {
                job,
                by: by.clone(),
            });
            tracks[position].phase = Phase::Over(End::Blocked { by });
        }
        for position in ready(tracks) {
            let running = tracks.iter_mut().filter_map(Track::worker).count();
            if running < self.settings.slots.max(1) {
                self.start(&mut tracks[position]);
            }
        }
    }

    fn start(&mut self, track: &mut Track<'_>) {
        let state = match track.dir.state() {
            Ok(state) => state,
            Err(error) => return self.fail(track, in_words(&error), false),
        };
        let job = track.id().clone();
        match state {
            JobState::Done => {
                self.listener.hear(&Event::Reused { job });
                track.phase = Phase::Over(End::Reused);
            }
            JobState::Running { owner, .. } => {
                self.listener.hear(&Event::Held { job, owner });
                track.phase = Phase::Held;
            }
            JobState::New | JobState::Failed { .. } => self.launch(track, 0),
            JobState::Resumable { step } => self.launch(track, step),
        }
    }

    fn launch(&mut self, track: &mut Track<'_>, step: u64) {
        let prepared = track
            .dir
            .prepare(track.job)
            .and_then(|()| track.dir.new_attempt());
        let attempt = match prepared {
            Ok(attempt) => attempt,
            Err(error) => return self.fail(track, in_words(&error), false),
        };
        let logs = track.dir.attempt(attempt);
        let order = Order {
            folder: track.dir.path(),
            attempt,
            logs: &logs,
        };
        match self.launcher.start(&order) {
            Ok(process) => {
                self.listener.hear(&Event::Started {
                    job: track.id().clone(),
                    attempt,
                    step,
                });
                let since = Instant::now();
                track.phase = Phase::Running(Worker {
                    process,
                    attempt,
                    since,
                    progress: None,
                });
            }
            Err(error) => self.fail(track, in_words(&error), false),
        }
    }

    /// Decides how a job ended, from its worker's exit and its folder.
    fn conclude(&mut self, track: &mut Track<'_>, ended: Ended, is_stopping: bool) {
        let job = track.id().clone();
        // The outcome counts and not the exit code, as it is written last, by rename.
        if track.dir.outcome().is_some() {
            let seconds = track
                .worker()
                .map_or(0.0, |worker| worker.since.elapsed().as_secs_f64());
            self.listener.hear(&Event::Done { job, seconds });
            track.phase = Phase::Over(End::Done);
            return;
        }
        if ended == Ended::Code(exit_code::HELD)
            && let Some(attempt) = track.worker().map(|worker| worker.attempt)
        {
            track.dir.forget_attempt(attempt);
        }
        match ended {
            Ended::Code(exit_code::STOPPED) => self.stopped(track),
            // Killed on request, which is no failure.
            Ended::Signal(_) | Ended::Code(exit_code::HELD) if is_stopping => self.stopped(track),
            Ended::Code(exit_code::HELD) => {
                let owner = match track.dir.holder() {
                    Ok(Holder::Somebody(owner)) => owner,
                    Ok(Holder::Nobody) | Err(_) => None,
                };
                self.listener.hear(&Event::Held { job, owner });
                track.phase = Phase::Held;
            }
            Ended::Code(0) => self.fail(track, "ended without an outcome".to_owned(), is_stopping),
            ended => {
                let attempt = track.worker().map_or(0, |worker| worker.attempt);
                let reason = match (ended, track.dir.last_words(attempt)) {
                    (Ended::Code(_), Some(words)) => {
                        words.strip_prefix("error: ").unwrap_or(&words).to_owned()
                    }
                    // A worker that is killed from outside writes no reason.
                    (Ended::Code(_), None) | (Ended::Signal(9 | 15), _) => ended.to_string(),
                    (Ended::Signal(_), words) => {
                        let words = words.map(|words| format!("; its last words:\n{words}"));
                        format!("{ended}{}", words.unwrap_or_default())
                    }
                };
                self.fail(track, reason, is_stopping);
            }
        }
    }

    fn stopped(&mut self, track: &mut Track<'_>) {
        self.listener.hear(&Event::Stopped {
            job: track.id().clone(),
        });
        track.phase = Phase::Over(End::Stopped);
    }

    /// Records a failure; the job waits for its next attempt, if it has one.
    fn fail(&mut self, track: &mut Track<'_>, reason: String, is_stopping: bool) {
        let attempt = track.worker().map_or(0, |worker| worker.attempt);
        track.failures += 1;
        let again = attempt > 0 && track.failures <= self.settings.retries && !is_stopping;
        if attempt > 0 {
            // If that cannot be written either, the reason is still in the log and in the event.
            if let Err(error) = track.dir.record_failure(attempt, &reason) {
                tracing::debug!(error = in_words(&error), "the failure is not on file");
            }
        }
        let log = (attempt > 0).then(|| track.dir.attempt(attempt).join("stderr.log"));
        let job = track.id().clone();
        self.listener.hear(&Event::Failed {
            job,
            attempt,
            reason: reason.clone(),
            log,
            again,
        });
        track.phase = if again {
            Phase::Waiting
        } else {
            Phase::Over(End::Failed { reason })
        };
    }
}

/// Fails if nothing runs and nothing is ready although jobs wait.
fn check_for_cycle(tracks: &[Track<'_>]) -> Result<(), ScheduleError> {
    let waits = |track: &&Track<'_>| matches!(track.phase, Phase::Waiting);
    let moves = |track: &Track<'_>| matches!(track.phase, Phase::Running(_) | Phase::Held);
    let stuck = tracks.iter().find(waits);
    match stuck {
        Some(track)
            if !tracks.iter().any(moves)
                && ready(tracks).is_empty()
                && blocked(tracks).is_none() =>
        {
            Err(ScheduleError::Cycle(track.id().clone()))
        }
        _ => Ok(()),
    }
}
