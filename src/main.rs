//! The `recode` program.

use std::process::ExitCode;

use recode::allocator::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    recode::cli::main()
}
