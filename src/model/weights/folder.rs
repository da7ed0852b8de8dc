//! Which files of a folder hold the weights, and what a folder without such files has instead.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::model::error::ModelError;

/// The file of a checkpoint in one piece.
const WHOLE: &str = "model.safetensors";

/// The file that names the shard of each tensor.
const INDEX: &str = "model.safetensors.index.json";

/// The paths of the weights of a Hugging Face folder: one file, or the shards of an index.
///
/// As in transformers, the file goes before the index if there are both.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let whole = folder.join(WHOLE);
    let index = folder.join(INDEX);
    if whole.is_file() {
        return Ok(vec![whole]);
    }
    if !index.is_file() {
        return Err(match instead(&names(folder)) {
            None => ModelError::Read {
                source: fs::File::open(&whole)
                    .err()
                    .unwrap_or_else(|| std::io::ErrorKind::NotFound.into()),
                path: whole,
            },
            Some(problem) => ModelError::Weights {
                path: folder.to_owned(),
                problem,
            },
        });
    }
    let bytes = fs::read(&index).map_err(|source| ModelError::Read {
        path: index.clone(),
        source,
    })?;
    let shards = shards(&bytes).map_err(|problem| ModelError::Json {
        path: index.clone(),
        problem,
    })?;
    let missing: Vec<String> = shards
        .iter()
        .filter(|shard| !folder.join(shard).is_file())
        .map(|shard| format!("`{shard}`"))
        .collect();
    if missing.is_empty() {
        return Ok(shards.iter().map(|shard| folder.join(shard)).collect());
    }
    Err(ModelError::Weights {
        path: folder.to_owned(),
        problem: format!(
            "`{INDEX}` names {} of {} shards that are not here: {}; copy or fetch them again",
            missing.len(),
            shards.len(),
            list(&missing)
        ),
    })
}

/// The shards that an index names, sorted.
fn shards(index: &[u8]) -> Result<BTreeSet<String>, String> {
    let json: Value = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    let map = json
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or("`weight_map` is missing")?;
    if map.is_empty() {
        return Err("`weight_map` is empty".to_owned());
    }
    let shard = |(tensor, shard): (&String, &Value)| {
        let name = shard.as_str().filter(|name| {
            // A shard is next to its index, not anywhere else on this machine.
            Path::new(name).file_name() == Some(OsStr::new(name))
        });
        name.map(str::to_owned).ok_or_else(|| {
            format!("the shard of `{tensor}` is `{shard}`, expected the name of a file")
        })
    };
    map.iter().map(shard).collect()
}

/// What a folder without weights that this program reads has instead, and what to do with it.
fn instead(names: &[String]) -> Option<String> {
    let first = |test: &dyn Fn(&str) -> bool| names.iter().find(|name| test(name));
    let has_end = |name: &str, ends: &[&str]| {
        let end = Path::new(name).extension().and_then(OsStr::to_str);
        end.is_some_and(|end| ends.contains(&end))
    };
    if let Some(name) = first(&|name| name.starts_with("model-") && has_end(name, &["safetensors"]))
    {
        return Some(format!(
            "there are shards such as `{name}`, but no `{INDEX}` that says what they hold; fetch it too"
        ));
    }
    if let Some(name) = first(&|name| name.starts_with("adapter_model.")) {
        return Some(format!(
            "there is only the adapter `{name}`; name its base model, and pass this folder as its adapter"
        ));
    }
    if let Some(name) = first(&|name| has_end(name, &["safetensors"])) {
        return Some(format!(
            "there is no `{WHOLE}`, but `{name}`; rename it if it has the tensors of transformers"
        ));
    }
    if let Some(name) = first(&|name| {
        has_end(name, &["bin", "pt", "pth"]) && !name.starts_with("training_args")
            || name == "pytorch_model.bin.index.json"
    }) {
        return Some(format!(
            "there are only pickled weights, `{name}`; convert them to `{WHOLE}`, for example with \
             `save_pretrained` of transformers"
        ));
    }
    if let Some(name) = first(&|name| has_end(name, &["gguf"])) {
        return Some(format!(
            "there is no `{WHOLE}`, but `{name}`; write the path of that file"
        ));
    }
    let name = first(&|name| has_end(name, &["h5", "msgpack", "onnx", "npz", "ckpt"]))?;
    Some(format!(
        "there is only `{name}`; convert it to `{WHOLE}`, for example with `save_pretrained` of \
         transformers"
    ))
}

/// The names of the files of a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let names: BTreeSet<String> = names.collect();
    names.into_iter().collect()
}

/// The first items of a list, and how many others there are.
pub(super) fn list(items: &[String]) -> String {
    const SHOWN: usize = 3;
    match items.len().checked_sub(SHOWN) {
        None | Some(0) => items.join(", "),
        Some(1) => format!("{} and one more", items[..SHOWN].join(", ")),
        Some(others) => format!("{} and {others} more", items[..SHOWN].join(", ")),
    }
}

/// What a file that is no safetensors file is, if its first bytes say so.
pub(super) fn disguised(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 5] = [
        (
            b"version https://git-lfs",
            "it is a pointer of Git LFS, not the file; run `git lfs pull` where it comes from",
        ),
        (
            b"PK\x03\x04",
            "it is a pickled checkpoint; convert it to safetensors",
        ),
        (
            b"\x80\x02\x8a\x0a",
            "it is a pickled checkpoint; convert it to safetensors",
        ),
        (
            b"GGUF",
            "it is a GGUF file; give it a name that ends in `.gguf`",
        ),
        (b"<", "it is a web page or XML; fetch the file again"),
    ];
    if bytes.is_empty() {
        return Some("it is empty; fetch the file again");
    }
    let kind = kinds.iter().find(|(start, _)| bytes.starts_with(start));
    kind.map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(files: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let text = super::files(folder.path()).unwrap_err().to_string();
        text.replace(&folder.path().display().to_string(), "MODEL")
    }

    #[test]
    fn each_odd_folder_has_one_plain_sentence() {
        insta::assert_snapshot!(problem(&[]), @"cannot read `MODEL/model.safetensors`");
        insta::assert_snapshot!(problem(&[("pytorch_model.bin", "PK"), ("training_args.bin", "PK")]), @"`MODEL`: there are only pickled weights, `pytorch_model.bin`; convert them to `model.safetensors`, for example with `save_pretrained` of transformers");
        insta::assert_snapshot!(problem(&[("pytorch_model.bin.index.json", "{}")]), @"`MODEL`: there are only pickled weights, `pytorch_model.bin.index.json`; convert them to `model.safetensors`, for example with `save_pretrained` of transformers");
        insta::assert_snapshot!(problem(&[("consolidated.00.pth", "PK")]), @"`MODEL`: there are only pickled weights, `consolidated.00.pth`; convert them to `model.safetensors`, for example with `save_pretrained` of transformers");
        insta::assert_snapshot!(problem(&[("model-00002-of-00002.safetensors", ""), ("model-00001-of-00002.safetensors", "")]), @"`MODEL`: there are shards such as `model-00001-of-00002.safetensors`, but no `model.safetensors.index.json` that says what they hold; fetch it too");
        insta::assert_snapshot!(problem(&[("consolidated.safetensors", "")]), @"`MODEL`: there is no `model.safetensors`, but `consolidated.safetensors`; rename it if it has the tensors of transformers");
        insta::assert_snapshot!(problem(&[("adapter_model.safetensors", "")]), @"`MODEL`: there is only the adapter `adapter_model.safetensors`; name its base model, and pass this folder as its adapter");
        insta::assert_snapshot!(problem(&[("model-q4_k_m.gguf", "GGUF")]), @"`MODEL`: there is no `model.safetensors`, but `model-q4_k_m.gguf`; write the path of that file");
        insta::assert_snapshot!(problem(&[("tf_model.h5", "")]), @"`MODEL`: there is only `tf_model.h5`; convert it to `model.safetensors`, for example with `save_pretrained` of transformers");
    }

    #[test]
    fn an_index_that_names_what_is_not_here_is_refused() {
        let index =
            |map: &str| problem(&[(INDEX, &format!("{{\"weight_map\": {map}}}")), ("a", "")]);

        insta::assert_snapshot!(index(r#"{"x": "a", "y": "b", "z": "c"}"#), @"`MODEL`: `model.safetensors.index.json` names 2 of 3 shards that are not here: `b`, `c`; copy or fetch them again");
        insta::assert_snapshot!(index(r#"{"x": "../a"}"#), @r#"cannot understand `MODEL/model.safetensors.index.json`: the shard of `x` is `"../a"`, expected the name of a file"#);
        insta::assert_snapshot!(index(r#"{"x": 1}"#), @"cannot understand `MODEL/model.safetensors.index.json`: the shard of `x` is `1`, expected the name of a file");
        insta::assert_snapshot!(index("{}"), @"cannot understand `MODEL/model.safetensors.index.json`: `weight_map` is empty");
        insta::assert_snapshot!(index("3"), @"cannot understand `MODEL/model.safetensors.index.json`: `weight_map` is missing");
    }

    #[test]
    fn a_long_list_is_shortened() {
        let items: Vec<String> = (0..5).map(|one| format!("`{one}`")).collect();

        assert_eq!(list(&items[..3]), "`0`, `1`, `2`");
        assert_eq!(list(&items), "`0`, `1`, `2` and 2 more");
    }
}
