//! Prompts: templates in files, and the completion that supervised fine-tuning teaches.

use std::{
    fs,
    path::{Path, PathBuf},
};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::DataError;

/// A minijinja template that renders a task into a prompt.
///
/// Lines `--- system ---`, `--- user ---` and `--- assistant ---` begin the messages of a
/// conversation; without them, the whole text is the prompt. The last message is the beginning of the
/// assistant's turn, which ends in `<think>` in the paper's structure.
#[derive(Debug)]
pub struct PromptTemplate {
    path: PathBuf,
    environment: Environment<'static>,
    /// The bytes of stack that parsing it may need.
    stack: usize,
}

/// The prompt of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A text that the model continues.
    Raw(String),
    /// A conversation, to be laid out by the model's chat template.
    Messages(Vec<Message>),
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The speaker.
    pub role: Role,
    /// The text.
    pub content: String,
}

/// A speaker of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The system prompt.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
}

impl Role {
    const ALL: [Self; 3] = [Self::System, Self::User, Self::Assistant];

    /// The name that chat templates use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    /// Replaces this role's section line while a template is rendered, so that data with such a line
    /// do not begin a message.
    fn marker(self) -> String {
        format!("\u{0}{}\u{0}", self.as_str())
    }
}

impl PromptTemplate {
    /// Reads a template.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        let text = fs::read_to_string(path).map_err(|source| DataError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Prompts are plain text, whatever the file is called.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        // A line that holds only a `{% block %}` leaves no empty line.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.expect("the usual delimiters"));
        if let Some(line) = first_too_long(&text) {
            return Err(DataError::Template {
                path: path.to_path_buf(),
                line,
                reason: format!("more than {LONGEST} bytes, or {LONGEST_LINE} in a line"),
            });
        }
        let stack = STACK + text.len() * LEVEL_BYTES;
        on_a_stack_of(stack, || {
            environment.add_template_owned(NAME, with_markers(&text))
        })
        .map_err(|source| template_error(path, &source, &[]))?;
        Ok(Self {
            path: path.to_path_buf(),
            environment,
            stack,
        })
    }

    /// Renders the template for one task; `fields` is an object.
    pub fn render(&self, fields: &Value) -> Result<Prompt, DataError> {
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(Serde(fields)))
            .map(|text| parse(&text))
            .map_err(|source| template_error(&self.path, &source, &self.unknown_names(fields)))
    }

    /// The names in the template that `fields` lacks, in alphabetical order.
    fn unknown_names(&self, fields: &Value) -> Vec<String> {
        let Ok(template) = self.environment.get_template(NAME) else {
            return Vec::new();
        };
        let lacks = |name: &String| {
            let mut value = Some(fields);
            for key in name.split('.') {
                value = value.and_then(|value| value.get(key));
            }
            value.is_none()
        };
        // The library parses the template again.
        let used = on_a_stack_of(self.stack, || template.undeclared_variables(true));
        let mut names: Vec<String> = used.into_iter().filter(lacks).collect();
        names.sort();
        names
    }
}

/// The one template of each environment.
const NAME: &str = "prompt";

/// The longest template, in bytes.
const LONGEST: usize = 100_000;
/// The longest line, in bytes: the library counts columns with 16 bits, and panics beyond them.
const LONGEST_LINE: usize = 65_000;
/// The stack for a template without nesting, and a generous bound on that of one level.
const STACK: usize = 1 << 20;
const LEVEL_BYTES: usize = 2_048;

/// The number of the line that makes a template too long, if one does.
fn first_too_long(text: &str) -> Option<usize> {
    let mut sum = 0;
    let mut lines = text.split_inclusive('\n');
    let place = lines.position(|line| {
        sum += line.len();
        sum > LONGEST || line.len() > LONGEST_LINE
    });
    place.map(|place| place + 1)
}

/// Runs the library, which parses expressions by recursion, in part without a limit.
fn on_a_stack_of<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(bytes, bytes, work)
}

/// The completion that supervised fine-tuning teaches, for a prompt that ends in `<think>`.
///
/// # Differences
///
/// The paper does not say which text its supervised runs learn; this is the shortest text that its
/// format reward accepts, with an empty thought.
pub fn target_text(code: &str) -> String {
    format!(
        "\n</think>\n<answer>\n```python\n{}\n```\n</answer>",
        code.trim_end()
    )
}

fn with_markers(template: &str) -> String {
    template
        .split_inclusive('\n')
        .map(
            |line| match Role::ALL.into_iter().find(|role| is_section(line, *role)) {
                Some(role) => format!("{}\n", role.marker()),
                None => line.to_owned(),
            },
        )
        .collect()
}

fn is_section(line: &str, role: Role) -> bool {
    line.trim_end() == format!("--- {} ---", role.as_str())
}

fn parse(text: &str) -> Prompt {
    let mut messages: Vec<Message> = Vec::new();
    let mut is_conversation = false;
    for line in text.split_inclusive('\n') {
        let line_text = line.trim_end_matches('\n');
        if let Some(role) = Role::ALL
            .into_iter()
            .find(|role| role.marker() == line_text)
        {
            is_conversation = true;
            messages.push(Message {
                role,
                content: String::new(),
            });
        } else if let Some(message) = messages.last_mut() {
            message.content.push_str(line);
        }
    }
    if !is_conversation {
        return Prompt::Raw(text.to_owned());
    }
    for message in &mut messages {
        message.content = message.content.trim_matches('\n').to_owned();
    }
    Prompt::Messages(messages)
}

fn template_error(path: &Path, error: &minijinja::Error, unknown: &[String]) -> DataError {
    let mut reason = error.kind().to_string();
    if let Some(detail) = error.detail() {
        reason = format!("{reason}: {detail}");
    } else if !unknown.is_empty() {
        reason = format!("{reason}: `{}`", unknown.join("`, `"));
    }
    DataError::Template {
        path: path.to_path_buf(),
        line: error.line().unwrap_or(1),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> Result<PromptTemplate, DataError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        PromptTemplate::load(file.path())
    }

    fn reason(error: &DataError) -> String {
        let text = error.to_string();
        text.split_once('`')
            .unwrap()
            .1
            .split_once('`')
            .unwrap()
            .1
            .to_owned()
    }

    fn message(role: Role, content: &str) -> Message {
        Message {
            role,
            content: content.to_owned(),
        }
    }

    #[test]
    fn section_lines_make_a_conversation() {
        let template = template(
            "--- system ---\nBe {{ manner }}.\n--- user ---\n\nCode:\n\n{{ code }}\n\n\
             --- assistant ---\n<think>\n",
        )
        .unwrap();

        let prompt = template
            .render(&json!({"manner": "brief", "code": "f(a < b)"}))
            .unwrap();

        assert_eq!(
            prompt,
            Prompt::Messages(vec![
                message(Role::System, "Be brief."),
                message(Role::User, "Code:\n\nf(a < b)"),
                message(Role::Assistant, "<think>"),
            ])
        );
    }

    #[test]
    fn without_section_lines_the_text_is_the_prompt() {
        let prompt = template("a\n{% if yes %}\n  b\n{% endif %}\n<think>\n")
            .unwrap()
            .render(&json!({"yes": true}))
            .unwrap();

        assert_eq!(prompt, Prompt::Raw("a\n  b\n<think>".to_owned()));
    }

    #[test]
    fn data_that_contain_a_section_line_begin_no_message() {
        let template = template("--- user ---\n{{ code }}\n--- assistant ---\n<think>").unwrap();

        let prompt = template
            .render(&json!({"code": "x\n--- assistant ---\ny"}))
            .unwrap();

        assert_eq!(
            prompt,
            Prompt::Messages(vec![
                message(Role::User, "x\n--- assistant ---\ny"),
                message(Role::Assistant, "<think>"),
            ])
        );
    }

    #[test]
    fn a_name_that_the_task_lacks_is_an_error_with_its_line() {
        let template = template("--- user ---\n{{ code }}\n{{ update.note }}\n").unwrap();

        let error = template
            .render(&json!({"code": "x", "update": {}}))
            .unwrap_err();

        assert_eq!(reason(&error), ", line 3: undefined value: `update.note`");
    }

    #[test]
    fn a_template_that_its_library_has_no_limit_for_is_read_or_refused() {
        // Each of these ended the process: a panic of the library, and the end of the stack.
        let long = format!("a\n{{{{ '{}' }}}}", "a".repeat(70_000));
        let DataError::Template { line, reason, .. } = template(&long).unwrap_err() else {
            panic!("it is about the template")
        };
        assert_eq!((line, reason.contains("65000 in a line")), (2, true));
        let deep = format!("{{{{ {}1 }}}}", "-".repeat(60_000));
        assert!(template(&deep).is_ok());
    }

    #[test]
    fn a_mistake_in_the_syntax_is_found_when_the_template_is_read() {
        let error = template("--- user ---\n\n{{ code }\n").unwrap_err();

        assert!(
            reason(&error).starts_with(", line 3: syntax error: "),
            "{error}"
        );
    }

    #[test]
    fn the_target_closes_the_thought_and_fences_the_code() {
        assert_eq!(
            target_text("x = 1\n"),
            "\n</think>\n<answer>\n```python\nx = 1\n```\n</answer>"
        );
    }
}
