//! The `recode` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    recode::cli::main()
}
