//! This machine: child processes that a scheduler starts and watches.

use super::{CarriedOut, Engine, EngineError};
use crate::{plan::Plan, schedule::Scheduler};

impl Engine for Scheduler<'_> {
    fn carry_out(&mut self, plan: &Plan) -> Result<CarriedOut, EngineError> {
        Ok(CarriedOut::Ended(self.run(&plan.jobs)?))
    }
}
