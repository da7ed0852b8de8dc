//! Short programs: what they shall do, in words; their code; and tests with known results.

use super::{
    api::{Api, Gives},
    names::one_of,
};
use recode::seed::Stream;

const FUNCTIONS: [&str; 10] = [
    "solve", "work", "run", "answer", "make", "get", "find", "build", "count", "tell",
];
const VARIABLES: [&str; 14] = [
    "a", "b", "d", "g", "h", "k", "m", "n", "p", "q", "t", "u", "v", "w",
];
const RESULTS: [&str; 5] = ["value", "result", "out", "part", "got"];

/// How the calls are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One call, returned.
    Plain,
    /// One call, assigned to a variable first.
    Named,
    /// One call for each item of a list.
    Each,
    /// Two calls, added.
    Both,
    /// Two calls, each assigned to a variable first.
    BothNamed,
}

/// What the program does with the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finish {
    /// What the program returns, in words, with `{}` for the call.
    words: &'static str,
    /// The expression that it returns, with `{}` for the call.
    pub(super) python: &'static str,
}

const fn finish(words: &'static str, python: &'static str) -> Finish {
    Finish { words, python }
}

const NUMBER: [Finish; 6] = [
    finish("{}", "{}"),
    finish("{} plus 3", "{} + 3"),
    finish("{} plus 8", "{} + 8"),
    finish("{} minus 2", "{} - 2"),
    finish("{} times 4", "{} * 4"),
    finish("{} times 7", "{} * 7"),
];
const TEXT: [Finish; 4] = [
    finish("{}", "{}"),
    finish("{} in upper case", "{}.upper()"),
    finish("{} twice over", "{} * 2"),
    finish("the length of {}", "len({})"),
];
const LIST: [Finish; 4] = [
    finish("{}", "{}"),
    finish("{} in reverse", "{}[::-1]"),
    finish("{} twice over", "{} * 2"),
    finish("the length of {}", "len({})"),
];
const FLAG: [Finish; 2] = [finish("{}", "{}"), finish("{} as a number", "int({})")];

impl Gives {
    fn finishes(self) -> &'static [Finish] {
        match self {
            Self::Number => &NUMBER,
            Self::Text => &TEXT,
            Self::List => &LIST,
            Self::Flag => &FLAG,
        }
    }
}

/// A function to write.
#[derive(Clone, Debug)]
pub(super) struct Problem<'a> {
    /// The functions that it calls: one or two.
    pub(super) apis: Vec<&'a Api>,
    function: &'static str,
    /// The arguments of each call.
    pub(super) variables: Vec<Vec<&'static str>>,
    /// Names for intermediate results.
    results: Vec<&'static str>,
    pub(super) shape: Shape,
    pub(super) finish: Finish,
}

impl<'a> Problem<'a> {
    /// A problem that calls only `api`.
    pub(super) fn single(api: &'a Api, draw: &mut Stream) -> Self {
        let shapes = if api.parameters.len() == 1 {
            &[Shape::Plain, Shape::Named, Shape::Each][..]
        } else {
            &[Shape::Plain, Shape::Named][..]
        };
        let shape = *one_of(draw, shapes);
        Self::build(vec![api], shape, draw)
    }

    /// A problem that calls both functions; their results must be of the same kind.
    pub(super) fn both(first: &'a Api, second: &'a Api, draw: &mut Stream) -> Self {
        let shape = *one_of(draw, &[Shape::Both, Shape::BothNamed]);
        Self::build(vec![first, second], shape, draw)
    }

    fn build(apis: Vec<&'a Api>, shape: Shape, draw: &mut Stream) -> Self {
        let mut names = VARIABLES.to_vec();
        draw.shuffle(&mut names);
        let mut results = RESULTS.to_vec();
        draw.shuffle(&mut results);
        let variables = apis
            .iter()
            .map(|api| names.split_off(names.len() - api.parameters.len()))
            .collect();
        let finish = if shape == Shape::Plain || shape == Shape::Named {
            *one_of(draw, apis[0].result.finishes())
        } else {
            NUMBER[0]
        };
        Self {
            apis,
            function: *one_of(draw, FUNCTIONS.as_slice()),
            variables,
            results,
            shape,
            finish,
        }
    }

    /// The problem with the plain result of its call: two different texts may have the same length,
    /// and then a test would not distinguish them.
    pub(super) fn bare(self) -> Self {
        Self {
            finish: NUMBER[0],
            ..self
        }
    }

    /// Whether the results of two functions can be added.
    pub(super) fn can_add(first: &Api, second: &Api) -> bool {
        first.result == second.result && first.result != Gives::Flag
    }

    /// What the function shall do, in a sentence.
    pub(super) fn sentence(&self) -> String {
        let said = |index: usize| self.apis[index].in_words(&self.variables[index]);
        match self.shape {
            Shape::Plain | Shape::Named => {
                format!("Return {}.", self.finish.words.replace("{}", &said(0)))
            }
            Shape::Each => format!(
                "Return {} for each {} of items.",
                said(0),
                self.variables[0][0]
            ),
            Shape::Both | Shape::BothNamed => match self.apis[0].result {
                Gives::Number => format!("Return {}, plus {}.", said(0), said(1)),
                _ => format!("Return {}, then {}.", said(0), said(1)),
            },
        }
    }

    /// The first line of the function.
    pub(super) fn signature(&self) -> String {
        let parameters = match self.shape {
            Shape::Each => "items".to_owned(),
            _ => self.variables.concat().join(", "),
        };
        format!("def {}({parameters}):", self.function)
    }

    pub(super) fn function(&self) -> &'static str {
        self.function
    }

    /// Names for intermediate results, in the base model's own style.
    pub(super) fn own_names(&self) -> [&'static str; 3] {
        [self.results[0], self.results[1], self.results[2]]
    }

    /// The task as a function without a body, below a comment.
    pub(super) fn frame(&self) -> String {
        format!("# {}\n{}\n    ...", self.sentence(), self.signature())
    }

    /// The program, with each call and its module as `write` returns them.
    pub(super) fn code(&self, write: &dyn Fn(&Api, &[&str]) -> Written) -> String {
        let written: Vec<Written> = self
            .apis
            .iter()
            .zip(&self.variables)
            .map(|(api, variables)| write(api, variables))
            .collect();
        let mut modules: Vec<&str> = written.iter().map(|call| call.module.as_str()).collect();
        modules.sort_unstable();
        modules.dedup();
        let imports = format!("import {}\n", modules.join("\nimport "));
        let call = |index: usize| written[index].call.as_str();
        let (first, second) = (self.results[0], self.results[1]);
        let body = match self.shape {
            Shape::Plain => format!("    return {}", self.finish.python.replace("{}", call(0))),
            Shape::Named => format!(
                "    {first} = {}\n    return {}",
                call(0),
                self.finish.python.replace("{}", first)
            ),
            Shape::Each => {
                format!(
                    "    return [{} for {} in items]",
                    call(0),
                    self.variables[0][0]
                )
            }
            Shape::Both => format!("    return {} + {}", call(0), call(1)),
            Shape::BothNamed => format!(
                "    {first} = {}\n    {second} = {}\n    return {first} + {second}",
                call(0),
                call(1)
            ),
        };
        format!("{imports}\n{}\n{body}", self.signature())
    }

    /// Arguments and results of some calls of the function, as Python.
    pub(super) fn examples(&self) -> Vec<(String, String)> {
        let count = self.apis[0].calls.len();
        if self.shape == Shape::Each {
            let calls = &self.apis[0].calls;
            let pair = |from: usize| {
                let two = &calls[from..from + 2];
                let arguments: Vec<&str> =
                    two.iter().map(|call| call.arguments[0].as_str()).collect();
                let results: Vec<&str> = two.iter().map(|call| call.result.as_str()).collect();
                let list = |items: &[&str]| format!("[{}]", items.join(", "));
                (list(&arguments), list(&results))
            };
            return (0..count - 1).map(pair).collect();
        }
        (0..count)
            .map(|index| {
                // The second call takes different arguments from the first.
                let calls: Vec<_> = self
                    .apis
                    .iter()
                    .enumerate()
                    .map(|(place, api)| &api.calls[(index + place) % count])
                    .collect();
                let arguments: Vec<&str> = calls
                    .iter()
                    .flat_map(|call| call.arguments.iter().map(String::as_str))
                    .collect();
                let results: Vec<&str> = calls.iter().map(|call| call.result.as_str()).collect();
                (
                    arguments.join(", "),
                    self.finish.python.replace("{}", &results.join(" + ")),
                )
            })
            .collect()
    }
}

/// A call as a program writes it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) module: String,
    pub(super) call: String,
}

/// A call of a function that no update has changed.
pub(super) fn plain(api: &Api, arguments: &[&str]) -> Written {
    Written {
        module: api.module().to_owned(),
        call: format!("{}({})", api.path, arguments.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::api::UNIVERSE;
    use recode::seed::stream;

    #[test]
    fn a_problem_reads_as_its_code() {
        // Oracle: written by hand.
        let api = |path: &str| UNIVERSE.iter().find(|api| api.path == path).unwrap();
        let mut draw = stream(7, "test", 0, 0);
        let mut problem = Problem::both(api("math.sqrt"), api("operator.sub"), &mut draw);
        problem.shape = Shape::BothNamed;
        problem.function = "solve";
        problem.variables = vec![vec!["a"], vec!["b", "d"]];
        problem.results = vec!["value", "got"];

        assert_eq!(
            problem.sentence(),
            "Return the square root of a, plus b minus d."
        );
        assert_eq!(
            problem.code(&plain),
            "import math\nimport operator\n\ndef solve(a, b, d):\n    value = math.sqrt(a)\n    \
             got = operator.sub(b, d)\n    return value + got"
        );
        assert_eq!(
            problem.examples()[0],
            ("9, 3, 9".to_owned(), "3.0 + -6".to_owned())
        );
    }

    #[test]
    fn a_finish_is_said_and_done() {
        let api = UNIVERSE
            .iter()
            .find(|api| api.path == "html.escape")
            .unwrap();
        let mut problem = Problem::single(api, &mut stream(7, "test", 0, 0));
        problem.shape = Shape::Plain;
        problem.finish = TEXT[3];
        problem.variables = vec![vec!["a"]];

        assert_eq!(
            problem.sentence(),
            "Return the length of a with its markup escaped."
        );
        assert!(
            problem
                .code(&plain)
                .ends_with("    return len(html.escape(a))")
        );
    }
}
