//! `recode watch`: shows a job while it runs, from its files.

mod completion;
mod job_log;
mod screen;
mod sparkline;
mod view;

use std::{io, thread, time::Instant};

use clap::Args;

use super::{
    exit::{Exit, Failure},
    named_job, output, results_folder,
    vigil::{PAUSE, Vigil},
};
use crate::results::{JobDir, JobState};
use screen::Screen;
use view::View;

/// Arguments of `recode watch`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A job, such as `train-7c1e9a02`, the beginning of its name, or its folder [default: the running
    /// job]
    job: Option<String>,
}

/// Runs `recode watch`.
///
/// The exit code is that of the job: done, failed, or stopped and resumable.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let store = results_folder::of_current_folder();
    let dir = match &arguments.job {
        Some(name) => named_job::find(name, &store)?,
        None => named_job::running(&store)?,
    };
    let screen = output::is_stdout_redrawable().then(Screen::default);
    watch(&dir, screen)
}

fn watch(dir: &JobDir, mut screen: Option<Screen>) -> Result<Exit, Failure> {
    let read = |error: io::Error| {
        let text = format!("cannot read the job in `{}`: {error}", dir.path().display());
        Failure::text(Exit::Missing, text)
    };
    let mut vigil = Vigil::begin(dir.clone());
    let mut view = View::new(dir.clone());
    loop {
        // The state is read first, so that nothing written before the job ended is missed.
        let (state, is_over) = vigil.poll(Instant::now())?;
        view.log.read_new().map_err(read)?;
        let text = match &mut screen {
            Some(screen) => screen.frame(view.picture(&state)),
            None => view.new_lines(),
        };
        let is_read = output::piece(&text);
        if is_over {
            if screen.is_none() {
                output::error_line(&view.header(&state));
            }
            return Ok(end(&state));
        }
        if !is_read {
            return Ok(Exit::Done);
        }
        thread::sleep(PAUSE);
    }
}

fn end(state: &JobState) -> Exit {
    match state {
        JobState::Done => Exit::Done,
        JobState::Failed { .. } => Exit::JobFailed,
        _ => Exit::Stopped,
    }
}
