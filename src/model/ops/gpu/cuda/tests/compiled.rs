//! The texts of this folder, compiled by NVIDIA's compiler for three generations of GPUs.

use std::{env, path::PathBuf, process::Command};

use crate::model::ops::gpu::cuda::shape::{Choice, FewRows, Stored};

/// The shapes of two models and of a small one that fills no tile.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let plain = |columns: &[usize]| -> Vec<Stored> {
        let stored = |columns: &usize| Stored {
            columns: *columns,
            pitch: columns.next_multiple_of(256),
        };
        columns.iter().map(stored).collect()
    };
    let weights: [(&str, usize, &[usize]); 6] = [
        ("qkv", 3_584, &[3_584, 512, 512]),
        ("o", 3_584, &[3_584]),
        ("gate_up", 3_584, &[18_944, 18_944]),
        ("down", 18_944, &[3_584]),
        ("qkv_05b", 896, &[896, 128, 128]),
        ("small", 176, &[88, 88]),
    ];
    for rows in [8, 16, 32, 64] {
        let mut push = |name: &str, few: Option<FewRows>, is_gated: bool| {
            let few = few.unwrap();
            texts.push((format!("few_{name}_{rows}"), few.text()));
            if rows == 8 {
                let add = few.parts([!is_gated; 3], is_gated);
                texts.push((format!("add_{name}"), add.text()));
            }
        };
        for (name, k, columns) in weights {
            let few = FewRows::of([rows, k], k, &plain(columns), false);
            push(name, few, columns.len() == 2);
        }
        let gate_up = FewRows::of([rows, 3_584], 3_584, &plain(&[18_944, 18_944]), false);
        let choice = Choice {
            span: 1_024,
            ahead: 4,
            side: 2,
        };
        push("wide", gate_up.and_then(|few| few.with(choice)), true);
        for (name, k, vocabulary) in [("head", 3_584, 152_064), ("small_head", 96, 200)] {
            let head = Stored {
                columns: vocabulary,
                pitch: k,
            };
            push(name, FewRows::of([rows, k], k, &[head], true), false);
        }
    }
    texts
}

/// Where `tests/cuda/install.sh` installs the compiler.
fn tools() -> PathBuf {
    let cache = || {
        let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        cache.or_else(home).unwrap().join("recode/cuda-tools")
    };
    env::var_os("RECODE_CUDA_TOOLS").map_or_else(cache, PathBuf::from)
}

#[test]
#[ignore = "needs NVIDIA's compiler, which `just check-cuda` installs"]
fn the_cuda_texts_compile_within_their_budgets() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts() {
        std::fs::write(folder.path().join(format!("{name}.cu")), text).unwrap();
    }

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cuda/compile.py");
    let status = Command::new(tools().join("bin/python"))
        .arg(script)
        .arg(folder.path())
        .status();

    let status = status.expect("`tests/cuda/install.sh` installs the compiler");
    assert!(status.success(), "the script ended with {status}");
}
