//! The commands of Slurm are scripts here that print what version 22.05 prints.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{
    Client, Slurm, SlurmError, Standing, Survey, Ticket, client::Entry, record_ends, task_of,
};
use crate::{
    disk::Timestamp,
    engine::EngineError,
    plan::{Plan, tests::fixture},
    results::{JobState, Store},
    settings::{MemorySize, TimeLength},
    spec::{Needs, SlurmSettings},
};

/// A folder with a command; its script is of `sh`.
fn command(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn needs() -> Needs {
    Needs {
        gpu_mem: "0GiB".to_owned(),
        gpus: Some(2),
        cpus: 4,
        memory: MemorySize::parse("64GiB"),
        time: TimeLength::parse("1d"),
    }
}

fn settings() -> SlurmSettings {
    SlurmSettings {
        partition: Some("gpu".to_owned()),
        account: None,
        qos: None,
        gres: None,
        constraint: None,
        options: Some(vec!["--exclusive".to_owned()]),
        setup: Some(vec!["module load cuda".to_owned()]),
        stop_before: TimeLength::parse("5m").unwrap(),
    }
}

/// A training and its evaluation, and an evaluation that needs nothing.
fn plan() -> Plan {
    let jobs = vec![
        fixture::job("train-a", &[]),
        fixture::job("eval-a", &["train-a"]),
        fixture::job("eval-base", &[]),
    ];
    Plan {
        jobs,
        ..fixture::plan_of("name = \"small\"\n")
    }
}

/// A cluster of scripts: `sbatch` numbers its jobs from 101 and keeps what it was given; the queue is what the file
/// `queue` has.
struct Cluster {
    folder: tempfile::TempDir,
    store: Store,
}

impl Cluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let place = at.display();
        command(
            at,
            "sbatch",
            &format!(
                "n=$(( $(cat {place}/count 2>/dev/null || echo 100) + 1 )); echo $n > {place}/count
for word; do echo \"$word\"; done > {place}/arguments.$n; cat > {place}/script.$n; echo $n"
            ),
        );
        command(
            at,
            "squeue",
            &format!("cat {place}/queue 2>/dev/null || true"),
        );
        command(
            at,
            "sacct",
            &format!("cat {place}/accounts 2>/dev/null || true"),
        );
        command(
            at,
            "scontrol",
            "echo 'MaxArraySize            = 1001'; echo 'SLURM_VERSION           = 22.05.8'",
        );
        let store = Store::new(at.join("results"));
        Self { folder, store }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn client(&self) -> Client {
        Client::of_folder(self.folder.path())
    }

    fn submit(&self) -> Result<super::Submission, EngineError> {
        let (needs, settings) = (needs(), settings());
        let slurm = Slurm {
            store: &self.store,
            client: self.client(),
            program: "/opt/recode".into(),
            needs: &needs,
            settings: &settings,
            retries: 1,
            ranks: 4,
            nodes: 2,
            sharing: ["--ranks", "4", "--nodes", "2"].map(String::from).to_vec(),
            report: ["report", "a spec.toml"].map(String::from).to_vec(),
        };
        slurm.submit(&plan())
    }

    fn survey(&self) -> BTreeMap<String, Standing> {
        let plan = plan();
        let survey = Survey::of(
            plan.jobs.iter().map(|job| &job.id),
            &self.store,
            &self.client(),
        );
        let standings = survey.unwrap().standings;
        standings
            .into_iter()
            .map(|(id, standing)| (id.0, standing))
            .collect()
    }

    /// The comment of an array.
    fn comment(&self, number: u64) -> String {
        let arguments = self.file(&format!("arguments.{number}"));
        let comment = arguments
            .lines()
            .find_map(|line| line.strip_prefix("--comment="));
        comment.unwrap().to_owned()
    }
}

#[test]
fn a_plan_becomes_arrays_and_a_report() {
    let cluster = Cluster::new();

    let submission = cluster.submit().unwrap();

    assert_eq!(submission.arrays, [101, 102]);
    assert_eq!(submission.report, Some(103));
    let arguments = cluster.file("arguments.102");
    for expected in [
        "--array=0",
        "--dependency=aftercorr:101",
        "--kill-on-invalid-dep=yes",
        "--requeue",
        "--signal=USR1@300",
        "--gres=gpu:2",
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=4",
        "--mem=65536M",
        "--time=1440",
        "--partition=gpu",
        "--exclusive",
    ] {
        assert!(
            arguments.lines().any(|line| line == expected),
            "{expected} in\n{arguments}"
        );
    }
    assert!(cluster.file("arguments.101").contains("--array=0-1\n"));
    assert!(!cluster.file("arguments.101").contains("--dependency"));
    assert!(
        cluster
            .file("arguments.103")
            .contains("--dependency=afterany:101:102\n")
    );
    assert!(!cluster.file("arguments.103").contains("--gres"));
    assert!(
        cluster
            .file("script.103")
            .ends_with("module load cuda\nexec /opt/recode report 'a spec.toml'\n"),
        "{}",
        cluster.file("script.103")
    );
    let script = cluster.file("script.101");
    let list = script
        .split_whitespace()
        .find(|word| word.ends_with("0.tasks"))
        .unwrap();
    assert!(
        script.contains("exec srun --nodes=1 --ntasks=1 --relative=0 --cpus-per-task=4"),
        "{script}"
    );
    assert!(script.ends_with("--ranks 4 --nodes 2\n"), "{script}");
    let report = cluster.file("arguments.103");
    assert!(report.contains("--nodes=1\n"), "{report}");
    assert_eq!(task_of(Path::new(list), 1).unwrap().0, "eval-base");
    assert!(task_of(Path::new(list), 2).is_err());
}

#[test]
fn what_is_in_the_queue_is_not_submitted_twice() {
    let cluster = Cluster::new();
    cluster.submit().unwrap();
    let (first, second) = (cluster.comment(101), cluster.comment(102));
    cluster.write(
        "queue",
        &format!(
            "101_0|RUNNING|None|{first}\n101_1|CANCELLED|None|{first}\n102_0|PENDING|Dependency|{second}\n"
        ),
    );

    let submission = cluster.submit().unwrap();

    let submitted: Vec<&str> = submission
        .submitted
        .iter()
        .map(|id| id.0.as_str())
        .collect();
    assert_eq!(submitted, ["eval-base"]);
    let dir = cluster.store.job_dir(&plan().jobs[2].id);
    let reason = "cancelled (Slurm job 101_1)".to_owned();
    assert_eq!(dir.state().unwrap(), JobState::Failed { reason });
    assert_eq!(Ticket::of(&dir).unwrap().job, Some(104));
}

#[test]
fn an_array_of_a_process_that_was_killed_while_it_submitted_is_found() {
    let cluster = Cluster::new();
    cluster.submit().unwrap();
    let plan = plan();
    for job in &plan.jobs {
        let dir = cluster.store.job_dir(&job.id);
        let ticket = Ticket::of(&dir).unwrap();
        Ticket {
            job: None,
            ..ticket
        }
        .write(&dir)
        .unwrap();
    }
    let comment = cluster.comment(101);
    cluster.write("queue", &format!("101_0|PENDING|Priority|{comment}\n"));

    let survey = cluster.survey();

    let queued = Standing::Queued {
        task: "101_0".to_owned(),
        words: "pending (Priority)".to_owned(),
        id: (101, 0),
    };
    assert_eq!(survey["train-a"], queued);
    // Its `sbatch` was never called.
    assert_eq!(survey["eval-a"], Standing::Open { ended: None });
}

#[test]
fn a_number_that_slurm_has_given_twice_is_another_job() {
    let cluster = Cluster::new();
    cluster.submit().unwrap();
    cluster.write("queue", "101_0|RUNNING|None|recode-of-somebody:0\n");

    assert_eq!(cluster.survey()["train-a"], Standing::Open { ended: None });
}

#[test]
fn tasks_that_have_left_the_queue_are_looked_up_in_the_accounts() {
    let cluster = Cluster::new();
    cluster.submit().unwrap();
    let accounts = "101_0|OUT_OF_MEMORY\n101_1|CANCELLED by 1000\n102_0|FAILED\n";
    cluster.write("accounts", accounts);

    let plan = plan();
    let survey = Survey::of(
        plan.jobs.iter().map(|job| &job.id),
        &cluster.store,
        &cluster.client(),
    );
    record_ends(&survey.unwrap(), &plan.jobs, &cluster.store).unwrap();

    let state = |place: usize| cluster.store.job_dir(&plan.jobs[place].id).state().unwrap();
    let reason = "killed because it used more memory than `run.needs.memory` (Slurm job 101_0)";
    assert_eq!(
        state(0),
        JobState::Failed {
            reason: reason.to_owned()
        }
    );
    // A worker that fails leaves its own reason; this one never began.
    let reason =
        "failed, and its log in the folder `slurm` of the results says why (Slurm job 102_0)";
    assert_eq!(
        state(1),
        JobState::Failed {
            reason: reason.to_owned()
        }
    );
    let reason = "cancelled (Slurm job 101_1)".to_owned();
    assert_eq!(state(2), JobState::Failed { reason });
}

#[test]
fn a_missing_cluster_is_said_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::of_folder(folder.path());
    let words = |client: &Client| client.queue().unwrap_err().to_string();
    assert_eq!(
        words(&client),
        "there is no Slurm here: `squeue` is not in PATH; submit from a login node of the cluster"
    );

    let error = "squeue: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host";
    command(
        folder.path(),
        "squeue",
        &format!("echo '{error}' >&2; exit 1"),
    );
    assert!(matches!(client.queue(), Err(SlurmError::NoCluster { .. })));

    command(
        folder.path(),
        "squeue",
        "echo 'squeue: error: slow down' >&2; exit 1",
    );
    assert_eq!(words(&client), "`squeue` failed: squeue: error: slow down");

    command(
        folder.path(),
        "squeue",
        "echo '7|RUNNING|None|x'; echo '8_1|PENDING|None|a:0'; echo junk",
    );
    let entry = Entry {
        state: "PENDING".to_owned(),
        reason: "None".to_owned(),
        comment: "a:0".to_owned(),
    };
    assert_eq!(client.queue().unwrap(), BTreeMap::from([((8, 1), entry)]));
}

#[test]
fn a_ticket_reads_back() {
    let cluster = Cluster::new();
    let dir = cluster.store.job_dir(&plan().jobs[0].id);
    assert_eq!(Ticket::of(&dir), None);
    dir.prepare(&plan().jobs[0]).unwrap();
    let ticket = Ticket {
        comment: "recode-1:0".to_owned(),
        job: Some(7),
        task: 3,
        submitted: Timestamp::now(),
    };

    ticket.write(&dir).unwrap();

    assert_eq!(Ticket::of(&dir), Some(ticket));
}
