//! Answers as models write them, and the code that is read from each.
//!
//! Oracle: the rules of `CommonMark` 0.31.2 for fences, applied by hand; for what they leave open, the code that a person
//! would copy from the answer.

mod commonmark;

use std::collections::BTreeSet;

use super::Answer;

/// The solution that most answers have.
const CODE: &str = "def run(x):\n    return x + 1";

fn run() -> BTreeSet<String> {
    BTreeSet::from(["run".to_owned()])
}

/// Both readings of an answer: the fenced code for rewards, and the code for benchmarks.
fn read(text: &str) -> [Option<String>; 2] {
    let answer = Answer::read(text);
    let trimmed = |code: String| code.trim_matches('\n').to_owned();
    [
        answer.fenced(run).map(trimmed),
        answer.code("run").map(trimmed),
    ]
}

/// Checks that `CODE` is read from each answer, also with other line ends and after thinking.
fn all_have_the_code(answers: &[&str]) {
    for answer in answers {
        let answer = answer.replace("CODE", CODE);
        let thought = format!("Let me think.\n</think>\n<answer>\n{answer}\n</answer>");
        let short = format!("Fine.</think><answer>{answer}</answer>");
        let windows = answer.replace('\n', "\r\n");
        for text in [&answer, &thought, &short, &windows] {
            assert_eq!(
                read(text),
                [Some(CODE.to_owned()), Some(CODE.to_owned())],
                "{text}"
            );
        }
    }
}

#[test]
fn a_fence_may_have_many_forms() {
    all_have_the_code(&[
        "```python\nCODE\n```",
        "~~~python\nCODE\n~~~\n",
        "`````py\nCODE\n`````",
        "```\nCODE\n```\nDone.",
        "Here you are:\n```python\nCODE\n```\nDone.",
        "   ```python\n   def run(x):\n       return x + 1\n   ```",
        "```python\nCODE\n  ```\nDone.",
        "  ```python\nCODE\n```\nDone.",
        "```python\nCODE\n`````\nDone.",
        "```python   \nCODE\n```   \nDone.",
        "```python\t\nCODE\n```\t\nDone.",
        "```python\n\n\nCODE\n\n```",
    ]);
}

#[test]
fn code_left_of_its_fence_keeps_its_indentation() {
    let code = "def run(x):\n  if x:\n    return x + 1\n  return 1";
    for text in [
        format!("  ```python\n{code}\n```"),
        format!("   ```python\n{code}\n   ```\nDone."),
        format!("  ```python\n{code}"),
        format!("```python\n{code}\n  ```"),
    ] {
        let expected = Some(code.to_owned());
        assert_eq!(read(&text), [expected.clone(), expected], "{text}");
    }
}

#[test]
fn python_has_many_labels() {
    for label in [
        "Python",
        "PYTHON",
        "py",
        "python3",
        "python title=\"a.py\"",
        "{python}",
        "{.python .numbers}",
        "solution.py",
    ] {
        all_have_the_code(&[
            &format!("```{label}\nCODE\n```"),
            &format!("``` {label}\nCODE\n```"),
            &format!("```bash\npip install x==2\n```\nThen:\n```{label}\nCODE\n```"),
            &format!("```console\n$ python a.py\n```\n```{label}\nCODE\n```"),
            &format!("```\n$ python a.py\n```\n```{label}\nCODE\n```"),
        ]);
    }
}

#[test]
fn backticks_within_a_line_open_no_fence() {
    all_have_the_code(&[
        "I put it between ``` as you asked.\n```python\nCODE\n```",
        "You want a ```python block, here it is.\n```python\nCODE\n```",
        "Use ```run(1)``` to call it.\n```python\nCODE\n```",
        "```run(1)``` calls it.\n```python\nCODE\n```",
        "The `x` and ``y`` are numbers.\n\n```python\nCODE\n```",
    ]);
}

#[test]
fn fences_in_lists_and_quotes_lose_the_indentation_of_those() {
    all_have_the_code(&[
        "1. The code:\n   ```python\n   def run(x):\n       return x + 1\n   ```\n2. Done.",
        "- The code:\n\n    ```python\n    def run(x):\n        return x + 1\n    ```",
        "* One\n  - Two\n\n    ```py\n    def run(x):\n        return x + 1\n    ```",
        "10. The code:\n\n    ```python\n    def run(x):\n        return x + 1\n    ```",
        "> ```python\n> def run(x):\n>     return x + 1\n> ```",
        "- ```python\n  def run(x):\n      return x + 1\n  ```",
        "1. First.\n```python\nCODE\n```\n2. Second.",
    ]);
    let tabs = "-\tThe code:\n\n\t```python\n\tdef run(x):\n\t\treturn x + 1\n\t```";
    let expected = "def run(x):\n\treturn x + 1".to_owned();
    assert_eq!(read(tabs), [Some(expected.clone()), Some(expected)]);
}

#[test]
fn a_fence_that_is_indented_as_code_is_read_again() {
    all_have_the_code(&[
        "The code:\n\n    ```python\n    def run(x):\n        return x + 1\n    ```",
        "```python\n    def run(x):\n        return x + 1\n```",
    ]);
    let tabs = "The code:\n\n\t```python\n\tdef run(x):\n\t    return x + 1\n\t```";
    assert_eq!(read(tabs), [Some(CODE.to_owned()), Some(CODE.to_owned())]);
}

#[test]
fn a_longer_fence_holds_shorter_ones() {
    let with_docstring =
        "def run(x):\n    \"\"\"Use:\n```\nrun(1)\n```\n    \"\"\"\n    return x + 1";
    for text in [
        format!("````python\n{with_docstring}\n````"),
        format!("~~~python\n{with_docstring}\n~~~"),
    ] {
        assert_eq!(
            read(&text),
            [
                Some(with_docstring.to_owned()),
                Some(with_docstring.to_owned())
            ]
        );
    }
    let indented =
        "def run(x):\n    \"\"\"Use:\n\n    ```\n    run(1)\n    ```\n    \"\"\"\n    return x + 1";
    let text = format!("```python\n{indented}\n```");
    assert_eq!(
        read(&text),
        [Some(indented.to_owned()), Some(indented.to_owned())]
    );
}

#[test]
fn a_document_in_a_fence_is_read_again() {
    all_have_the_code(&[
        "````markdown\nThe code:\n```python\nCODE\n```\n````",
        "```markdown\nThe code:\n```python\nCODE\n```\n```",
        "~~~md\n# Answer\n\n```\nCODE\n```\n~~~",
        "````\nThe code:\n```python\nCODE\n```\n````",
    ]);
}

#[test]
fn a_fence_may_close_at_the_end_of_the_last_line_or_not_at_all() {
    all_have_the_code(&[
        "```python\nCODE```\nThis adds one.",
        "```python\nCODE```",
        "```python\nCODE\n",
        "```python\nCODE",
        "```python\nimport math```\nThen:\n```python\nCODE\n```",
    ]);
    let cut = "x</think><answer>\n```python\ndef run(x):\n    return x +";
    let expected = Some("def run(x):\n    return x +".to_owned());
    assert_eq!(read(cut), [expected.clone(), expected]);
}

#[test]
fn of_several_fences_the_one_that_defines_the_function_counts() {
    all_have_the_code(&[
        "Old use:\n```python\nrun(1)\n```\nNew:\n```python\nCODE\n```",
        "It prints:\n```\n2\n```\n```\nCODE\n```",
        "```python\nrun(\n```\n```\nCODE\n```",
        "```python\nCODE\n```\nUse:\n```python\nprint(run(1))\n```",
        "```python\nCODE\n```\nor\n```python\ndef run(x):\n    return 1 + x\n```",
        "```javascript\nfunction run(x) { return x + 1 }\n```\n```python\nCODE\n```",
        "```main\nCODE\n```",
    ]);
    // None defines it: the first that is marked as Python, and parses.
    let text = "```\na = 1\n```\n```python\nb = (\n```\n```py\nc = 1\n```";
    assert_eq!(
        read(text),
        [Some("c = 1".to_owned()), Some("c = 1".to_owned())]
    );
}

#[test]
fn tags_that_are_only_named_are_not_used() {
    for text in [
        "They want <answer>...</answer> after </think>.\n</think>\n<answer>\n```python\nCODE\n```\n</answer>",
        "I must end with </think> and put it in <answer>.\n</think>\n<answer>\n```python\nCODE\n```\n</answer>",
        "x</think>The code goes into <answer>:\n<answer>\n```python\nCODE\n```\n</answer>",
        "x</think><answer>\n```python\nCODE\n```\n</answer>\nI used <answer> and </answer>.",
        "```python\ndef run(x):\n    return x\n```\n</think><answer>\n```python\nCODE\n```\n</answer>",
        "```python\ndef run(x):\n    return x\n</think>\n<answer>\n```python\nCODE\n```\n</answer>",
        "x</think>```python\ndef run(x): return 0\n```\n<answer>\n```python\nCODE\n```\n</answer>",
        "x</think>\n```python\nCODE\n```\nI ended with </think> as I should.",
        "x</think>\n```python\nCODE\n```\nI closed my `</think>` tag. Example:\n```python\nprint(run(1))\n```",
        "x</think>\n```python\nCODE\n```\nI closed my </think> tag. Example:\n```python\nprint(run(1))\n```",
        "x</think>\n```python\nCODE\n```\nThinking has `<think>...</think>`, then:\n```python\ndef test():\n    pass\n```",
        "It is ` in ```sh.</think> Now `run`:\n```python\nCODE\n```",
        "x</think><answer>```python\nCODE\n```",
        "x</think><answer>\n```python\nCODE\n</answer>",
        "<think>\nx\n</think>\n\n<answer>\n\n```python\nCODE\n```\n\n</answer>",
        "<solution>\n```python\nCODE\n```\n</solution>",
        "<code>```python\nCODE\n```</code>",
        "<!-- code -->\n```python\nCODE\n```",
        "\u{feff}```python\nCODE\n```",
    ] {
        let text = text.replace("CODE", CODE);
        assert_eq!(
            read(&text),
            [Some(CODE.to_owned()), Some(CODE.to_owned())],
            "{text}"
        );
    }
}

#[test]
fn tags_in_code_are_code() {
    for code in [
        "T = \"</answer>\"\ndef run(x):\n    return x + 1",
        "T = '''\n<answer>\n</answer>\n</think>\n'''\ndef run(x):\n    return x + 1",
        "def run(x):\n    return '<b>' + x[0] # </think>",
    ] {
        for text in [
            format!("ok</think><answer>\n```python\n{code}\n```\n</answer>"),
            format!("```python\n{code}\n```"),
        ] {
            assert_eq!(
                read(&text),
                [Some(code.to_owned()), Some(code.to_owned())],
                "{text}"
            );
        }
    }
}

#[test]
fn only_benchmarks_take_code_without_a_fence() {
    for text in [
        "CODE\n",
        "x</think><answer>\nCODE\n</answer>",
        "Sure, I can do it.\nCODE\nThis works well, since",
    ] {
        let text = text.replace("CODE", CODE);
        assert_eq!(read(&text), [None, Some(CODE.to_owned())], "{text}");
    }
    for text in [
        "They want <answer>...</answer>.\nCODE\n",
        "Install it:\n```bash\npip install x\n```\nCODE\n",
    ] {
        let text = text.replace("CODE", CODE);
        assert_eq!(read(&text)[1].as_deref(), Some(CODE), "{text}");
    }
    let example = format!("It is used so:\n```python\nrun(1)\n```\n{CODE}\n");
    assert_eq!(read(&example)[1].as_deref(), Some(CODE));
    // Code whose docstring has fences is not Markdown.
    let code = "def run(x):\n    \"\"\"Use:\n```\nrun(1)\n```\n    \"\"\"\n    return x + 1";
    assert_eq!(read(code)[1].as_deref(), Some(code));
}

#[test]
fn what_is_no_python_is_no_code() {
    for text in ["I do not know.", "", "```bash\nls\n```", "```\n"] {
        assert_eq!(read(text)[1], None, "{text}");
    }
    let prompts = "```python\n>>> def run(x):\n...     return x + 1\n```";
    assert_eq!(
        read(prompts)[1].as_deref(),
        Some(">>> def run(x):\n...     return x + 1")
    );
    // An empty fence is empty code for a reward, and none for a benchmark.
    assert_eq!(read("```python\n```"), [Some(String::new()), None]);
}

#[test]
fn long_and_deep_answers_are_read_in_time() {
    for piece in [
        "<answer>",
        "</answer>",
        "</think>",
        "```",
        "```\n",
        "> ",
        "- ",
        "[a](",
        "    \n",
        "*_",
        "<a>",
        "\t",
        "`~",
    ] {
        let text = piece.repeat(20_000);
        let _ = read(&text);
        let _ = read(&format!(
            "x</think><answer>\n```python\n{text}\n```\n</answer>"
        ));
    }
}
