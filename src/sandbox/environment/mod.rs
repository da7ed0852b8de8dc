//! Which Python runs the programs, and the libraries that it has.

mod error;
mod interpreter;
mod requirements;
mod virtual_environment;

use std::{
    env,
    path::{Path, PathBuf},
};

pub use error::EnvironmentError;
pub use interpreter::Interpreter;
pub use requirements::Requirements;
pub use virtual_environment::Environment;

/// The interpreter to judge with.
///
/// It is the named one, or that of `RECODE_PYTHON`, or for programs that need libraries an environment of this cache
/// folder, or `python3`.
pub fn choose_interpreter(named: Option<&Path>, needs_libraries: bool, cache: &Path) -> PathBuf {
    let ready = || {
        Requirements::ALL
            .iter()
            .map(|requirements| Environment::at(cache, *requirements))
            .find(|environment| environment.is_ready().is_some())
            .map(|environment| environment.interpreter())
    };
    let by_environment = env::var_os("RECODE_PYTHON").filter(|value| !value.is_empty());
    named
        .map(Path::to_path_buf)
        .or_else(|| by_environment.map(PathBuf::from))
        .or_else(|| needs_libraries.then(ready).flatten())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_environment_judges_only_once_it_is_complete_and_where_libraries_are_needed() {
        let cache = tempfile::tempdir().unwrap();
        let environment = Environment::at(cache.path(), Requirements::Newest);
        let choose = |needs| {
            choose_interpreter(
                Some("named".as_ref()).filter(|_| needs == 2),
                needs > 0,
                cache.path(),
            )
        };
        let other = choose(0);

        assert_eq!((environment.is_ready(), choose(1)), (None, other.clone()));
        fs::create_dir_all(&environment.folder).unwrap();
        fs::write(environment.marker(), "numpy==1.0").unwrap();
        assert_eq!(environment.is_ready(), None);
        fs::write(environment.marker(), Requirements::Newest.text(false)).unwrap();
        assert_eq!(environment.is_ready(), Some(false));
        assert_eq!(choose(2), PathBuf::from("named"));
        assert_eq!(choose(0), other);
        if env::var_os("RECODE_PYTHON").is_none() {
            assert_eq!(choose(1), environment.interpreter());
        }
    }
}
