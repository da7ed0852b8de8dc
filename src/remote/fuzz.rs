//! Answers of endpoints that nobody wrote.

use crate::fuzz::{fuzz, law};

#[test]
fn answers_are_read_or_refused() {
    let corpus = [
        r#"{"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}"#,
        r#"{"choices": [{"message": {"content": null}, "finish_reason": "length"}], "usage": null}"#,
        r#"{"error": {"message": "too many requests"}}"#,
    ];
    fuzz(1, &corpus, |case| {
        let text = case.text();
        match super::answer(&text) {
            Ok(answer) => law(
                !answer.text.is_empty() || text.contains("\"\"") || text.contains("length"),
                "an answer is empty only if the endpoint says so",
            ),
            Err(reason) => law(!reason.is_empty(), "a refusal says why"),
        }
    });
}
