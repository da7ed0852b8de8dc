//! The `recode` program.

use std::process::ExitCode;

use recode::memory::Memory;

#[global_allocator]
static MEMORY: Memory = Memory;

fn main() -> ExitCode {
    recode::cli::main()
}
