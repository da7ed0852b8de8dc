//! Workers that are closures: to test what stands above without processes, clocks or luck.

use std::fmt;

use super::{Ended, LaunchError, Launcher, Order, Started};

/// What a fake worker does.
pub struct Play {
    /// How often it is looked at before it ends.
    pub polls: usize,
    /// How it ends if nobody stops it.
    pub ended: Ended,
    /// How it ends if it is asked to stop; nothing if it ignores that.
    pub on_stop: Option<Ended>,
    /// What it does just before it ends by itself.
    pub act: Box<dyn FnMut()>,
}

impl fmt::Debug for Play {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Play")
            .field("polls", &self.polls)
            .finish_non_exhaustive()
    }
}

/// Starts what a closure makes of each order.
pub struct Fake<F> {
    direct: F,
}

impl<F: FnMut(&Order<'_>) -> Play> Fake<F> {
    /// A launcher whose workers do what `direct` says.
    pub fn new(direct: F) -> Self {
        Self { direct }
    }
}

impl<F> fmt::Debug for Fake<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fake")
    }
}

impl<F: FnMut(&Order<'_>) -> Play> Launcher for Fake<F> {
    fn start(&mut self, order: &Order<'_>) -> Result<Box<dyn Started>, LaunchError> {
        Ok(Box::new(Actor {
            play: (self.direct)(order),
            ended: None,
        }))
    }
}

struct Actor {
    play: Play,
    ended: Option<Ended>,
}

impl Started for Actor {
    fn poll(&mut self) -> Result<Option<Ended>, LaunchError> {
        if self.ended.is_none() {
            if self.play.polls == 0 {
                (self.play.act)();
                self.ended = Some(self.play.ended);
            } else {
                self.play.polls -= 1;
            }
        }
        Ok(self.ended)
    }

    fn stop(&mut self) {
        self.ended = self.ended.or(self.play.on_stop);
    }

    fn kill(&mut self) {
        self.ended = self.ended.or(Some(Ended::Signal(9)));
    }
}
