//! A model's answer: its thinking, and the code in the text after it.
//!
//! By the paper's prompt a completion starts inside the thinking, after `<think>`. Rewards in mode `fixed` and all
//! benchmarks read answers here, so that one answer has the same code for all of them. Fences are those of `CommonMark`,
//! with these differences, because answers are not documents:
//!
//! - HTML is text, so that a line such as `<answer>` hides no fence after it;
//! - a tag before an opening fence or after a closing one, on the same line, is not part of the line;
//! - a fence that closes at the end of the last line of code is closed, if what is before it is Python;
//! - a block that is marked `markdown`, or whose text has fences and is not Python, is read again.

mod blocks;
mod choice;
mod label;
mod parts;
mod program;

#[cfg(test)]
mod tests;

pub use choice::Answer;
pub use program::longest_program;

/// The thinking and the text after it, split where the thinking ends first; `None` if no thinking ends.
pub fn split_thinking(text: &str) -> Option<(&str, &str)> {
    text.split_once(parts::THINKING_END)
}
