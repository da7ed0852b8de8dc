//! Tests of files that crashes and people have changed.

mod fuzz;
