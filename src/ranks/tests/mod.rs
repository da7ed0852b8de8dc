//! Ranks as threads of one process.

mod nodes;

use std::{os::unix::net::UnixStream, sync::mpsc, thread, time::Duration};

use super::{Local, RankError, Ranks, share};

/// Longer than any of these tests.
const PATIENCE: Duration = Duration::from_mins(10);

/// Runs `act` as each of `count` ranks at the same time; the results are in the order of ranks.
pub(crate) fn on_ranks<T: Send>(count: usize, act: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    if count == 1 {
        return vec![act(Ranks::alone())];
    }
    let (links, others): (Vec<_>, Vec<_>) = (1..count).map(|_| UnixStream::pair().unwrap()).unzip();
    let act = &act;
    thread::scope(|scope| {
        let lead = move || act(Ranks::new(Local::lead(links, PATIENCE).unwrap()));
        let mut threads = vec![scope.spawn(lead)];
        for link in others {
            let follow = move || act(Ranks::new(Local::follow(link, PATIENCE).unwrap()));
            threads.push(scope.spawn(follow));
        }
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn each_rank_gets_what_the_others_send_to_it_in_every_round() {
    for count in 1..5 {
        let heard = on_ranks(count, |ranks| {
            let name = u8::try_from(ranks.rank()).unwrap();
            let piece = |to: usize, round: usize| vec![name; (to + 1) * round * 1000];
            let rounds = 0..6;
            rounds
                .map(|round| {
                    let pieces = (0..count).map(|to| piece(to, round)).collect();
                    ranks.trade(pieces).unwrap()
                })
                .collect::<Vec<_>>()
        });

        for (rank, rounds) in heard.iter().enumerate() {
            for (round, pieces) in rounds.iter().enumerate() {
                for (from, piece) in pieces.iter().enumerate() {
                    let name = u8::try_from(from).unwrap();
                    assert_eq!(*piece, vec![name; (rank + 1) * round * 1000]);
                }
            }
        }
    }
}

#[test]
fn values_are_gathered_in_the_order_of_ranks_and_the_first_may_decide() {
    let heard = on_ranks(3, |ranks| {
        let all = ranks.gather_values(&(ranks.rank() * 10)).unwrap();
        let first = ranks.first_says(ranks.is_first().then_some("yes".to_owned()));
        let any = ranks.any(ranks.rank() == 2).unwrap();
        (all, first.unwrap(), any, ranks.any(false).unwrap())
    });

    for one in heard {
        assert_eq!(one, (vec![0, 10, 20], "yes".to_owned(), true, false));
    }
}

#[test]
fn nobody_waits_for_a_rank_that_has_ended() {
    for gone in 0..3 {
        let errors = on_ranks(3, |ranks| {
            ranks.any(false).unwrap();
            if ranks.rank() == gone {
                return None;
            }
            Some(ranks.any(false).unwrap_err())
        });
        for (rank, error) in errors.into_iter().enumerate() {
            // The others hear of it from the first, which has given up too.
            let expected = if rank == 0 { gone } else { 0 };
            match error {
                None => assert_eq!(rank, gone),
                Some(RankError::Lost { rank: lost }) => assert_eq!(lost, expected),
                Some(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_rank_that_cannot_go_on_says_why() {
    let errors = on_ranks(2, |ranks| {
        // Both are connected now.
        ranks.any(false).unwrap();
        if ranks.rank() == 1 {
            ranks.give_up("no Python");
            return None;
        }
        Some(ranks.any(false).unwrap_err().to_string())
    });

    assert_eq!(errors[0].as_deref(), Some("rank 1 failed: no Python"));
}

/// By hand: 7 of 3 ranks are 2, 2 and 3.
#[test]
fn shares_follow_one_another() {
    assert_eq!(
        [share(7, 0, 3), share(7, 1, 3), share(7, 2, 3)],
        [0..2, 2..4, 4..7]
    );
    assert_eq!([share(1, 0, 2), share(1, 1, 2)], [0..0, 0..1]);
}

#[test]
fn a_rank_that_sends_no_heartbeat_is_not_waited_for() {
    let (link, _silent) = UnixStream::pair().unwrap();

    let error = Local::lead(vec![link], Duration::from_millis(60)).unwrap_err();

    assert!(
        matches!(error, RankError::Silent { rank: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_rank_that_lives_and_does_not_do_its_part_is_waited_for_so_long() {
    let (link, other) = UnixStream::pair().unwrap();
    let patience = Duration::from_millis(1200);
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _lives = Local::follow(other, patience).unwrap();
            // It does nothing until the first rank has given up.
            let _ = is_done.recv();
        });
        let mut first = Local::lead(vec![link], patience).unwrap();
        let error = super::Exchange::trade(&mut first, vec![vec![], vec![]]).unwrap_err();
        drop(done);
        assert!(matches!(error, RankError::Late { rank: 1, .. }), "{error}");
    });
}

#[test]
fn heartbeats_that_came_while_all_ranks_worked_are_no_wait() {
    let (link, other) = UnixStream::pair().unwrap();
    let patience = Duration::from_millis(1200);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut second = Local::follow(other, patience).unwrap();
            thread::sleep(2 * patience);
            super::Exchange::trade(&mut second, vec![vec![], vec![]]).unwrap();
        });
        let mut first = Local::lead(vec![link], patience).unwrap();
        thread::sleep(2 * patience);
        super::Exchange::trade(&mut first, vec![vec![], vec![]]).unwrap();
    });
}
