//! Specs that nobody wrote.

use std::fs;

use proptest::prelude::*;

use super::{load_in, project, write};

const VALID: &str = "\
include = [\"base.toml\"]
name = \"x\"
[train]
lr = { peak = 1e-4, warmup_steps = 5 }
[run]
seeds = [1, 2]
[grid]
\"train.reward\" = [\"em\", \"es\"]
train.max_steps = [100, 200]
[[grid.zip]]
\"model.adapter.r\" = [1, 2]
\"model.adapter.alpha\" = [1, 2]
[[grid.when]]
if = { \"train.reward\" = \"em\" }
set = { \"train.group_size\" = 4 }
[[grid.exclude]]
\"train.reward\" = \"es\"
\"model.adapter.r\" = 1
[[grid.add]]
\"train.reward\" = \"format\"
[table]
cols = [\"code_update_arena.pass@5\"]
baseline = { method = \"untrained\" }
";

#[test]
fn the_spec_that_is_garbled_below_is_valid() {
    let folder = project();
    write(folder.path(), "base.toml", "");
    write(folder.path(), "x.toml", VALID);

    assert_eq!(load_in(folder.path(), &[], &[]).unwrap().points.len(), 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_garbled_spec_makes_a_panic(
        edits in prop::collection::vec((0..VALID.len(), 0usize..6, any::<u8>()), 1..6),
        value in "\\PC{0,12}",
    ) {
        const BITS: &[u8] = b"[]{}=\".,'\n#0-9e\xff\xc3";
        let mut bytes = VALID.as_bytes().to_vec();
        for (at, length, kind) in edits {
            let start = at.min(bytes.len());
            let end = (start + length).min(bytes.len());
            let new = match kind % 4 {
                0 => Vec::new(),
                1 => vec![BITS[usize::from(kind) % BITS.len()]],
                2 => value.as_bytes().to_vec(),
                _ => bytes[start..end].repeat(2),
            };
            bytes.splice(start..end, new);
        }
        let folder = project();
        write(folder.path(), "base.toml", "");
        fs::write(folder.path().join("x.toml"), bytes).unwrap();
        let set = format!("train.reward={value}");
        // Either answer will do: rendering all mistakes is part of what must not panic.
        let _ = load_in(folder.path(), &[("RECODE_TRAIN__LR", &value)], &[&set, &value]);
    }
}
