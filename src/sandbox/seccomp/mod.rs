//! The system calls that a server and its programs may make.

mod filter;
mod system_calls;

pub(super) use system_calls::{program_filter, server_filter};
