//! The scheduler with workers that are closures: no processes, no clock, no luck.

use std::{cell::RefCell, collections::BTreeMap, fs, rc::Rc, time::Duration};

use super::{End, Event, ScheduleError, Scheduler, Settings, Summary, track::SEARCHES};
use crate::{
    launch::{
        Ended, Order,
        tests::fixture::{Fake, Play},
    },
    plan::{
        Job, JobId,
        tests::fixture::{job, plan_of},
    },
    results::{
        Claim, JobDir, JobState, Note, Owner, Progress, Status, Store, Timestamp, exit_code,
        tests::fixture,
    },
};

/// Results in a temporary folder, the jobs of a plan, and what was heard.
struct Bench {
    _root: tempfile::TempDir,
    store: Store,
    jobs: Vec<Job>,
    heard: Vec<Event>,
    settings: Settings,
    devices: Vec<String>,
}

impl Bench {
    /// A plan of jobs with what each of them needs.
    fn new(jobs: &[(&str, &[&str])]) -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            store: Store::new(root.path()),
            _root: root,
            jobs: jobs.iter().map(|(id, after)| job(id, after)).collect(),
            heard: Vec::new(),
            devices: Vec::new(),
            settings: Settings {
                interval: Duration::ZERO,
                pause: Duration::ZERO,
                ..Settings::default()
            },
        }
    }

    fn dir(&self, id: &str) -> JobDir {
        self.store.job_dir(&JobId(id.into()))
    }

    fn run(&mut self, direct: impl FnMut(&Order<'_>) -> Play) -> Summary {
        self.run_with(direct, || 0).unwrap()
    }

    fn run_with(
        &mut self,
        direct: impl FnMut(&Order<'_>) -> Play,
        mut stop_requests: impl FnMut() -> usize,
    ) -> Result<Summary, ScheduleError> {
        let mut scheduler = Scheduler {
            store: &self.store,
            launcher: &mut Fake::new(direct),
            listener: &mut |event: &Event| self.heard.push(event.clone()),
            stop_requests: &mut stop_requests,
            settings: self.settings,
            devices: &self.devices,
        };
        scheduler.run(&self.jobs)
    }

    /// The names of the events of one kind, in order.
    fn jobs_of(&self, select: impl Fn(&Event) -> Option<&JobId>) -> Vec<String> {
        self.heard
            .iter()
            .filter_map(select)
            .map(ToString::to_string)
            .collect()
    }

    fn started(&self) -> Vec<String> {
        self.jobs_of(|event| {
            if let Event::Started { job, .. } = event {
                Some(job)
            } else {
                None
            }
        })
    }
}

/// A worker that takes so many looks and then writes its outcome.
fn succeeds(order: &Order<'_>, polls: usize) -> Play {
    let dir = JobDir::new(order.folder);
    let act = Box::new(move || dir.write_outcome(&fixture::outcome()).unwrap());
    Play {
        polls,
        ended: Ended::Code(0),
        on_stop: Some(Ended::Code(75)),
        act,
    }
}

/// A worker that ends at once and leaves nothing.
fn ends(ended: Ended) -> Play {
    Play {
        polls: 0,
        ended,
        on_stop: None,
        act: Box::new(|| {}),
    }
}

fn is_for(order: &Order<'_>, id: &str) -> bool {
    order.folder.ends_with(id)
}

fn end<'a>(summary: &'a Summary, id: &str) -> &'a End {
    &summary.ends[&JobId(id.into())]
}

fn failed(reason: &str) -> End {
    End::Failed {
        reason: reason.into(),
    }
}

#[test]
fn a_job_starts_after_those_that_it_needs() {
    // Listed the wrong way round, so that the order is the graph's and not the list's.
    let mut bench = Bench::new(&[("c", &["b"]), ("b", &["a"]), ("a", &[])]);
    bench.settings.slots = 3;
    let store = bench.store.clone();

    let summary = bench.run(|order| {
        let job = JobDir::new(order.folder).job().unwrap().unwrap();
        let is_done = |id| store.job_dir(id).outcome().is_some();
        assert!(
            job.after.iter().all(is_done),
            "{} started too early",
            job.id
        );
        succeeds(order, 2)
    });

    assert_eq!(bench.started(), ["a", "b", "c"]);
    assert!(summary.ends.values().all(|end| *end == End::Done));
}

#[test]
fn no_more_jobs_run_at_once_than_there_are_slots() {
    for slots in 1..=4 {
        let mut bench = Bench::new(&[
            ("a", &[]),
            ("b", &[]),
            ("c", &[]),
            ("d", &[]),
            ("e", &["a", "b"]),
        ]);
        bench.settings.slots = slots;
        let running = Rc::new(RefCell::new((0, 0)));

        bench.run(|order| {
            let (count, dir) = (Rc::clone(&running), JobDir::new(order.folder));
            let mut now = running.borrow_mut();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            let act = Box::new(move || {
                count.borrow_mut().0 -= 1;
                dir.write_outcome(&fixture::outcome()).unwrap();
            });
            Play {
                polls: 3,
                ended: Ended::Code(0),
                on_stop: None,
                act,
            }
        });

        assert_eq!(running.borrow().1, slots, "all slots are used, and no more");
    }
}

#[test]
fn a_failure_blocks_only_what_needs_it() {
    let jobs: &[(&str, &[&str])] = &[
        ("a", &[]),
        ("b", &["a"]),
        ("c", &["b"]),
        ("x", &[]),
        ("y", &["x"]),
    ];
    let mut bench = Bench::new(jobs);

    let summary = bench.run(|order| {
        if is_for(order, "a") {
            ends(Ended::Code(1))
        } else {
            succeeds(order, 1)
        }
    });

    let by = JobId("a".into());
    assert_eq!(*end(&summary, "a"), failed("ended with exit code 1"));
    assert_eq!(*end(&summary, "b"), End::Blocked { by: by.clone() });
    assert_eq!(*end(&summary, "c"), End::Blocked { by });
    assert_eq!(
        (end(&summary, "x"), end(&summary, "y")),
        (&End::Done, &End::Done)
    );
    assert_eq!(summary.unsuccessful(), 3);
    assert!(!summary.is_stopped());
}

#[test]
fn the_reason_is_what_the_worker_said_last() {
    let mut bench = Bench::new(&[("a", &[])]);

    let summary = bench.run(|order| {
        let words = "INFO loading\nerror: cannot write `x`: no space left on device\n";
        fs::write(order.logs.join("stderr.log"), words).unwrap();
        ends(Ended::Code(1))
    });

    let reason = "cannot write `x`: no space left on device";
    assert_eq!(*end(&summary, "a"), failed(reason));
    // On file, for `recode status`.
    assert_eq!(
        bench.dir("a").state().unwrap(),
        JobState::Failed {
            reason: reason.into()
        }
    );
}

#[test]
fn a_worker_whose_folder_was_removed_has_failed_for_that_reason() {
    let mut bench = Bench::new(&[("a", &[])]);
    let dir = bench.dir("a");

    let summary = bench.run(|_| {
        fs::remove_dir_all(dir.path()).unwrap();
        ends(Ended::Code(1))
    });

    let reason = "the job's folder was removed while the job ran";
    assert_eq!(*end(&summary, "a"), failed(reason));
    assert!(!dir.path().exists());
}

#[test]
fn a_worker_killed_by_a_signal_has_failed() {
    let mut bench = Bench::new(&[("a", &[])]);

    let summary = bench.run(|_| ends(Ended::Signal(11)));

    assert_eq!(*end(&summary, "a"), failed("killed by SIGSEGV"));
}

#[test]
fn success_without_an_outcome_is_a_failure() {
    let mut bench = Bench::new(&[("a", &[])]);

    let summary = bench.run(|_| ends(Ended::Code(0)));

    assert_eq!(*end(&summary, "a"), failed("ended without an outcome"));
}

#[test]
fn an_outcome_counts_whatever_the_exit_code() {
    let mut bench = Bench::new(&[("a", &[])]);

    let summary = bench.run(|order| Play {
        ended: Ended::Signal(9),
        ..succeeds(order, 0)
    });

    assert_eq!(*end(&summary, "a"), End::Done);
}

#[test]
fn a_failed_job_is_tried_again_as_often_as_asked() {
    for (retries, needed, is_done) in [(0, 2, false), (1, 2, true), (1, 3, false), (2, 3, true)] {
        let mut bench = Bench::new(&[("a", &[])]);
        bench.settings.retries = retries;

        let summary = bench.run(|order| {
            if order.attempt < needed {
                ends(Ended::Code(1))
            } else {
                succeeds(order, 0)
            }
        });

        assert_eq!(
            end(&summary, "a").is_done(),
            is_done,
            "{retries} retries, needs {needed}"
        );
        assert_eq!(bench.dir("a").last_attempt(), needed.min(retries + 1));
    }
}

#[test]
fn a_job_that_would_fail_in_the_same_way_is_not_tried_again() {
    let mut bench = Bench::new(&[("a", &[])]);
    bench.settings.retries = 3;

    bench.run(|_| ends(Ended::Code(exit_code::WRONG_INPUT)));

    assert_eq!(bench.dir("a").last_attempt(), 1);
    let failure = bench.heard.last().unwrap();
    assert!(
        matches!(
            failure,
            Event::Failed {
                again: false,
                is_hopeless: true,
                ..
            }
        ),
        "{failure:?}"
    );
}

#[test]
fn other_jobs_run_while_a_failed_one_waits_for_its_next_attempt() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &[]), ("c", &["a"])]);
    bench.settings.retries = 1;
    bench.settings.pause = Duration::from_millis(30);
    let started = std::time::Instant::now();

    let summary = bench.run(|order| {
        if is_for(order, "a") && order.attempt == 1 {
            ends(Ended::Code(1))
        } else {
            succeeds(order, 0)
        }
    });

    assert_eq!(bench.started(), ["a", "b", "a", "c"]);
    assert!(started.elapsed() >= bench.settings.pause);
    assert!(summary.ends.values().all(End::is_done));
}

#[test]
fn the_first_failure_stops_a_run_that_is_to_fail_fast() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &[]), ("c", &[])]);
    bench.settings.fail_fast = true;
    bench.settings.slots = 2;

    let summary = bench.run(|order| {
        if is_for(order, "a") {
            ends(Ended::Code(1))
        } else {
            succeeds(order, 1000)
        }
    });

    assert!(matches!(end(&summary, "a"), End::Failed { .. }));
    // One was asked to save, the other was never started.
    assert_eq!([end(&summary, "b"), end(&summary, "c")], [&End::Stopped; 2]);
    assert_eq!(bench.started(), ["a", "b"]);
}

#[test]
fn what_is_done_is_not_started_again() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &["a"])]);
    bench.run(|order| {
        if is_for(order, "b") {
            ends(Ended::Code(1))
        } else {
            succeeds(order, 0)
        }
    });
    bench.heard.clear();

    let summary = bench.run(|order| succeeds(order, 0));

    assert_eq!(bench.started(), ["b"]);
    assert_eq!(*end(&summary, "a"), End::Reused);
    assert_eq!(*end(&summary, "b"), End::Done);
    assert_eq!(
        bench.dir("b").last_attempt(),
        2,
        "a failed job gets a new attempt"
    );
}

#[test]
fn a_damaged_outcome_is_made_again() {
    let mut bench = Bench::new(&[("a", &[])]);
    bench.run(|order| succeeds(order, 0));
    fs::write(bench.dir("a").outcome_path(), "{\"eval\": {\"bench").unwrap();
    fs::write(bench.dir("a").path().join("state.json"), "{").unwrap();
    bench.heard.clear();

    let summary = bench.run(|order| succeeds(order, 0));

    assert_eq!(bench.started(), ["a"]);
    assert_eq!(*end(&summary, "a"), End::Done);
}

#[test]
fn a_half_done_job_says_where_it_goes_on() {
    let mut bench = Bench::new(&[("train-1", &[])]);
    bench.dir("train-1").prepare(&bench.jobs[0]).unwrap();
    fs::create_dir_all(bench.dir("train-1").checkpoints().join("step_000040")).unwrap();

    bench.run(|order| succeeds(order, 0));

    let started = Event::Started {
        job: JobId("train-1".into()),
        attempt: 1,
        step: 40,
    };
    assert!(bench.heard.contains(&started), "{:?}", bench.heard);
}

#[test]
fn progress_is_told_when_it_moves() {
    let mut bench = Bench::new(&[("a", &[])]);

    bench.run(|order| {
        let dir = JobDir::new(order.folder);
        let note = Note {
            status: Status::Running,
            attempt: order.attempt,
            owner: Owner::this_process(),
            heartbeat: Timestamp::now(),
            progress: Some(Progress {
                step: 2,
                of: 5,
                message: "loss 1.5".into(),
            }),
            reason: None,
        };
        dir.write_note(&note).unwrap();
        succeeds(order, 10)
    });

    let steps = bench.heard.iter().filter_map(|event| match event {
        Event::Progress { progress, .. } => Some(progress.step),
        _ => None,
    });
    assert_eq!(steps.collect::<Vec<_>>(), [2]);
}

#[test]
fn asked_to_stop_workers_end_in_order_and_nothing_new_starts() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &["a"]), ("c", &[])]);
    let mut looks = 0;

    let summary = bench
        .run_with(
            |order| succeeds(order, 1000),
            || {
                looks += 1;
                usize::from(looks > 5)
            },
        )
        .unwrap();

    assert!(summary.is_stopped());
    assert!(summary.ends.values().all(|end| *end == End::Stopped));
    assert_eq!(bench.started(), ["a"]);
    assert!(bench.heard.contains(&Event::Stopping { running: 1 }));
    assert_eq!(
        bench.heard.last(),
        Some(&Event::Stopped {
            job: JobId("a".into())
        })
    );
}

#[test]
fn a_job_that_ends_well_while_stopping_is_done() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &["a"])]);
    let mut looks = 0;

    let summary = bench
        .run_with(
            |order| Play {
                on_stop: None,
                ..succeeds(order, 5)
            },
            || {
                looks += 1;
                usize::from(looks > 2)
            },
        )
        .unwrap();

    assert_eq!(
        (end(&summary, "a"), end(&summary, "b")),
        (&End::Done, &End::Stopped)
    );
}

#[test]
fn asked_twice_or_out_of_patience_workers_are_killed() {
    for (most_requests, patience) in [(2, Duration::MAX), (1, Duration::ZERO)] {
        let mut bench = Bench::new(&[("a", &[])]);
        bench.settings.patience = patience;
        let mut looks = 0;

        let summary = bench
            .run_with(
                |order| Play {
                    on_stop: None,
                    ..succeeds(order, usize::MAX)
                },
                || {
                    looks += 1;
                    (looks / 3).min(most_requests)
                },
            )
            .unwrap();

        assert_eq!(*end(&summary, "a"), End::Stopped);
    }
}

#[test]
fn a_job_that_runs_elsewhere_is_waited_for_and_its_outcome_used() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &["a"])]);
    let elsewhere = bench.dir("a");
    elsewhere.prepare(&bench.jobs[0]).unwrap();
    let Claim::Ours(lock) = elsewhere.claim().unwrap() else {
        panic!("it was free")
    };
    let mut lock = Some(lock);
    let mut looks = 0;

    let summary = bench
        .run_with(
            |order| succeeds(order, 0),
            || {
                looks += 1;
                if looks == 10 {
                    elsewhere.write_outcome(&fixture::outcome()).unwrap();
                    lock = None;
                }
                0
            },
        )
        .unwrap();

    assert_eq!(bench.started(), ["b"]);
    assert_eq!(
        (end(&summary, "a"), end(&summary, "b")),
        (&End::Reused, &End::Done)
    );
    let pid = std::process::id();
    let named = |event: &Event| matches!(event, Event::Held { owner: Some(o), .. } if o.pid == pid);
    assert_eq!(
        bench.heard.iter().filter(|event| named(event)).count(),
        1,
        "said once"
    );
}

#[test]
fn a_job_that_was_given_up_elsewhere_is_taken_over() {
    let mut bench = Bench::new(&[("a", &[])]);
    let elsewhere = bench.dir("a");
    elsewhere.prepare(&bench.jobs[0]).unwrap();
    let mut lock = Some(elsewhere.claim().unwrap());
    let mut looks = 0;

    let summary = bench
        .run_with(
            |order| succeeds(order, 0),
            || {
                looks += 1;
                if looks == 10 {
                    lock = None;
                }
                0
            },
        )
        .unwrap();

    assert_eq!(*end(&summary, "a"), End::Done);
}

#[test]
fn a_worker_that_finds_the_job_held_has_not_failed() {
    let mut bench = Bench::new(&[("a", &[])]);
    let mut starts = 0;

    let summary = bench.run(|order| {
        starts += 1;
        if starts == 1 {
            ends(Ended::Code(77))
        } else {
            succeeds(order, 0)
        }
    });

    assert_eq!(*end(&summary, "a"), End::Done);
    // The start that did nothing has left no log that would hide the one that did the work.
    assert_eq!(bench.dir("a").last_attempt(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_fails_one_job_with_the_reason() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &[])]);
    fs::create_dir_all(bench.store.root().join("jobs")).unwrap();
    // A file where the folder should be: root may write anywhere, so rights would not do.
    fs::write(bench.store.root().join("jobs/a"), "").unwrap();

    let summary = bench.run(|order| succeeds(order, 0));

    let End::Failed { reason } = end(&summary, "a") else {
        panic!("it cannot have run")
    };
    assert!(reason.contains("jobs/a"), "{reason}");
    assert_eq!(*end(&summary, "b"), End::Done);
}

#[test]
fn a_worker_that_gets_a_signal_alone_is_started_again_or_has_failed() {
    for (retries, is_done) in [(0, false), (1, true)] {
        let mut bench = Bench::new(&[("a", &[]), ("b", &["a"]), ("c", &[])]);
        bench.settings.retries = retries;

        let summary = bench.run(|order| {
            if is_for(order, "a") && order.attempt == 1 {
                ends(Ended::Code(75))
            } else {
                succeeds(order, 0)
            }
        });

        // The run goes on to its end, so that there is a table.
        assert!(!summary.is_stopped());
        assert_eq!(end(&summary, "a").is_done(), is_done);
        assert_eq!(end(&summary, "b").is_done(), is_done);
        assert_eq!(*end(&summary, "c"), End::Done);
    }
}

#[test]
fn a_signal_to_worker_and_scheduler_at_once_stops_the_run() {
    let mut bench = Bench::new(&[("a", &[])]);
    let mut looks = 0;

    let summary = bench
        .run_with(
            |_| ends(Ended::Code(75)),
            || {
                looks += 1;
                // The look at the beginning of the round is too early, the one after the end is not.
                usize::from(looks > 2)
            },
        )
        .unwrap();

    assert_eq!(*end(&summary, "a"), End::Stopped);
}

#[test]
fn an_outcome_of_another_job_with_the_same_name_is_not_reused() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &["a"])]);
    let other = Job {
        identity: serde_json::json!({"recipe": 2}),
        ..job("a", &[])
    };
    bench.dir("a").prepare(&other).unwrap();
    bench.dir("a").write_outcome(&fixture::outcome()).unwrap();

    let summary = bench.run(|order| succeeds(order, 0));

    let End::Failed { reason } = end(&summary, "a") else {
        panic!("{summary:?}")
    };
    assert!(reason.contains("other inputs"), "{reason}");
    assert!(matches!(end(&summary, "b"), End::Blocked { .. }));
}

#[test]
fn a_training_whose_model_was_removed_is_done_again_if_a_job_needs_it() {
    for is_needed in [true, false] {
        let mut bench = Bench::new(&[("train-1", &[]), ("eval-1", &["train-1"])]);
        let dir = bench.dir("train-1");
        dir.prepare(&bench.jobs[0]).unwrap();
        dir.write_outcome(&fixture::trained()).unwrap();
        if !is_needed {
            let eval = bench.dir("eval-1");
            eval.prepare(&bench.jobs[1]).unwrap();
            eval.write_outcome(&fixture::outcome()).unwrap();
        }

        let summary = bench.run(|order| {
            if is_for(order, "train-1") {
                fs::create_dir(JobDir::new(order.folder).model()).unwrap();
            }
            succeeds(order, 0)
        });

        assert!(summary.ends.values().all(End::is_done));
        let started: &[&str] = if is_needed {
            &["train-1", "eval-1"]
        } else {
            &[]
        };
        assert_eq!(bench.started(), started);
    }
}

#[test]
fn jobs_that_wait_are_searched_only_after_a_change() {
    const LOOKS: usize = 50;
    let mut bench = Bench::new(&[("first", &[]), ("second", &["first"])]);
    let searches = || SEARCHES.with(std::cell::Cell::get);
    let (mut looks, mut settled) = (0, 0);

    bench
        .run_with(
            |order| succeeds(order, usize::MAX),
            || {
                looks += 1;
                if looks == 10 {
                    settled = searches();
                }
                usize::from(looks > 10 + LOOKS)
            },
        )
        .unwrap();

    // `first` never ends, so nothing changes after it has started, until the request to stop.
    assert!(settled > 0);
    assert!(
        searches() - settled <= 2,
        "{} searches",
        searches() - settled
    );
}

#[test]
fn a_damaged_job_file_of_a_finished_job_is_written_again_before_another_reads_it() {
    let mut bench = Bench::new(&[("a", &[]), ("b", &["a"])]);
    let job = bench.jobs[0].clone();
    bench.dir("a").prepare(&job).unwrap();
    bench.dir("a").write_outcome(&fixture::outcome()).unwrap();
    fs::write(bench.dir("a").path().join("job.json"), "{").unwrap();

    bench.run(|order| succeeds(order, 0));

    assert_eq!(bench.started(), ["b"]);
    assert_eq!(bench.dir("a").job().unwrap(), Some(job));
}

#[test]
fn jobs_that_can_never_start_are_an_error() {
    let mut bench = Bench::new(&[("a", &["b"]), ("b", &["a"])]);
    let error = bench
        .run_with(|order| succeeds(order, 0), || 0)
        .unwrap_err();
    assert_eq!(error, ScheduleError::Cycle(JobId("a".into())));

    let mut bench = Bench::new(&[("a", &["z"])]);
    let error = bench
        .run_with(|order| succeeds(order, 0), || 0)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "job `a` needs `z`, which is neither planned nor done"
    );
}

#[test]
fn runs_that_are_cut_short_get_there_in_the_end() {
    let jobs: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
    for interruption in 1..12 {
        let mut bench = Bench::new(jobs);
        let mut starts = BTreeMap::new();
        for _ in 0..20 {
            let mut looks = 0;
            let summary = bench.run_with(
                |order| succeeds(order, 2),
                || {
                    looks += 1;
                    usize::from(looks > interruption)
                },
            );
            for id in bench.started() {
                *starts.entry(id).or_insert(0) += 1;
            }
            bench.heard.clear();
            if !summary.unwrap().is_stopped() {
                break;
            }
        }
        // A fake worker needs three looks to end and keeps nothing when it is cut before.
        let is_done = jobs.iter().all(|(id, _)| bench.dir(id).outcome().is_some());
        assert_eq!(is_done, interruption > 3, "{interruption}: {starts:?}");
    }
}

#[test]
fn no_two_jobs_get_the_same_gpu_and_none_overtakes_one_that_waits_for_more() {
    let mut bench = Bench::new(&[
        ("a", &[]),
        ("b", &[]),
        ("c", &[]),
        ("d", &[]),
        ("e", &["a"]),
    ]);
    bench.settings.slots = 9;
    bench.settings.gpus = Some(1);
    bench.devices = ["0", "1", "GPU-7"].map(str::to_owned).to_vec();
    let taken = RefCell::new(Vec::new());

    bench.run(|order| {
        taken.borrow_mut().push(order.devices.to_vec());
        succeeds(order, if is_for(order, "a") { 5 } else { 20 })
    });

    // d and e wait for the first job that ends, which is a.
    let expected = [vec!["0"], vec!["1"], vec!["GPU-7"], vec!["0"]];
    assert_eq!(taken.borrow()[..4], expected);
    assert_eq!(taken.borrow().len(), 5);
}

#[test]
fn a_job_with_more_processes_than_gpus_says_so_and_others_go_on() {
    let mut bench = Bench::new(&[("train-1", &[]), ("eval-2", &[])]);
    bench.settings.sharing.ranks = 4;
    let text = "name = \"t\"\nrun.backend = \"cuda\"";
    bench.jobs[0].work.backend = plan_of(text).jobs[0].work.backend;
    bench.devices = vec!["0".to_owned(), "1".to_owned()];

    let summary = bench.run(|order| {
        assert_eq!((order.sharing.ranks, order.devices), (4, &[][..]));
        succeeds(order, 0)
    });

    let reason =
        "it needs 4 GPUs, and this machine shows 2 (0, 1); lower `run.needs.gpus` or `run.ranks`";
    assert_eq!(end(&summary, "train-1"), &failed(reason));
    assert_eq!(end(&summary, "eval-2"), &End::Done);
}
