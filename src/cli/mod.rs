//! Arguments, printing, exit codes.
//!
//! One file a subcommand; each has its arguments and a `run` that returns how it ended.

mod chat;
mod check;
mod clean;
mod closed_output;
mod code_drift;
mod compare;
mod completions;
mod config;
mod data;
mod doctor;
mod exit;
mod explain;
mod fetch;
mod first_steps;
mod generate;
mod init;
mod job;
mod judge;
mod log_probs;
mod logs;
mod man;
mod merge;
mod model_arguments;
mod named_job;
mod out_file;
mod output;
mod pack;
mod plan;
mod plan_costs;
mod plan_memory;
mod plan_power;
mod plan_steps;
mod planned_job;
mod progress;
mod prompt_file;
mod python;
mod queue;
mod report;
mod results_folder;
mod room;
mod run;
mod run_only;
mod schema;
mod score;
mod sharing;
mod shortfalls;
mod slurm_task;
mod spec_arguments;
mod spec_name;
mod spelled_values;
mod status;
mod table_file;
mod tail;
mod trackers;
mod upstream;
mod verify;
mod vigil;
mod watch;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::spec;
use exit::{Exit, Failure};

/// Reproducible reinforcement-learning experiments on code models.
///
/// A spec (TOML) says what to measure: model, algorithm, reward, benchmarks, and the axes of a
/// grid. `recode run` expands it into jobs, runs what is not done yet, and prints the table.
#[derive(Debug, Parser)]
#[command(name = "recode", version, after_help = after_help())]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What `--help` prints after the commands.
fn after_help() -> String {
    let rows = spec::VARIABLES.iter();
    let rows: Vec<String> = rows
        .map(|variable| format!("  {:15}  {}", variable.name, variable.meaning))
        .collect();
    format!("{AFTER_HELP}\n\n{VARIABLES}\n{}", rows.join("\n"))
}

const VARIABLES: &str = "\
Variables of the environment (docs/running_a_grid.md):
  RECODE_<KEY>     a key of a spec with `__` for a dot, as in RECODE_TRAIN__MAX_STEPS=100";

const AFTER_HELP: &str = "\
Start here:
  recode run quickstart     train and evaluate a tiny model, in minutes (experiments/quickstart.toml)
  recode plan paper/table1  list the jobs of the paper's Table 1; runs nothing
  recode score completions.jsonl --reward es_star --json
  recode judge --benchmark humaneval --data HumanEval.jsonl.gz --samples samples.jsonl --out verdicts.json

Exit codes: 0 done, 1 a job failed or a check found a difference, 2 the spec or the arguments are wrong,
3 something is missing here (device, data, Python), 70 a bug,
74 the result could not be written to stdout, 75 stopped and resumable.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Lay out the experiments and data that come with the program, or write a commented spec to start from
    Init(init::Arguments),
    /// Run the jobs of an experiment that have no result yet, then print its table
    Run(run::Arguments),
    /// Print the jobs of an experiment with their state and its reason; writes nothing
    Plan(plan::Arguments),
    /// Check specs and print every mistake at once; writes nothing
    Check(check::Arguments),
    /// Print every value of a spec, and where it was set
    Config(config::Arguments),
    /// Name the finished job that is most like a job, and exactly what differs
    Why(why::Arguments),
    /// Show in what two specs, tables or jobs differ: settings, then measures with their intervals
    Compare(compare::Arguments),
    /// Explain a key of a spec, a section or an error code such as E101
    Explain(explain::Arguments),
    /// Print the JSON Schema of a spec, for editors
    Schema,
    /// Print the completions of a shell
    Completions(completions::Arguments),
    /// Write the manual pages into a folder
    Man(man::Arguments),
    /// Print an experiment's table from the results so far; runs nothing
    Report(report::Arguments),
    /// Check that a table or a pack is what its jobs have computed: digests, and parts done again
    Verify(verify::Arguments),
    /// Write the results of an experiment into one archive, which `verify` reads on another machine
    Pack(pack::Arguments),
    /// Print the state of jobs: done, running, failed, interrupted or waiting
    Status(status::Arguments),
    /// Print the logs of a job's last attempt
    Logs(logs::Arguments),
    /// Show a job's steps and completions while it runs
    Watch(watch::Arguments),
    /// List what is in the results, with what uses it; move what nothing uses to a trash
    Clean(clean::Arguments),
    /// Download the models and data sets that an experiment names
    Fetch(fetch::Arguments),
    /// Score completions against their targets with one of the rewards
    Score(score::Arguments),
    /// Judge samples of a benchmark by running their tests in a sandbox
    Judge(judge::Arguments),
    /// Report what this machine offers: safeguards, Python, backends, disk
    Doctor(doctor::Arguments),
    /// Generate completions of prompts
    Generate(generate::Arguments),
    /// Converse with a model
    Chat(chat::Arguments),
    /// Print the log-probability of each token of given completions
    LogProbs(log_probs::Arguments),
    /// Merge an adapter into its model, and write the result as a Hugging Face folder
    Merge(merge::Arguments),
    /// Check, draft and review migrations to train on
    #[command(subcommand)]
    Data(data::Command),
    /// Print which Python runs the tests of each benchmark, or make an environment with their libraries
    Python(python::Arguments),
    /// Run one job in its folder (started by `run`)
    #[command(hide = true)]
    Job(job::Arguments),
    /// Run one job within an allocation of Slurm (started by `run --on slurm`)
    #[command(hide = true)]
    SlurmTask(slurm_task::Arguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let printed = error.print();
            if error.use_stderr() {
                return Exit::Usage.into();
            }
            output::remember(printed);
            output::piece("");
            return finish(Exit::Done).into();
        }
    };
    let Some(command) = arguments.command else {
        first_steps::print();
        return finish(Exit::Done).into();
    };
    log_to_stderr(&command);
    let exit = match command.run() {
        Ok(exit) => exit,
        Err(failure) => failure.report(),
    };
    finish(exit).into()
}

/// How the program ends: not with success if a part of its result is lost.
fn finish(exit: Exit) -> Exit {
    let Some(error) = output::lost() else {
        return exit;
    };
    let text = format!("cannot write the result to the standard output: {error}");
    let lost = Failure::text(Exit::ResultLost, text).report();
    if exit == Exit::Done { lost } else { exit }
}

impl Command {
    fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Init(arguments) => init::run(&arguments),
            Self::Completions(arguments) => Ok(completions::run(&arguments)),
            Self::Man(arguments) => man::run(&arguments),
            Self::Run(arguments) => run::run(&arguments),
            Self::Plan(arguments) => plan::run(&arguments),
            Self::Check(arguments) => check::run(&arguments),
            Self::Config(arguments) => config::run(&arguments),
            Self::Why(arguments) => why::run(&arguments),
            Self::Compare(arguments) => compare::run(&arguments),
            Self::Clean(arguments) => clean::run(&arguments),
            Self::Explain(arguments) => explain::run(&arguments),
            Self::Schema => Ok(schema::run()),
            Self::Report(arguments) => report::run(&arguments),
            Self::Verify(arguments) => verify::run(&arguments),
            Self::Pack(arguments) => pack::run(&arguments),
            Self::Status(arguments) => status::run(&arguments),
            Self::Logs(arguments) => logs::run(&arguments),
            Self::Watch(arguments) => watch::run(&arguments),
            Self::Fetch(arguments) => fetch::run(&arguments),
            Self::Score(arguments) => score::run(&arguments),
            Self::Judge(arguments) => judge::run(&arguments),
            Self::Doctor(arguments) => doctor::run(&arguments),
            Self::Generate(arguments) => generate::run(&arguments),
            Self::Chat(arguments) => chat::run(&arguments),
            Self::LogProbs(arguments) => log_probs::run(&arguments),
            Self::Merge(arguments) => merge::run(&arguments),
            Self::Data(command) => command.run(),
            Self::Python(arguments) => python::run(&arguments),
            Self::Job(arguments) => job::run(&arguments),
            Self::SlurmTask(arguments) => slurm_task::run(&arguments),
        }
    }
}

/// Sends log lines to stderr; `RUST_LOG` chooses which.
///
/// By default those are warnings; a job's stderr is a file, where more is welcome.
fn log_to_stderr(command: &Command) {
    let default = if matches!(command, Command::Job(_)) {
        "info"
    } else {
        "warn"
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::is_stderr_colourful())
        .with_target(false)
        .init();
}
