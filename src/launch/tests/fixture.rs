//! Workers that are closures: they test a scheduler without processes, clocks or chance.

use crate::launch::{Ended, LaunchError, Launcher, Order, Started};

/// What a fake worker does.
pub(crate) struct Play {
    /// How often it is polled before it ends.
    pub(crate) polls: usize,
    /// How it ends if it is not stopped.
    pub(crate) ended: Ended,
    /// How it ends if it is asked to stop; nothing if it ignores that.
    pub(crate) on_stop: Option<Ended>,
    /// What it does just before it ends by itself.
    pub(crate) act: Box<dyn FnMut()>,
}

/// Starts the fake workers that a closure makes, one an order.
pub(crate) struct Fake<F> {
    direct: F,
}

impl<F: FnMut(&Order<'_>) -> Play> Fake<F> {
    /// A launcher whose workers do what `direct` says.
    pub(crate) fn new(direct: F) -> Self {
        Self { direct }
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
