//! The chat template of a model, rendered as by transformers.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, Value,
    syntax::SyntaxConfig,
    value::{Serde, ValueKind},
};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde_json::{Map, Value as Json, json};

use crate::model::{error::ModelError, files::SmallFiles};

use super::{
    date,
    json::tojson,
    message::{ASSISTANT, Message},
};

/// The files that can contain the template of a model, the newer one first.
const FILE: &str = "chat_template.jinja";
const CONFIG: &str = "tokenizer_config.json";

/// Marks the end of the last message, where the text of an unfinished turn is cut.
const END: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// 2024-07-26, the date that templates of Llama 3 assume if they do not get one.
const FIXED_DATE: Duration = Duration::from_hours(19_930 * 24);

/// The longest template, in bytes; those of models have some thousand.
const LONGEST: usize = 100_000;
/// The longest line, in bytes: the library counts columns with 16 bits, and panics beyond them.
const LONGEST_LINE: usize = 65_000;
/// The stack for a template without nesting, and a generous bound on that of one level.
const STACK: usize = 1 << 20;
const LEVEL_BYTES: usize = 2_048;

/// A Jinja template, and the values that it can use.
#[derive(Clone, Debug)]
pub(super) struct ChatTemplate {
    /// The date that the template can ask for.
    pub(super) date: SystemTime,
    path: PathBuf,
    source: String,
    special_tokens: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// Reads the template of a model, if there is one.
    pub(super) fn from_model(files: &SmallFiles) -> Result<Option<Self>, ModelError> {
        let config_path = files.path(CONFIG);
        let config = files.object(CONFIG)?;
        let file = files.path(FILE);
        let (path, source) = if let Some(bytes) = files.bytes(FILE)? {
            let source = String::from_utf8(bytes).map_err(|error| ModelError::Json {
                path: file.clone(),
                problem: format!("it is not UTF-8: {}", error.utf8_error()),
            })?;
            (file, source)
        } else {
            let source =
                chosen(config.get("chat_template")).map_err(|problem| ModelError::Json {
                    path: config_path.clone(),
                    problem,
                })?;
            match source {
                Some(source) => (config_path, source),
                None => return Ok(None),
            }
        };
        let others = files.object("special_tokens_map.json")?;
        Ok(Some(Self {
            date: SystemTime::UNIX_EPOCH + FIXED_DATE,
            path,
            source,
            special_tokens: special_tokens(&[others, config]),
        }))
    }

    /// See [`Chat::render`](super::Chat::render).
    pub(super) fn render(&self, messages: &[Message]) -> Result<String, ModelError> {
        let is_open = messages.last().is_some_and(|last| last.role == ASSISTANT);
        if !is_open {
            return self.render_all(messages, true);
        }
        // As in transformers: the mark shows whether the template trims the end of the message.
        let mut marked = messages.to_vec();
        if let Some(last) = marked.last_mut() {
            last.content.push_str(END);
        }
        let text = self.render_all(&marked, false)?;
        let Some(end) = text.rfind(END.trim_end()) else {
            return Err(ModelError::Chat(format!(
                "the template of `{}` omits the assistant's last message, which should be continued",
                self.path.display()
            )));
        };
        let (before, after) = text.split_at(end);
        Ok(if after.starts_with(END) {
            before.to_owned()
        } else {
            before.trim_end().to_owned()
        })
    }

    fn render_all(&self, messages: &[Message], begins_turn: bool) -> Result<String, ModelError> {
        let environment = environment(self.date);
        let source = without_generation_marks(&self.source);
        let mut variables = json!({
            "messages": messages,
            "tools": null,
            "documents": null,
            "add_generation_prompt": begins_turn,
        });
        if let Json::Object(variables) = &mut variables {
            let specials = self.special_tokens.clone().into_iter();
            variables.extend(specials.map(|(name, token)| (name, token.into())));
        }
        if source.len() > LONGEST || source.lines().any(|line| line.len() > LONGEST_LINE) {
            return Err(ModelError::Chat(format!(
                "the template of `{}` has more than {LONGEST} bytes, or {LONGEST_LINE} in a line",
                self.path.display()
            )));
        }
        // The library compiles an expression by recursion, and some of it has no limit.
        let stack = STACK + source.len() * LEVEL_BYTES;
        let render = || environment.render_str(&source, Serde(variables));
        stacker::maybe_grow(stack, stack, render).map_err(|error| {
            let line = error.line().unwrap_or_default();
            ModelError::Chat(format!(
                "line {line} of the template of `{}`: {}",
                self.path.display(),
                error.detail().unwrap_or("it cannot be rendered")
            ))
        })
    }
}

/// Jinja, configured as in transformers.
fn environment(date: SystemTime) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.set_formatter(as_python);
    environment.add_filter("tojson", tojson);
    environment.add_function("raise_exception", |text: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, text))
    });
    environment.add_function("strftime_now", move |format: String| {
        date::strftime(date, &format).map_err(|text| Error::new(ErrorKind::InvalidOperation, text))
    });
    environment
}

/// Writes true, false and none in the words of Python.
fn as_python(
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let word = match value.kind() {
        ValueKind::None => "None",
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        _ => return minijinja::escape_formatter(output, state, value),
    };
    output.write_str(word).map_err(Error::from)
}

/// The template itself, or the one named `default` among several.
fn chosen(value: Option<&Json>) -> Result<Option<String>, String> {
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(source)) => Ok(Some(source.clone())),
        Some(Json::Array(list)) => {
            let name = |one: &Json| one.get("name").and_then(Json::as_str).map(str::to_owned);
            let default = list
                .iter()
                .find(|one| name(one).as_deref() == Some("default"))
                .and_then(|one| one.get("template")?.as_str());
            let names: Vec<String> = list.iter().filter_map(name).collect();
            default
                .map(|source| Some(source.to_owned()))
                .ok_or_else(|| {
                    format!(
                        "`chat_template` has templates named `{}`, expected one named `default`",
                        names.join("`, `")
                    )
                })
        }
        Some(_) => Err("`chat_template` is neither a text nor a list of templates".to_owned()),
    }
}

/// `bos_token` and its like; later objects win.
fn special_tokens(objects: &[Map<String, Json>]) -> BTreeMap<String, String> {
    let mut tokens = BTreeMap::new();
    for (key, value) in objects.iter().flatten() {
        let text = value
            .as_str()
            .or_else(|| value.get("content").and_then(Json::as_str));
        if let (true, Some(text)) = (key.ends_with("_token"), text) {
            tokens.insert(key.clone(), text.to_owned());
        }
    }
    tokens
}

/// Removes the effect of `generation` blocks, which mark the text of the assistant for a trainer.
fn without_generation_marks(source: &str) -> String {
    let mut output = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        let Some((inner, after)) = tag.split_once("%}") else {
            break;
        };
        let word = inner.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace());
        let inner = match word {
            "generation" => inner.replacen("generation", "if true", 1),
            "endgeneration" => inner.replacen("endgeneration", "endif", 1),
            _ => inner.to_owned(),
        };
        output.push_str(before);
        output.push_str("{%");
        output.push_str(&inner);
        output.push_str("%}");
        rest = after;
    }
    output.push_str(rest);
    output
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn template(source: &str) -> ChatTemplate {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"chat_template": source, "bos_token": {"content": "<s>"},
                            "eos_token": "</s>"});
        fs::write(folder.path().join(CONFIG), config.to_string()).unwrap();
        ChatTemplate::from_model(&SmallFiles::of_folder(folder.path()))
            .unwrap()
            .unwrap()
    }

    fn render(source: &str, messages: &[Message]) -> String {
        let rendered = template(source).render(messages);
        rendered.unwrap_or_else(|error| error.to_string())
    }

    const TURNS: &str = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

    #[test]
    fn special_tokens_and_roles_are_filled_in() {
        assert_eq!(
            render(TURNS, &[Message::user("Hi")]),
            "<s>[user]Hi</s>\n[assistant]"
        );
    }

    #[test]
    fn a_template_that_cannot_be_read_is_named_and_no_other_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let config = json!({"chat_template": "from the configuration"});
        fs::write(folder.path().join(CONFIG), config.to_string()).unwrap();
        let read = || ChatTemplate::from_model(&SmallFiles::of_folder(folder.path()));
        assert_eq!(read().unwrap().unwrap().source, "from the configuration");

        // transformers fails, too: `open(…, encoding="utf-8")`.
        fs::write(&file, b"Gr\xfc\xdfe").unwrap();
        let error = read().unwrap_err().to_string();
        assert!(
            error.contains("chat_template.jinja`: it is not UTF-8: "),
            "{error}"
        );

        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read ") && error.ends_with("chat_template.jinja`"),
            "{error}"
        );

        fs::remove_dir(&file).unwrap();
        fs::write(&file, "from the file").unwrap();
        assert_eq!(read().unwrap().unwrap().source, "from the file");
    }

    #[test]
    fn an_unfinished_turn_is_cut_where_it_ends() {
        let messages = [Message::user("Hi"), Message::assistant("<think>\n")];

        assert_eq!(
            render(TURNS, &messages),
            "<s>[user]Hi</s>\n[assistant]<think>\n"
        );
        // A template that trims leaves no white space to continue after.
        let trimming = TURNS.replace("m['content']", "m['content'].strip()");
        assert_eq!(
            render(&trimming, &messages),
            "<s>[user]Hi</s>\n[assistant]<think>"
        );
        let silent = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}";
        assert!(render(silent, &messages).contains("omits the assistant's last message"));
    }

    #[test]
    fn pythons_methods_and_words_are_known() {
        let source = "{{ messages[0].content.split('</think>')[-1].lstrip('\\n') }} {{ true }} {{ none }} {% generation %}x{% endgeneration %} {{ strftime_now('%d %b %Y') }}";
        assert_eq!(
            render(source, &[Message::user("a</think>\n\nb")]),
            "b True None x 26 Jul 2024"
        );
    }

    #[test]
    fn a_template_that_its_library_has_no_limit_for_is_rendered_or_refused() {
        // Each of these ended the process: a panic of the library, and the end of the stack.
        let long = format!("{{{{ '{}' }}}}", "a".repeat(70_000));
        let error = template(&long).render(&[]).unwrap_err().to_string();
        assert!(error.contains("65000 in a line"), "{error}");
        let deep = format!("{{{{ {}1 }}}}", "-".repeat(60_000));
        assert_eq!(render(&deep, &[]), "1");
    }

    #[test]
    fn what_a_template_refuses_is_reported() {
        let source = "{% if messages[0].role != 'user' %}\n{{ raise_exception('the user begins') }}{% endif %}";
        let error = render(source, &[Message::system("Hi"), Message::user("Hi")]);
        assert!(
            error.ends_with("tokenizer_config.json`: the user begins"),
            "{error}"
        );
    }

    #[test]
    fn the_default_of_several_templates_is_taken() {
        let named = |name: &str| json!([{"name": name, "template": "T"}]);
        assert_eq!(chosen(Some(&named("default"))), Ok(Some("T".to_owned())));
        assert_eq!(
            chosen(Some(&named("tool_use"))).unwrap_err(),
            "`chat_template` has templates named `tool_use`, expected one named `default`"
        );
    }
}
