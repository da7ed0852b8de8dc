//! Specs that nobody wrote, made from those of the project.

use std::fs;

use super::{MANIFEST, load_in, write};
use crate::fuzz::{fuzz, law};

const SPECS: [&str; 5] = [
    include_str!("../../../experiments/quickstart.toml"),
    include_str!("../../../experiments/from_scratch.toml"),
    include_str!("../../../experiments/grpo_qwen7b.toml"),
    include_str!("../../../experiments/paper/table2_rewards.toml"),
    include_str!("../../../experiments/presets/dr_grpo.toml"),
];

#[test]
fn specs_are_read_or_refused() {
    fuzz(20, &SPECS, |case| {
        if !case.folder.join("datasets").exists() {
            for (name, text) in [
                ("datasets/manifest.toml", MANIFEST),
                ("datasets/reference/recode.toml", "[table1]\n[table2]\n"),
                ("datasets/prompts/migration.jinja", ""),
                ("datasets/prompts/code_update_arena.jinja", ""),
                ("datasets/prompts/human_eval.jinja", ""),
                ("datasets/from_scratch/tokenizer.json", "{}"),
            ] {
                write(case.folder, name, text);
            }
        }
        fs::write(case.folder.join("x.toml"), &case.bytes).unwrap();
        match load_in(case.folder, &[], &[]) {
            Ok(experiment) => law(!experiment.points.is_empty(), "an experiment has a point"),
            Err(mistakes) => law(
                mistakes.contains("x.toml"),
                &format!("a refusal names the file: {mistakes}"),
            ),
        }
    });
}
