mod blocks;
mod files;
mod fixture;
mod fuzz;
