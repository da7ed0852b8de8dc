//! Answers of endpoints that nobody wrote.

use serde_json::json;

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

#[test]
fn log_probabilities_are_read_or_refused() {
    let logprobs = json!({"tokens": ["a", "b", "c"], "token_logprobs": [null, -0.5, -9999.0]});
    let whole = json!({
        "model": "m",
        "choices": [{"text": "abc", "logprobs": logprobs}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    });
    let corpus = [
        whole.to_string(),
        whole.to_string().replace("-9999.0", "-1.25, -2e-3"),
        whole.to_string().replace("\"logprobs\":", "\"log\":"),
    ];
    fuzz(1, &corpus, |case| {
        match super::scored::read(&case.text(), &[1, 2, 3]) {
            Ok(scored) => law(
                scored.log_probs.len() == 2
                    && scored
                        .log_probs
                        .iter()
                        .all(|one| *one <= 0.01 && *one > -9_999.0),
                "each token but the first has a logarithm of a probability",
            ),
            Err(reason) => law(!reason.is_empty(), "a refusal says why"),
        }
    });
}
