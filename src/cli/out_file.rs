//! The file that a command writes its result to, checked before the work begins.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use super::exit::{Exit, Failure};
use crate::disk::atomic::{self, Target};

/// How the file that `option` names is written to; an error if it cannot be, or if it is one of `inputs`, which it
/// would replace.
pub(super) fn check(
    option: &str,
    path: &Path,
    inputs: &[(&str, &Path)],
) -> Result<Target, Failure> {
    if path == Path::new("-") {
        let text = format!("`{option} -` names no file");
        return Err(Failure::text(Exit::Usage, text).hint(
            "write `/dev/stdout` for the standard output, or `./-` for a file of this name",
        ));
    }
    refuse_inputs(option, path, inputs)?;
    atomic::probe(path).map_err(|error| cannot_write(path, &error))
}

/// An error if the file that `option` names is one of `inputs`.
fn refuse_inputs(option: &str, path: &Path, inputs: &[(&str, &Path)]) -> Result<(), Failure> {
    match inputs.iter().find(|(_, input)| is_same_file(path, input)) {
        None => Ok(()),
        Some((name, _)) => {
            let path = path.display();
            let text = format!("`{option} {path}` would replace its own input: it is `{name}`");
            Err(Failure::text(Exit::Usage, text).hint("name another file"))
        }
    }
}

/// Whether two paths lead to one file. Devices and pipes are not replaced, so that they are none.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| {
        let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((found.dev(), found.ino()))
    };
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// The failure of a file that cannot be written.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::text(
        Exit::Usage,
        format!("cannot write `{}`: {error}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_input_is_not_written_to_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let [input, link, hard, other] =
            ["input", "link", "hard", "other"].map(|name| folder.path().join(name));
        fs::write(&input, "1").unwrap();
        fs::write(&other, "1").unwrap();
        symlink("input", &link).unwrap();
        fs::hard_link(&input, &hard).unwrap();
        let inputs = [("--data", other.as_path()), ("--samples", &input)];

        for path in [&input, &link, &hard] {
            let text = check("--out", path, &inputs).unwrap_err().into_message();
            assert!(text.ends_with("its own input: it is `--samples`"), "{text}");
        }
        let new = folder.path().join("new");
        assert_eq!(check("--out", &new, &inputs).unwrap(), Target::File);
        let null = Path::new("/dev/null");
        assert_eq!(
            check("--out", null, &[("--samples", null)]).unwrap(),
            Target::Stream
        );
    }

    #[test]
    fn a_dash_and_a_folder_are_refused() {
        for (path, reason) in [("-", "names no file"), ("/", "Is a directory")] {
            let text = check("--out", Path::new(path), &[]);
            let text = text.unwrap_err().into_message();
            assert!(text.contains(reason), "{text}");
        }
    }
}
