//! What a user sees: the program, run as they run it.

mod attacks;
mod damage;
mod datasets;
mod doctor;
mod evalplus;
mod evaluate_in_training;
mod fetch;
mod interruptions;
mod judge_out;
mod kill;
mod kill_training;
mod learning;
mod looking_on;
mod migrations;
mod multi_update;
mod non_finite;
mod proof;
mod ranks;
mod remote;
mod report;
mod score;
mod specs;
mod stdout;
mod tensorboard;
mod tiny_world;
mod trackers;
