//! Ranks that talk over TCP.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::PATIENCE;
use crate::ranks::{Exchange as _, Invitation, Meeting, Nodes, RankError, Ranks};

/// An address that only this machine reaches.
const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

fn meeting(folder: &Path, ranks: usize, patience: Duration) -> Meeting {
    Meeting::open(folder, HERE, [ranks, ranks], patience).unwrap()
}

fn join(file: &Path, rank: usize) -> Result<Nodes, RankError> {
    Invitation::read(file)?.join(rank, &mut || true)
}

/// Runs `act` as each of `count` ranks at the same time; the results are in the order of ranks.
fn on_nodes<T: Send>(count: usize, act: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let folder = tempfile::tempdir().unwrap();
    let meeting = meeting(folder.path(), count, PATIENCE);
    let file = meeting.file().to_owned();
    let act = &act;
    thread::scope(|scope| {
        let lead = move || act(Ranks::new(meeting.wait(&mut || true).unwrap()));
        let mut threads = vec![scope.spawn(lead)];
        for rank in 1..count {
            let file = file.clone();
            threads.push(scope.spawn(move || act(Ranks::new(join(&file, rank).unwrap()))));
        }
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Larger than what the system keeps for a connection, so that both ends send at the same time.
#[test]
fn each_rank_gets_what_the_others_send_to_it_in_every_round() {
    for count in 2..5 {
        let piece = |from: usize, to: usize, round: usize| {
            let name = u8::try_from(10 * from + to).unwrap();
            vec![name; (to + 1) * round * 2_000_000]
        };
        let heard = on_nodes(count, |ranks| {
            let trade = |round| {
                let own = ranks.rank();
                let pieces = (0..count).map(|to| piece(own, to, round)).collect();
                ranks.trade(pieces).unwrap()
            };
            (0..3).map(trade).collect::<Vec<_>>()
        });

        for (rank, rounds) in heard.iter().enumerate() {
            for (round, pieces) in rounds.iter().enumerate() {
                assert_eq!(pieces.len(), count);
                for (from, received) in pieces.iter().enumerate() {
                    assert!(
                        *received == piece(from, rank, round),
                        "{rank} {round} {from}"
                    );
                }
            }
        }
    }
}

#[test]
fn nobody_waits_for_a_rank_that_has_ended() {
    for gone in 0..3 {
        let errors = on_nodes(3, |ranks| {
            ranks.any(false).unwrap();
            (ranks.rank() != gone).then(|| ranks.any(false).unwrap_err().to_string())
        });

        // The first rank that hears of it says so to the others.
        let lost = format!("the process of rank {gone} has ended");
        let is_said = errors.iter().flatten().all(|error| error.ends_with(&lost));
        assert!(is_said, "{errors:?}");
        assert!(
            errors.iter().flatten().any(|error| *error == lost),
            "{errors:?}"
        );
    }
}

#[test]
fn a_rank_that_cannot_go_on_says_why() {
    let errors = on_nodes(3, |ranks| {
        ranks.any(false).unwrap();
        if ranks.rank() == 1 {
            ranks.give_up("no Python");
            return "no Python".to_owned();
        }
        ranks.any(false).unwrap_err().to_string()
    });

    let is_said = errors.iter().all(|error| error.ends_with("no Python"));
    assert!(is_said, "{errors:?}");
}

/// The invitation `file` with another value of a key, in a file of its own.
fn changed(file: &Path, key: &str, value: serde_json::Value) -> PathBuf {
    let mut invitation: serde_json::Value =
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    invitation[key] = value;
    let changed = file.with_file_name("changed.json");
    fs::write(&changed, invitation.to_string()).unwrap();
    changed
}

#[test]
fn a_rank_with_another_key_is_refused_and_the_others_meet() {
    let folder = tempfile::tempdir().unwrap();
    let meeting = meeting(folder.path(), 2, PATIENCE);
    let file = meeting.file().to_owned();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let forged = changed(&file, "key", serde_json::to_value([1_u8; 32]).unwrap());
    thread::scope(|scope| {
        let first = scope.spawn(move || meeting.wait(&mut || true).unwrap());

        let error = join(&forged, 1).unwrap_err();
        let RankError::Refused { source, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(source.to_string(), "it has another key");

        let second = join(&file, 1).unwrap();
        let first = first.join().unwrap();
        assert_eq!([first.rank(), second.rank()], [0, 1]);
        assert_eq!([first.count(), second.count()], [2, 2]);
    });
    assert!(!file.exists(), "the key outlives the meeting");
}

#[test]
fn a_rank_that_does_not_come_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let meeting = meeting(folder.path(), 3, PATIENCE);
    let file = meeting.file().to_owned();
    let (came, has_come) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let invitation = Invitation::read(&file).unwrap();
            came.send(()).unwrap();
            let _ = invitation.join(1, &mut || true);
        });
        // Nobody else is wanted once the helper of rank 2 has ended, say; rank 1 may or may not have joined by then.
        let error = meeting.wait(&mut || has_come.try_recv().is_err());

        let RankError::Missing { ranks, .. } = error.unwrap_err() else {
            panic!("others are missing")
        };
        assert_eq!(ranks.last(), Some(&2));
    });
}

/// A process that is stopped keeps its connections and sends no heartbeat.
#[test]
fn a_rank_that_is_stopped_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let meeting = meeting(folder.path(), 2, Duration::from_millis(600));
    // This one sends a heartbeat every five seconds.
    let file = changed(meeting.file(), "patience", serde_json::json!(PATIENCE));
    thread::scope(|scope| {
        let stopped = scope.spawn(move || join(&file, 1).unwrap());
        let mut first = meeting.wait(&mut || true).unwrap();
        let _stopped = stopped.join().unwrap();

        let error = first.trade(vec![vec![], vec![]]).unwrap_err();

        assert!(
            matches!(error, RankError::Silent { rank: 1, .. }),
            "{error}"
        );
    });
}
