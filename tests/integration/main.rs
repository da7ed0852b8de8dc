//! What a user sees: the program, run as they run it.

mod attacks;
mod datasets;
mod fetch;
mod interruptions;
mod kill;
mod score;
mod specs;
