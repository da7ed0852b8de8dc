//! Reading the layers of an experiment: defaults, includes, the file, environment, command line.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    node::{Data, Node},
    source::{Kind, Place, Source, Sources},
};
use crate::spec::{
    code::Code,
    problem::Problem,
    schema,
    suggest::{nearest, similar_file},
    variables,
};

/// What holds where a spec says nothing.
const DEFAULTS: &str = include_str!("../defaults.toml");

/// The name of the built-in defaults in messages.
const DEFAULTS_NAME: &str = "built-in defaults (src/spec/defaults.toml)";

/// The prefix of the environment's variables that are settings.
const PREFIX: &str = "RECODE_";

/// Includes that are nested deeper than this are a mistake.
const MAX_DEPTH: usize = 32;

/// The layers, the weakest first, and the mistakes of those that could not be read.
#[derive(Debug, Default)]
pub(in crate::spec) struct Layers {
    pub(in crate::spec) sources: Sources,
    pub(in crate::spec) trees: Vec<Node>,
    pub(in crate::spec) problems: Vec<Problem>,
    /// The files whose includes are being read, from the spec inwards.
    including: Vec<PathBuf>,
}

impl Layers {
    /// Reads all layers, and returns them with the place of the spec's first character.
    pub(in crate::spec) fn read(
        file: &Path,
        environment: &[(String, String)],
        overrides: &[String],
    ) -> (Self, Place) {
        let mut layers = Self::default();
        let name = file.display().to_string();
        let kind = Kind::File {
            included_from: None,
        };
        // The spec comes first among the sources, so that its mistakes are reported first.
        let spec = layers.sources.add(Source {
            name,
            text: String::new(),
            kind,
        });
        let top = Place {
            source: spec,
            start: 0,
            end: 0,
        };
        layers.defaults();
        layers.site(environment);
        match read(file) {
            Ok(text) => layers.file(spec, file, text),
            Err(error) => {
                layers.problems.push(cannot_read(file, top, error));
            }
        }
        layers.environment(environment);
        for text in overrides {
            layers.command_line(text);
        }
        (layers, top)
    }

    fn defaults(&mut self) {
        let source = Source {
            name: DEFAULTS_NAME.to_owned(),
            text: DEFAULTS.to_owned(),
            kind: Kind::Defaults,
        };
        let source = self.sources.add(source);
        self.parse(source);
    }

    /// Parses a source that is wholly TOML, and adds it as a layer.
    fn parse(&mut self, source: usize) {
        match Node::parse(source, &self.sources.get(source).text) {
            Ok(tree) => self.trees.push(tree),
            Err(error) => self.problems.push(Problem::new(
                Code::E100,
                error.place,
                "this is not TOML",
                error.message,
            )),
        }
    }

    /// Adds the layers of a file: those that it includes, and then its own.
    pub(super) fn file(&mut self, source: usize, path: &Path, text: String) {
        self.sources.set_text(source, text);
        let before = self.trees.len();
        self.parse(source);
        let Some(tree) = self.trees.get(before) else {
            return;
        };
        let includes: Vec<Node> = match tree.get("include") {
            Some(
                node @ Node {
                    data: Data::List(_),
                    ..
                },
            ) => node.items().to_vec(),
            _ => Vec::new(),
        };
        // Includes are weaker than the file that names them: they go below it.
        let tree = self.trees.split_off(before);
        self.including.push(canonical(path));
        for include in &includes {
            self.include(path, include);
        }
        self.including.pop();
        self.trees.extend(tree);
    }

    fn include(&mut self, from: &Path, node: &Node) {
        let Some(text) = node.as_text() else { return };
        let path = from.parent().unwrap_or(Path::new("")).join(text);
        let key = canonical(&path);
        if self.including.contains(&key) || self.including.len() >= MAX_DEPTH {
            let mut circle: Vec<String> = self
                .including
                .iter()
                .skip_while(|file| **file != key)
                .map(|file| short(file))
                .collect();
            circle.push(short(&key));
            let title = "files include each other in a circle";
            let problem = Problem::new(Code::E110, node.place, title, circle.join(" -> "));
            self.problems
                .push(problem.help("remove one of these includes"));
            return;
        }
        match read_included(&path) {
            Ok(text) => {
                let name = path.display().to_string();
                let kind = Kind::File {
                    included_from: Some(node.place),
                };
                let source = self.sources.add(Source {
                    name,
                    text: String::new(),
                    kind,
                });
                self.file(source, &path, text);
            }
            Err(error) => self.problems.push(cannot_include(&path, node, error)),
        }
    }

    fn environment(&mut self, variables: &[(String, String)]) {
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if variables::is_no_setting(name) {
                continue;
            }
            let text = format!("{name}={value}");
            let source = self.sources.add(Source {
                name: format!("environment: {name}"),
                text: text.clone(),
                kind: Kind::Environment,
            });
            let path = path.to_lowercase().replace("__", ".");
            let place = Place {
                source,
                start: 0,
                end: name.len(),
            };
            if path == "include" {
                self.problems.push(included_outside(place));
                continue;
            }
            if schema::find(&path).is_none() && !(path != "grid" && schema::is_section(&path)) {
                self.problems.push(unknown_variable(name, &path, place));
                continue;
            }
            let node = Node::parse_value(source, value, name.len() + 1);
            let mut tree = Node::empty(Place {
                source,
                start: 0,
                end: text.len(),
            });
            tree.insert(&path.split('.').collect::<Vec<_>>(), place, node);
            self.trees.push(tree);
        }
    }

    fn command_line(&mut self, text: &str) {
        let source = self.sources.add(Source {
            name: "command line".to_owned(),
            text: text.to_owned(),
            kind: Kind::CommandLine,
        });
        let place = Place {
            source,
            start: 0,
            end: text.len(),
        };
        let parsed = text.split_once('=').and_then(|(path, value)| {
            let mut tree = Node::parse(source, &format!("{path}=0")).ok()?;
            let leaf = only_leaf(&mut tree)?;
            *leaf = Node::parse_value(source, value, path.len() + 1);
            Some(tree)
        });
        match parsed {
            Some(tree) if tree.get("include").is_some() => {
                self.problems.push(included_outside(place));
            }
            Some(tree) => self.trees.push(tree),
            None => self.problems.push(
                Problem::new(
                    Code::E115,
                    place,
                    "`--set` needs `key=value`",
                    "no key and value",
                )
                .help("for instance `--set train.max_steps=100`"),
            ),
        }
    }
}

/// The only leaf of a tree without branches.
fn only_leaf(tree: &mut Node) -> Option<&mut Node> {
    let mut node = tree;
    while let Node {
        data: Data::Table(entries),
        ..
    } = node
    {
        let [entry] = entries.as_mut_slice() else {
            return None;
        };
        node = &mut entry.node;
    }
    Some(node)
}

/// The mistake of an `include` on the command line or in the environment.
fn included_outside(place: Place) -> Problem {
    let title = "`include` works in a file only";
    let label = "files are included before the environment and the command line are read";
    Problem::new(Code::E117, place, title, label)
        .help("write the `include` at the top of the spec, or of a new spec that includes this one")
}

fn unknown_variable(name: &str, path: &str, place: Place) -> Problem {
    let title = format!("the environment variable `{name}` is not a setting");
    let label = "variables that begin with RECODE_ set keys, with `__` for a dot";
    let problem = Problem::new(Code::E114, place, title, label);
    match nearest(path, schema::paths()) {
        Some(guess) => {
            let variable = guess.to_uppercase().replace('.', "__");
            problem.help(format!(
                "did you mean `{PREFIX}{variable}`? Otherwise unset it"
            ))
        }
        None => problem.help(format!("unset it: `unset {name}`")),
    }
}

/// Why a file cannot be read.
pub(super) enum Unreadable {
    /// There is none.
    Nothing(String),
    /// It is there.
    Fault { reason: String, help: &'static str },
}

/// The text of an included file. A device or a pipe may have no end, and somebody else may have written the spec.
fn read_included(file: &Path) -> Result<String, Unreadable> {
    if file.exists() && !file.is_file() && !file.is_dir() {
        let (reason, help) = ("it is no regular file".to_owned(), "copy it to a file");
        return Err(Unreadable::Fault { reason, help });
    }
    read(file)
}

/// The text of a file.
pub(super) fn read(file: &Path) -> Result<String, Unreadable> {
    let fault = |reason: String, help| Unreadable::Fault { reason, help };
    if file.is_dir() {
        let help = "name a file in it";
        return Err(fault("it is a folder".to_owned(), help));
    }
    let bytes = fs::read(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Unreadable::Nothing(error.to_string()),
        ErrorKind::PermissionDenied => fault(error.to_string(), "make it readable (`chmod u+r`)"),
        _ => fault(error.to_string(), "mend what the system reports"),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let line = before
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .count();
        let reason = format!("line {line} is not UTF-8");
        fault(reason, "save it as UTF-8, which TOML is written in")
    })
}

fn cannot_include(path: &Path, node: &Node, error: Unreadable) -> Problem {
    let title = format!("the included file `{}` cannot be read", path.display());
    let problem = |label: String| Problem::new(Code::E109, node.place, title, label);
    let reason = match error {
        Unreadable::Fault { reason, help } => return problem(reason).help(help),
        Unreadable::Nothing(reason) => reason,
    };
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match similar_file(path, "toml") {
        Some(name) => {
            let written = node.as_text().unwrap_or_default();
            let start = written.strip_suffix(wanted.as_ref()).unwrap_or_default();
            let text = format!("\"{start}{name}\"");
            problem(reason).replace(node.place, text, format!("did you mean `{start}{name}`?"))
        }
        None => problem(reason)
            .help("paths in `include` are relative to the file that has the `include`"),
    }
}

fn cannot_read(file: &Path, top: Place, error: Unreadable) -> Problem {
    let title = format!("the spec `{}` cannot be read", file.display());
    let problem = |label: String| Problem::new(Code::E113, top, title, label);
    let reason = match error {
        Unreadable::Fault { reason, help } => return problem(reason).help(help),
        Unreadable::Nothing(reason) => reason,
    };
    match similar_file(file, "toml") {
        Some(name) => problem(reason).help(format!(
            "did you mean `{}`?",
            file.with_file_name(name).display()
        )),
        None => {
            problem(reason).help("give the path of a spec, such as `experiments/quickstart.toml`, or a name; `recode run` alone lists them")
        }
    }
}

/// A path by which the same file is recognised.
fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn short(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
