//! The loop: polls the workers and starts jobs that are ready, until none is left.

use std::{collections::BTreeMap, thread, time::Instant};

use super::{
    Cause, End, Event, ScheduleError, Scheduler, Summary,
    devices::Free,
    track::{Phase, Track, Worker, blocked, counts, ready},
    upstream::{do_again_for_their_models, restore_upstream},
};
use crate::{
    launch::{Ended, Order},
    plan::{Job, JobId},
    results::{Holder, JobState, exit_code, in_words},
};

impl Scheduler<'_> {
    /// Runs the jobs that are not done; a failed job blocks only those that need it.
    pub fn run(&mut self, jobs: &[Job]) -> Result<Summary, ScheduleError> {
        let mut tracks = self.survey(jobs)?;
        let mut stopping: Option<Instant> = None;
        let mut settled = None;
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
            if self.settings.fail_fast && stopping.is_none() && tracks.iter().any(Track::is_failed)
            {
                self.ask_to_stop(&mut tracks);
                stopping = Some(Instant::now());
            }
            // Thousands of jobs may wait: which of them can start is asked only after a change.
            let before = counts(&tracks);
            if settled == Some(before) && !tracks.iter().any(Track::has_waited) {
                thread::sleep(self.settings.interval);
                continue;
            }
            if stopping.is_none() {
                self.start_ready(&mut tracks);
            }
            settled = Some(counts(&tracks)).filter(|after| *after == before);
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
        let places: BTreeMap<&JobId, usize> = jobs.iter().map(|job| &job.id).zip(0..).collect();
        let mut tracks: Vec<Track<'a>> = Vec::new();
        for job in jobs {
            let needs = job.after.iter().filter_map(|id| places.get(id).copied());
            let mut track = Track {
                job,
                dir: self.store.job_dir(&job.id),
                needs: needs.collect(),
                phase: Phase::Waiting,
                failures: 0,
                not_before: None,
            };
            match track.dir.outcome_of(job) {
                Ok(None) => {}
                Ok(Some(_)) => track.phase = Phase::Over(End::Reused),
                // Another job has this name.
                Err(error) => self.fail(&mut track, in_words(&error), false),
            }
            tracks.push(track);
        }
        do_again_for_their_models(&mut tracks);
        for track in &tracks {
            let job = track.id().clone();
            match track.phase {
                Phase::Over(End::Reused) => self.listener.hear(&Event::Reused { job }),
                Phase::Waiting => self.listener.hear(&Event::Queued { job }),
                _ => {}
            }
        }
        for track in tracks.iter().filter(|track| !track.is_done()) {
            for upstream in &track.job.after {
                let is_planned = places.contains_key(upstream);
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
        let mut from = 0;
        // A job may be listed before those that it needs, so that the search begins again at the first.
        while let Some((position, by)) = blocked(tracks, from).or_else(|| blocked(tracks, 0)) {
            from = position;
            let job = tracks[position].id().clone();
            self.listener.hear(&Event::Blocked {
                job,
                by: by.clone(),
            });
            tracks[position].phase = Phase::Over(End::Blocked { by });
        }
        let mut free = self.settings.slots.max(1);
        free = free.saturating_sub(tracks.iter_mut().filter_map(Track::worker).count());
        let mut devices = Free::new(self.devices, tracks);
        for position in ready(tracks) {
            if free == 0 {
                return;
            }
            let restored = restore_upstream(tracks, position).map_err(|error| in_words(&error));
            let job = tracks[position].job;
            match restored.and_then(|()| devices.take(job, &self.settings)) {
                Ok(Some(devices)) => self.start(&mut tracks[position], devices),
                Ok(None) => {}
                Err(reason) => self.fail(&mut tracks[position], reason, false),
            }
            free -= usize::from(tracks[position].worker().is_some());
        }
    }

    fn start(&mut self, track: &mut Track<'_>, devices: Vec<String>) {
        let state = if track.dir.lacks_model() {
            track.dir.forget_outcome().and_then(|()| track.dir.state())
        } else {
            track.dir.state()
        };
        let state = match state {
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
            JobState::New | JobState::Failed { .. } => self.launch(track, 0, devices),
            JobState::Resumable { step } => self.launch(track, step, devices),
        }
    }

    fn launch(&mut self, track: &mut Track<'_>, step: u64, devices: Vec<String>) {
        let prepared = track
            .dir
            .prepare(track.job)
            .and_then(|()| track.dir.new_attempt());
        track.not_before = None;
        let attempt = match prepared {
            Ok(attempt) => attempt,
            Err(error) => return self.fail(track, in_words(&error), false),
        };
        let logs = track.dir.attempt(attempt);
        let sharing = self.settings.sharing;
        let sharing = sharing.of(track.job.work.ranks(sharing.ranks));
        let order = Order {
            folder: track.dir.path(),
            attempt,
            logs: &logs,
            sharing,
            devices: &devices,
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
                    devices,
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
        // A signal may have reached the worker a moment before this process has looked for its own.
        let is_stopping = is_stopping || (self.stop_requests)() > 0;
        match ended {
            // The last two are killed on request, which is no failure.
            Ended::Code(exit_code::STOPPED | exit_code::HELD) | Ended::Signal(_) if is_stopping => {
                self.stopped(track);
            }
            Ended::Code(exit_code::STOPPED) => {
                let reason = "stopped by a signal that only its worker got";
                self.fail(track, reason.to_owned(), is_stopping);
            }
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
                    (Ended::Code(_), None) if !track.dir.path().is_dir() => REMOVED.to_owned(),
                    // A worker that is killed from outside writes no reason.
                    (Ended::Code(_), None) | (Ended::Signal(9 | 15), _) => ended.to_string(),
                    (Ended::Signal(_), words) => {
                        let words = words.map(|words| format!("; its last words:\n{words}"));
                        format!("{ended}{}", words.unwrap_or_default())
                    }
                };
                self.fail_by(Cause::of(ended), track, reason, is_stopping);
            }
        }
    }

    fn stopped(&mut self, track: &mut Track<'_>) {
        self.listener.hear(&Event::Stopped {
            job: track.id().clone(),
        });
        track.phase = Phase::Over(End::Stopped);
    }

    /// Records a failure whose cause is not known.
    fn fail(&mut self, track: &mut Track<'_>, reason: String, is_stopping: bool) {
        self.fail_by(Cause::Unknown, track, reason, is_stopping);
    }

    /// Records a failure; the job waits for its next attempt, if it has one.
    fn fail_by(&mut self, cause: Cause, track: &mut Track<'_>, reason: String, is_stopping: bool) {
        let attempt = track.worker().map_or(0, |worker| worker.attempt);
        track.failures += 1;
        let may_try = attempt > 0 && track.failures <= self.settings.retries && !is_stopping;
        let again = may_try && cause != Cause::Lasting;
        let pause = cause.pause(self.settings.pause, track.failures);
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
            wait_seconds: if again { pause.as_secs() } else { 0 },
            is_hopeless: may_try && !again,
        });
        track.phase = if again {
            track.not_before = Instant::now().checked_add(pause);
            Phase::Waiting
        } else {
            Phase::Over(End::Failed { reason })
        };
    }
}

const REMOVED: &str = "the job's folder was removed while the job ran";

/// Fails if nothing runs and nothing is ready although jobs wait.
fn check_for_cycle(tracks: &[Track<'_>]) -> Result<(), ScheduleError> {
    let waits = |track: &&Track<'_>| matches!(track.phase, Phase::Waiting);
    let moves = |track: &Track<'_>| {
        matches!(track.phase, Phase::Running(_) | Phase::Held) || track.not_before.is_some()
    };
    let stuck = tracks.iter().find(waits);
    match stuck {
        Some(track)
            if !tracks.iter().any(moves)
                && ready(tracks).is_empty()
                && blocked(tracks, 0).is_none() =>
        {
            Err(ScheduleError::Cycle(track.id().clone()))
        }
        _ => Ok(()),
    }
}
