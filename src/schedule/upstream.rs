//! What jobs need of the finished jobs that they build on.

use super::track::{Phase, Track};
use crate::results::ResultsError;

/// Writes `job.json` of the finished jobs that a job builds on, where that file is damaged or gone: its worker reads
/// it.
pub(super) fn restore_upstream(tracks: &[Track<'_>], position: usize) -> Result<(), ResultsError> {
    let needs = tracks[position].needs.iter().map(|place| &tracks[*place]);
    needs
        .filter(|track| track.is_done())
        .try_for_each(|track| track.dir.restore_job(track.job))
}

/// A training that is done counts as open if its model was removed and a job that is not done needs it.
pub(super) fn do_again_for_their_models(tracks: &mut [Track<'_>]) {
    // From the last job to the first, because a training may start with the model of another one.
    for position in (0..tracks.len()).rev() {
        if tracks[position].end().is_some() {
            continue;
        }
        for place in tracks[position].needs.clone() {
            reopen(tracks, place);
        }
    }
}

fn reopen(tracks: &mut [Track<'_>], place: usize) {
    let track = &mut tracks[place];
    if track.is_done() && track.dir.lacks_model() {
        track.phase = Phase::Waiting;
        for place in track.needs.clone() {
            reopen(tracks, place);
        }
    }
}
