//! Tests of what reads data from elsewhere.

mod fuzz;
