//! `recode data review`: a person accepts, rejects or edits drafts.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, BufRead as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use clap::Args;
use serde_json::{Map, Value};

use super::syntax;
use crate::{
    cli::{
        exit::{Exit, Failure},
        out_file,
        output::{self, count},
    },
    data::{
        DataError, Draft, DraftState, MigrationChecker, Queue, Severity, append_json_line, as_form,
        from_form,
    },
};

const AFTER_HELP: &str = "\
Answers, one a line:
  a           accept: the row is checked and added to the file of --into
  r [REMARK]  reject; `recode data build --redo` sends the remark with the next request
  e           edit in $EDITOR, then judge
  s           skip for now
  q           quit; so does the end of the input. The same command continues later.";

/// Arguments of `recode data review`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Arguments {
    /// The queue that `recode data build` fills
    queue: PathBuf,
    /// The file of migrations that accepted rows are added to
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
}

/// Runs `recode data review`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if !arguments.queue.exists() {
        let message = format!("there is no queue `{}`", arguments.queue.display());
        return Err(Failure::text(Exit::Missing, message)
            .hint("`recode data build` makes one from release notes"));
    }
    let inputs = [("QUEUE", arguments.queue.as_path())];
    out_file::check("--into", &arguments.into, &inputs)?;
    let mut review = Review {
        arguments,
        queue: Queue::open(&arguments.queue).map_err(|error| cannot(&error))?,
        answers: io::stdin().lock().lines(),
    };
    for position in 0..review.queue.drafts().len() {
        if !review.judge(position)? {
            break;
        }
    }
    let number = |state| {
        let drafts = review.queue.drafts().iter();
        drafts.filter(|draft| draft.state == state).count()
    };
    let waiting = count(number(DraftState::Pending), "draft");
    output::result(&format!(
        "{} accepted, {} rejected, {waiting} to judge",
        number(DraftState::Accepted),
        number(DraftState::Rejected)
    ));
    Ok(Exit::Done)
}

fn cannot(error: &DataError) -> Failure {
    Failure::new(Exit::Missing, error)
}

/// What a reviewer may answer.
enum Answer {
    Accept,
    Reject(Option<String>),
    Edit,
    Skip,
    Quit,
}

struct Review<'a> {
    arguments: &'a Arguments,
    queue: Queue,
    answers: io::Lines<io::StdinLock<'static>>,
}

impl Review<'_> {
    /// Has one draft judged; returns whether to continue with the next.
    fn judge(&mut self, position: usize) -> Result<bool, Failure> {
        let Some(mut draft) = self.queue.drafts().get(position).cloned() else {
            return Ok(false);
        };
        let Some(mut row) = draft
            .row
            .take()
            .filter(|_| draft.state == DraftState::Pending)
        else {
            return Ok(true);
        };
        let total = self.queue.drafts().len();
        loop {
            let problems = self.problems(&row)?;
            show(&draft, &row, &problems, (position + 1, total));
            match self.answer() {
                Answer::Accept => {
                    if self.accept(&row)? {
                        let state = DraftState::Accepted;
                        self.keep(position, draft, row, state, None)?;
                        return Ok(true);
                    }
                }
                Answer::Reject(remark) => {
                    let state = DraftState::Rejected;
                    self.keep(position, draft, row, state, remark)?;
                    return Ok(true);
                }
                Answer::Edit => {
                    match edited(&row) {
                        Ok(new) => row = new,
                        Err(reason) => output::error_line(&format!("not edited: {reason}")),
                    }
                    // Edits are not lost if the reviewer leaves now.
                    let state = DraftState::Pending;
                    self.keep(position, draft.clone(), row.clone(), state, None)?;
                }
                Answer::Skip => return Ok(true),
                Answer::Quit => return Ok(false),
            }
        }
    }

    fn keep(
        &mut self,
        position: usize,
        mut draft: Draft,
        row: Map<String, Value>,
        state: DraftState,
        remark: Option<String>,
    ) -> Result<(), Failure> {
        (draft.state, draft.row, draft.remark) = (state, Some(row), remark);
        let replaced = self.queue.replace(position, draft);
        replaced.map_err(|error| cannot(&error))
    }

    /// The next answer; after one that is not understood it asks again.
    fn answer(&mut self) -> Answer {
        loop {
            output::error_line("accept, reject, edit, skip, quit? [a/r/e/s/q]");
            let Some(Ok(line)) = self.answers.next() else {
                return Answer::Quit;
            };
            let (word, remark) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let remark = Some(remark.trim().to_owned()).filter(|remark| !remark.is_empty());
            match word {
                "a" | "accept" => return Answer::Accept,
                "r" | "reject" => return Answer::Reject(remark),
                "e" | "edit" => return Answer::Edit,
                "s" | "skip" => return Answer::Skip,
                "q" | "quit" => return Answer::Quit,
                _ => output::error_line(&format!("`{word}` is none of a, r, e, s and q")),
            }
        }
    }

    /// The problems of the row, given the rows that are accepted already.
    fn problems(&self, row: &Map<String, Value>) -> Result<Vec<(Severity, String)>, Failure> {
        let mut checker = MigrationChecker::new(&syntax);
        let into = &self.arguments.into;
        if into.exists() {
            checker.check(&into.display().to_string(), &super::read(into)?);
        }
        let line = Value::Object(row.clone()).to_string();
        let report = checker.check("draft", line.as_bytes());
        let problems = report.problems.into_iter().map(|problem| {
            let field = problem
                .field
                .map_or_else(String::new, |field| format!("`{field}`: "));
            (problem.severity, format!("{field}{}", problem.problem))
        });
        Ok(problems.collect())
    }

    /// Adds the row to the data, unless something is wrong with it.
    fn accept(&self, row: &Map<String, Value>) -> Result<bool, Failure> {
        let problems = self.problems(row)?;
        let errors = problems
            .iter()
            .filter(|(severity, _)| *severity == Severity::Error);
        let errors = errors.count();
        if errors > 0 {
            let errors = count(errors, "error");
            output::error_line(&format!(
                "not accepted: {errors} in the row; edit or reject it"
            ));
            return Ok(false);
        }
        let added = append_json_line(&self.arguments.into, row);
        added.map_err(|error| cannot(&error))?;
        Ok(true)
    }
}

fn show(
    draft: &Draft,
    row: &Map<String, Value>,
    problems: &[(Severity, String)],
    (number, total): (usize, usize),
) {
    let origin = &draft.origin;
    let mut text = format!("---- {number}/{total}  {origin}\n{}\n\n", draft.passage);
    text += &as_form(row);
    for (severity, problem) in problems {
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{severity}: {problem}");
    }
    output::error_line(&text);
}

/// The row as the reviewer's editor leaves it.
fn edited(row: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let variable = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = variable("VISUAL").or_else(|| variable("EDITOR"));
    let editor = editor.ok_or("neither VISUAL nor EDITOR names an editor")?;
    let file = tempfile::Builder::new().suffix(".txt").tempfile();
    let file = file.map_err(|error| error.to_string())?;
    fs::write(file.path(), as_form(row)).map_err(|error| error.to_string())?;
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words).arg(file.path());
    // The input holds the answers, so the editor gets the terminal, if there is one.
    let terminal = fs::File::open("/dev/tty").map_or_else(|_| Stdio::null(), Stdio::from);
    let status = command.stdin(terminal).status();
    let status = status.map_err(|error| format!("cannot start `{editor}`: {error}"))?;
    if !status.success() {
        return Err(format!("`{editor}` failed"));
    }
    from_form(&fs::read_to_string(file.path()).map_err(|error| error.to_string())?)
}
