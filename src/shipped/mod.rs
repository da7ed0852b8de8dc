//! The experiments, prompts and data that the program carries, so that it works without a checkout.
//!
//! `recode init` and the first `recode run` of a shipped experiment write them into a folder, which is then a
//! project like a checkout: specs, paths and results are the same, to the byte.

mod file;
mod list;

use std::{fs, io, path::Path};

use crate::disk::{DiskError, atomic};
use list::FILES;

/// The file that makes a folder a project. It is written last, so that a half-written project is none.
const MANIFEST: &str = "datasets/manifest.toml";

/// The folder of the experiments.
const EXPERIMENTS: &str = "experiments/";

/// What became of the shipped files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaidOut {
    /// How many were written.
    pub written: usize,
    /// How many were there already, with the same bytes.
    pub same: usize,
    /// What was there and has other bytes; nothing of it was changed.
    pub different: Vec<&'static str>,
}

/// Writes all shipped files below a folder, but none over what is there.
pub fn lay_out(folder: &Path) -> Result<LaidOut, DiskError> {
    let is_manifest = |path: &str| path == MANIFEST;
    let mut files: Vec<_> = FILES.iter().collect();
    files.sort_by_key(|file| is_manifest(file.path));
    let mut done = LaidOut::default();
    for file in files {
        let path = folder.join(file.path);
        match write_new(&path, file.bytes).map_err(DiskError::write(&path))? {
            New::Written => done.written += 1,
            New::Same => done.same += 1,
            New::Different => done.different.push(file.path),
        }
    }
    Ok(done)
}

/// What a new file found at its path.
enum New {
    Written,
    Same,
    Different,
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<New> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if atomic::write_new(path, bytes)? {
        return Ok(New::Written);
    }
    // A folder, a dangling link or a file that this user may not read is something else, too.
    let is_same = fs::read(path).is_ok_and(|present| present == bytes);
    Ok(if is_same { New::Same } else { New::Different })
}

/// The path of a shipped experiment, by that path or by its name: `tiny/table1`.
pub fn experiment(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("./").unwrap_or(name);
    let name = name.strip_prefix(EXPERIMENTS).unwrap_or(name);
    let name = name.strip_suffix(".toml").unwrap_or(name);
    experiments().find(|path| {
        let stem = path.strip_prefix(EXPERIMENTS);
        stem.and_then(|stem| stem.strip_suffix(".toml")) == Some(name)
    })
}

/// The paths and texts of all shipped experiments, in the order of the paths.
pub fn experiment_texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let files = FILES.iter().filter(|file| is_experiment(file.path));
    files.filter_map(|file| Some((file.path, str::from_utf8(file.bytes).ok()?)))
}

fn experiments() -> impl Iterator<Item = &'static str> {
    let paths = FILES.iter().map(|file| file.path);
    paths.filter(|path| is_experiment(path))
}

fn is_experiment(path: &str) -> bool {
    let ending = Path::new(path).extension();
    path.starts_with(EXPERIMENTS) && ending.is_some_and(|ending| ending == "toml")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, path::PathBuf, process::Command};

    use super::*;

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    /// The files of the checkout that belong into the program: experiments, data sets without the scripts that
    /// made them, and the schema that the specs name for editors.
    fn wanted() -> BTreeSet<String> {
        const SCHEMA: &str = "docs/spec.schema.json";
        let folders = ["experiments", "datasets"];
        // Specs of one's own are in the folder of experiments, too, and are not shipped.
        let mut git = Command::new("git");
        git.arg("-C").arg(root()).args(["ls-files", "-z", "--"]);
        let known = git.args(folders).output().map(|output| output.stdout);
        let known = String::from_utf8(known.unwrap_or_default()).unwrap();
        let mut paths: BTreeSet<String> = known.split_terminator('\0').map(str::to_owned).collect();
        if paths.is_empty() {
            // A source archive has what is shipped, and nothing else.
            for folder in folders {
                let entries = walkdir::WalkDir::new(root().join(folder)).into_iter();
                let files = entries
                    .map(Result::unwrap)
                    .filter(|entry| entry.file_type().is_file());
                paths.extend(files.map(|entry| {
                    let path = entry.path().strip_prefix(root()).unwrap();
                    path.to_str().unwrap().to_owned()
                }));
            }
        }
        // What makes data stays in the checkout, as does the second world, which only checks a table of the first.
        let stays = [
            "datasets/make/",
            "datasets/tiny_second/",
            "experiments/tiny/second_",
        ];
        paths.retain(|path| !stays.iter().any(|start| path.starts_with(start)));
        paths.insert(SCHEMA.to_owned());
        paths
    }

    /// `INSTA_UPDATE=always`, which `just snapshots` sets, writes the list.
    #[test]
    fn the_list_of_files_is_that_of_the_checkout() {
        let wanted = wanted();
        let listed: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always")
            && !wanted.iter().eq(&listed)
        {
            let rows: Vec<String> = wanted
                .iter()
                .map(|path| format!("    {path:?},\n"))
                .collect();
            let rows = rows.concat();
            let file = root().join("src/shipped/list.rs");
            let text = fs::read_to_string(&file).unwrap();
            let (head, _) = text.split_once("files![\n").unwrap();
            fs::write(file, format!("{head}files![\n{rows}];\n")).unwrap();
            return;
        }

        let listed: Vec<String> = listed.into_iter().map(str::to_owned).collect();
        let wanted: Vec<String> = wanted.into_iter().collect();
        assert_eq!(
            listed, wanted,
            "`just snapshots` writes src/shipped/list.rs"
        );
    }

    #[test]
    fn files_are_laid_out_once_and_never_over_others() {
        let folder = tempfile::tempdir().unwrap();
        let quickstart = "experiments/quickstart.toml";
        let own = folder.path().join(quickstart);
        fs::create_dir(folder.path().join("experiments")).unwrap();
        fs::write(&own, "mine").unwrap();

        let first = lay_out(folder.path()).unwrap();
        let second = lay_out(folder.path()).unwrap();

        assert_eq!(first.different, [quickstart]);
        assert_eq!((first.written, first.same), (FILES.len() - 1, 0));
        assert_eq!((second.written, second.same), (0, FILES.len() - 1));
        assert_eq!(fs::read_to_string(&own).unwrap(), "mine");
        // The oracle is the checkout.
        for path in wanted() {
            let [laid, original] =
                [folder.path(), &root()].map(|place| fs::read(place.join(&path)));
            assert!(
                path == quickstart || laid.unwrap() == original.unwrap(),
                "{path}"
            );
        }
    }

    #[test]
    fn a_project_that_is_not_complete_is_none() {
        let folder = tempfile::tempdir().unwrap();
        // A file in the place of a folder: not all files can be written.
        fs::write(folder.path().join("experiments"), "").unwrap();

        let error = lay_out(folder.path()).unwrap_err().to_string();

        assert!(error.contains("experiments/from_scratch.toml"), "{error}");
        assert!(!folder.path().join(MANIFEST).exists());
    }

    #[test]
    fn an_experiment_has_a_path_and_a_name() {
        let path = Some("experiments/tiny/table1.toml");
        for name in [
            "tiny/table1",
            "tiny/table1.toml",
            "experiments/tiny/table1.toml",
            "./experiments/tiny/table1.toml",
        ] {
            assert_eq!(experiment(name), path, "{name}");
        }
        for name in [
            "table1",
            "tiny",
            "",
            "datasets/manifest",
            "/experiments/tiny/table1",
        ] {
            assert_eq!(experiment(name), None, "{name}");
        }
        let name = |(path, text): (&str, &str)| {
            let table: toml::Table = text.parse().unwrap();
            let name = table.get("name").and_then(toml::Value::as_str);
            (path.to_owned(), name.map(str::to_owned))
        };
        let names: Vec<_> = experiment_texts().map(name).collect();
        let quickstart = "experiments/quickstart.toml".to_owned();
        assert!(names.contains(&(quickstart, Some("quickstart".to_owned()))));
    }
}
