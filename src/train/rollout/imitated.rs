//! What a teacher on another machine says about the completions of a step.

use std::io;

use crate::{
    ranks::Ranks,
    train::{
        error::TrainError,
        task::Row,
        teacher::{RemoteTeacher, TeacherQuestion},
    },
};

use super::sample::Sample;

/// The log-probability of each token of each completion, which the first rank asks for; `None` if the training
/// has to stop.
pub(super) fn log_probs(
    teacher: &dyn RemoteTeacher,
    ranks: &Ranks,
    rows: &[Row],
    samples: &[&Sample],
    step: usize,
) -> Result<Option<Vec<Vec<f32>>>, TrainError> {
    let said = if ranks.is_first() {
        let asked = ask(teacher, rows, samples);
        Some(asked.map_err(|source| TrainError::Teacher {
            step: step + 1,
            source,
        })?)
    } else {
        None
    };
    Ok(ranks.first_says(said)?)
}

fn ask(
    teacher: &dyn RemoteTeacher,
    rows: &[Row],
    samples: &[&Sample],
) -> io::Result<Option<Vec<Vec<f32>>>> {
    let questions: Vec<TeacherQuestion<'_>> = samples
        .iter()
        .map(|sample| TeacherQuestion {
            row: &rows[sample.row].id,
            prompt: &sample.sequence.prompt,
            completion: &sample.sequence.completion,
        })
        .collect();
    let Some(said) = teacher.log_probs(&questions)? else {
        return Ok(None);
    };
    if said.len() != questions.len() {
        let (said, asked) = (said.len(), questions.len());
        let what = format!("the teacher has read `{said}` completions, but was sent `{asked}`");
        return Err(io::Error::other(what));
    }
    for (question, said) in questions.iter().zip(&said) {
        let (row, tokens) = (question.row, question.completion.len());
        if said.len() != tokens {
            let count = said.len();
            let what = format!(
                "{row}: the teacher gives `{count}` log-probabilities for a completion of `{tokens}` tokens"
            );
            return Err(io::Error::other(what));
        }
        if let Some(odd) = said.iter().find(|one| !one.is_finite()) {
            let what = format!("{row}: the teacher gives the log-probability `{odd}`");
            return Err(io::Error::other(what));
        }
    }
    Ok(Some(said))
}
