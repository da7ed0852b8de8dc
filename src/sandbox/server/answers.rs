//! A program that answers calls: its messages, and the time of each call.
//!
//! The program writes a message when it is loaded, and one for each answer as soon as it has it. So this process
//! measures the time of a call, by the messages before and after it, and nothing in the program's interpreter is
//! trusted with that. The messages prove nothing: their reader compares the answers. Their letters are
//!
//! - `L`: the function is defined;
//! - `V`, `v`, `X`, `x`: an answer, which is a value, and `R`: an answer, which is an exception;
//! - `A`, `E`: an exception that ends the program.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    poll::wait_for,
    program_pipes::ProgramPipes,
    protocol::Channel,
    time_limit::{End, TimeLimit},
};
use crate::sandbox::{
    Call, PythonError, Verdict,
    proof::{HEADER_BYTES, MAX_MESSAGE_BYTES, died, failure, header},
};

/// The time between two looks at what a program has written. Waking up for each message would cost more than a short
/// call takes.
const LOOK: Duration = Duration::from_millis(5);
/// A program that has written more than that within one look waits for its reader, which then stays awake.
const FLOW_BYTES: usize = 1 << 15;
/// The most that is read in one look, so that a program that writes without end is late all the same.
const MAX_LOOK_BYTES: usize = 1 << 20;
/// What a program may take to end after its last message.
const LEAVE: Duration = Duration::from_secs(1);

/// Calls of a function that a program defines.
#[derive(Clone, Copy, Debug)]
pub struct Calls<'a> {
    /// The program; its time limit is that of all calls together.
    pub call: Call<'a>,
    /// The time limit of each call. The first one also holds for the definition of the function.
    pub limits: &'a [Duration],
}

/// What becomes of the answers of a program.
pub trait Answers {
    /// Forgets all answers, because the program is run again from the start.
    fn restart(&mut self);

    /// The most bytes that the message of an answer may have; a longer one ends the program.
    fn most_bytes(&self, number: usize) -> usize;

    /// Takes the message of an answer: a letter, the length of the body in four bytes, and the body. Breaking ends the
    /// program.
    fn take(&mut self, number: usize, message: &[u8]) -> ControlFlow<()>;
}

/// How a program that answers calls ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Why there are no more answers.
    pub end: AnswersEnd,
    /// Whether the program has defined its function.
    pub is_loaded: bool,
    /// The number of answers.
    pub count: usize,
}

/// Why there are no more answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswersEnd {
    /// There is one for each call.
    Complete,
    /// [`Answers::take`] did not want more.
    Stopped,
    /// The next answer is longer than [`Answers::most_bytes`].
    TooLong,
    /// The program raised an exception.
    Raised {
        /// The verdict on a program that raises it.
        verdict: Verdict,
        /// The message that reports it.
        message: Vec<u8>,
    },
    /// The program was late, died, or wrote something else.
    Ended(Verdict),
}

/// The messages of a program, in parts as they come.
pub(super) struct Inbox<'a> {
    answers: &'a mut dyn Answers,
    /// The number of calls.
    calls: usize,
    /// The beginning of a message that is not complete.
    bytes: Vec<u8>,
    is_loaded: bool,
    count: usize,
    end: Option<AnswersEnd>,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(calls: usize, answers: &'a mut dyn Answers) -> Self {
        answers.restart();
        Self {
            answers,
            calls,
            bytes: Vec::new(),
            is_loaded: false,
            count: 0,
            end: None,
        }
    }

    /// Takes a part of what the program writes, and returns whether it completes a message.
    fn take(&mut self, part: &[u8]) -> bool {
        if self.end.is_some() {
            return false;
        }
        self.bytes.extend_from_slice(part);
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        while let (None, Some((letter, length))) = (&self.end, header(rest)) {
            if length > self.most_bytes(letter) {
                self.end = Some(AnswersEnd::TooLong);
                break;
            }
            let Some((message, others)) = rest.split_at_checked(HEADER_BYTES + length) else {
                break;
            };
            self.end = self.end_after(letter, message);
            rest = others;
        }
        let used = bytes.len() - rest.len();
        self.bytes = bytes;
        self.bytes.drain(..used);
        used > 0
    }

    fn most_bytes(&self, letter: u8) -> usize {
        if is_answer(letter) && self.count < self.calls {
            self.answers.most_bytes(self.count)
        } else {
            MAX_MESSAGE_BYTES
        }
    }

    /// What a message ends, if anything.
    fn end_after(&mut self, letter: u8, message: &[u8]) -> Option<AnswersEnd> {
        let forged = || Some(AnswersEnd::Ended(Verdict::Forged));
        match letter {
            b'L' if !self.is_loaded => self.is_loaded = true,
            b'A' | b'E' => {
                return Some(AnswersEnd::Raised {
                    verdict: failure(letter, &message[HEADER_BYTES..]),
                    message: message.to_vec(),
                });
            }
            letter if is_answer(letter) && self.is_loaded => {
                let flow = self.answers.take(self.count, message);
                self.count += 1;
                if flow.is_break() {
                    return Some(AnswersEnd::Stopped);
                }
            }
            _ => return forged(),
        }
        (self.count == self.calls).then_some(AnswersEnd::Complete)
    }

    /// How the program ended, whose exit code is `status` if it ended by itself.
    pub(super) fn finish(self, end: End, status: Option<i32>) -> Answered {
        let is_whole = self.bytes.is_empty();
        let end = self.end.unwrap_or_else(|| {
            AnswersEnd::Ended(match status {
                Some(status) if end == End::ByItself && (is_whole || status != 0) => died(status),
                _ => end.verdict(),
            })
        });
        Answered {
            end,
            is_loaded: self.is_loaded,
            count: self.count,
        }
    }

    /// Reads what the program has written by now; whether it completes a message, and how many bytes it was.
    fn look(&mut self, pipes: &mut ProgramPipes) -> Result<(bool, usize), PythonError> {
        let (mut is_progress, mut size) = (false, 0);
        while size < MAX_LOOK_BYTES {
            let part = pipes.read_available()?;
            if part.is_empty() {
                break;
            }
            size += part.len();
            is_progress |= self.take(part);
        }
        Ok((is_progress, size))
    }

    /// Reads all that an ended program has left in its pipe.
    pub(super) fn drain(&mut self, pipes: &mut ProgramPipes) -> Result<(), PythonError> {
        while self.look(pipes)?.1 > 0 {}
        Ok(())
    }
}

/// Whether a message with that letter is an answer: a value, or an exception after which the program goes on.
fn is_answer(letter: u8) -> bool {
    matches!(letter, b'V' | b'v' | b'X' | b'x' | b'R')
}

/// Takes the messages of a program until the server replies that it has ended, the time of a call or of all calls is
/// over, or no more messages are wanted.
pub(super) fn await_answers(
    server: u32,
    channel: &Channel,
    pipes: &mut ProgramPipes,
    calls: &Calls<'_>,
    inbox: &mut Inbox<'_>,
) -> Result<End, PythonError> {
    let limit_of = |number: usize| calls.limits.get(number).or(calls.limits.last());
    let limit_of = |number| limit_of(number).copied().unwrap_or(calls.call.timeout);
    let mut all = TimeLimit::start(calls.call.timeout);
    let mut one = TimeLimit::start(limit_of(0));
    let (mut is_flowing, mut is_over) = (false, false);
    loop {
        let deadline = all
            .deadline()
            .min(one.deadline())
            .min(Instant::now() + LOOK);
        let mut ends = [channel.polled(), pipes.polled()];
        let polled = if is_flowing { 2 } else { 1 };
        wait_for(&mut ends[..polled], deadline)?;
        let [has_ended, _] = ends.map(|end| !end.revents().is_empty());
        let (is_progress, size) = inbox.look(pipes)?;
        is_flowing = size > FLOW_BYTES;
        if has_ended {
            return Ok(End::ByItself);
        }
        match &inbox.end {
            None if is_progress => one.restart(limit_of(inbox.count), server),
            None => {}
            Some(AnswersEnd::Complete | AnswersEnd::Raised { .. }) if !is_over => {
                is_over = true;
                one.restart(LEAVE, server);
            }
            Some(AnswersEnd::Complete | AnswersEnd::Raised { .. }) => {}
            Some(_) => return Ok(End::Flood),
        }
        for limit in [&mut one, &mut all] {
            if Instant::now() >= limit.deadline() && !limit.extend(server)? {
                return Ok(End::Late);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps all answers, of at most eight bytes each, up to the one that says stop.
    #[derive(Default)]
    struct Kept(Vec<Vec<u8>>);

    impl Answers for Kept {
        fn restart(&mut self) {
            self.0.clear();
        }

        fn most_bytes(&self, _: usize) -> usize {
            8
        }

        fn take(&mut self, number: usize, message: &[u8]) -> ControlFlow<()> {
            assert_eq!(number, self.0.len());
            self.0.push(message.to_vec());
            if message.ends_with(b"stop") {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
    }

    fn message(letter: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&[letter], length.as_slice(), body].concat()
    }

    /// The end and the number of answers of a program that writes `text`, in parts of a few bytes and at once.
    fn end_of(text: &[u8], status: i32) -> (AnswersEnd, usize) {
        let mut ends = [1, 7, text.len().max(1)].map(|size| {
            let mut kept = Kept::default();
            let mut inbox = Inbox::new(2, &mut kept);
            for part in text.chunks(size) {
                inbox.take(part);
            }
            let answered = inbox.finish(End::ByItself, Some(status));
            assert_eq!(answered.count, kept.0.len());
            (answered.end, answered.count)
        });
        let last = ends[2].clone();
        assert!(ends.iter_mut().all(|end| *end == last), "{ends:?}");
        last
    }

    #[test]
    fn messages_are_split_and_counted_however_they_come() {
        let [loaded, one, stop] = [
            message(b'L', b""),
            message(b'V', b"1"),
            message(b'x', b"stop"),
        ];
        let long = message(b'V', b"123456789");
        let raised = message(b'E', b"KeyError\nx");
        let join =
            |parts: &[&Vec<u8>]| parts.iter().copied().flatten().copied().collect::<Vec<_>>();
        let forged = AnswersEnd::Ended(Verdict::Forged);

        assert_eq!(
            end_of(&join(&[&loaded, &one, &one]), 0),
            (AnswersEnd::Complete, 2)
        );
        assert_eq!(
            end_of(&join(&[&loaded, &one, &one, &one]), 0),
            (AnswersEnd::Complete, 2)
        );
        assert_eq!(
            end_of(&join(&[&loaded, &stop, &one]), 0),
            (AnswersEnd::Stopped, 1)
        );
        assert_eq!(
            end_of(&join(&[&loaded, &one, &long]), 0),
            (AnswersEnd::TooLong, 1)
        );
        assert_eq!(end_of(&join(&[&one, &one]), 0), (forged.clone(), 0));
        assert_eq!(end_of(&join(&[&loaded, &loaded]), 0), (forged.clone(), 0));
        assert_eq!(end_of(&join(&[&loaded, &one])[..9], 0), (forged, 0));
        let died = |code| {
            AnswersEnd::Ended(Verdict::Died {
                code: Some(code),
                signal: None,
            })
        };
        assert_eq!(end_of(&join(&[&loaded, &one])[..9], 1), (died(1), 0));
        assert_eq!(end_of(&join(&[&loaded, &one]), 0), (died(0), 1));
        let (end, count) = end_of(&join(&[&loaded, &one, &raised]), 0);
        assert!(
            matches!(&end, AnswersEnd::Raised { verdict, message } if verdict.name() == "error" && *message == raised),
            "{end:?}"
        );
        assert_eq!(count, 1);
    }
}
