//! Tests with a thread that plays the endpoint.

use std::{
    error::Error as _,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
};

use serde_json::{Value, json};

use super::*;

const KEY: &str = "sk-very-secret";

/// Answers requests one after another with these statuses, headers and bodies; returns the address and
/// the requests.
fn serve(answers: Vec<(u16, &'static str, String)>) -> (String, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for (status, header, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            let (head, sent) = loop {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let parts = text.split_once("\r\n\r\n");
                let whole = parts.and_then(|(head, body)| {
                    let body = serde_json::from_str(body).ok()?;
                    Some((head.to_lowercase(), body))
                });
                if let Some(whole) = whole {
                    break whole;
                }
                assert!(count > 0, "the request ends early");
            };
            // The test may have dropped the receiver.
            let _ = sender.send((head, sent));
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{header}");
            let answer = format!("{head}Connection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, requests)
}

fn completion(text: &str) -> String {
    let message = json!({"role": "assistant", "content": text});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    json!({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}).to_string()
}

fn remote(base_url: &str) -> Remote {
    let endpoint = Endpoint {
        base_url: base_url.to_owned(),
        model: "m".to_owned(),
        key: Some(KEY.to_owned()),
    };
    let patience = Patience {
        attempts: NonZeroU32::new(3).unwrap(),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
        timeout: Duration::from_secs(20),
    };
    Remote::new(endpoint, patience)
}

fn chat() -> Chat {
    let turn = Turn {
        role: "user".to_owned(),
        content: "Hi".to_owned(),
    };
    Chat {
        messages: vec![turn],
        temperature: Some(0.0),
        ..Chat::default()
    }
}

#[test]
fn a_conversation_is_sent_in_the_format_of_the_interface() {
    let (address, requests) = serve(vec![(200, "", completion("Hello"))]);

    let answer = remote(&address).ask(&chat()).unwrap();

    assert_eq!(
        (
            answer.text.as_str(),
            answer.prompt_tokens,
            answer.completion_tokens
        ),
        ("Hello", Some(9), Some(3))
    );
    assert_eq!(answer.finish_reason.as_deref(), Some("stop"));
    let (head, body) = requests.recv().unwrap();
    assert!(
        head.starts_with("post /v1/chat/completions http/1.1"),
        "{head}"
    );
    assert!(
        head.contains(&format!("authorization: bearer {KEY}")),
        "{head}"
    );
    let turn = json!({"role": "user", "content": "Hi"});
    assert_eq!(
        body,
        json!({"model": "m", "messages": [turn], "temperature": 0.0})
    );
}

#[test]
fn temporary_failures_are_retried() {
    let (address, requests) = serve(vec![
        (429, "Retry-After: 7\r\n", "{}".to_owned()),
        (503, "", String::new()),
        (200, "", completion("at last")),
    ]);

    assert_eq!(remote(&address).ask(&chat()).unwrap().text, "at last");
    assert_eq!(requests.iter().count(), 3);
}

#[test]
fn retries_are_limited() {
    let (address, requests) = serve(vec![
        (500, "", "a".into()),
        (500, "", "b".into()),
        (500, "", "c".into()),
    ]);

    let error = remote(&address).ask(&chat()).unwrap_err();

    assert_eq!(
        error.to_string(),
        format!("`{address}/chat/completions` answers with status 500: c")
    );
    assert_eq!(requests.iter().count(), 3);
}

#[test]
fn permanent_failures_are_not_retried_and_never_show_the_key() {
    let said = json!({"error": {"message": format!("wrong key {KEY}"), "type": "auth"}});
    let (address, requests) = serve(vec![(401, "", said.to_string())]);
    let remote = remote(&address);

    let error = remote.ask(&chat()).unwrap_err();

    assert!(
        error
            .to_string()
            .ends_with("status 401: wrong key (hidden)"),
        "{error}"
    );
    assert_eq!(requests.iter().count(), 1);
    for text in [format!("{error:?}"), format!("{remote:?}")] {
        assert!(!text.contains(KEY), "{text}");
    }
}

#[test]
fn an_answer_of_another_format_is_an_error() {
    let empty = json!({"choices": []}).to_string();
    let (address, _requests) = serve(vec![(200, "", "<html>".into()), (200, "", empty)]);
    let remote = remote(&address);

    let page = remote.ask(&chat()).unwrap_err().to_string();
    let empty = remote.ask(&chat()).unwrap_err().to_string();

    assert!(
        page.contains("not a chat completion: expected value"),
        "{page}"
    );
    assert!(
        empty.ends_with("not a chat completion: `choices` is empty"),
        "{empty}"
    );
}

#[test]
fn an_answer_that_was_cut_before_it_began_is_empty() {
    let choice = json!({"message": {"content": null}, "finish_reason": "length"});
    let cut = json!({"choices": [choice], "usage": null}).to_string();
    let (address, _requests) = serve(vec![(200, "", cut)]);

    let answer = remote(&address).ask(&chat()).unwrap();

    assert_eq!((answer.text.as_str(), answer.prompt_tokens), ("", None));
    assert_eq!(answer.finish_reason.as_deref(), Some("length"));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    // The listener is dropped, so nothing listens at this address.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();

    let error = remote(&format!("http://{address}"))
        .ask(&chat())
        .unwrap_err();

    assert!(error.to_string().contains(&address.to_string()) && error.may_pass());
    assert!(error.source().is_some());
}

#[test]
fn pauses_double_up_to_the_longest_and_follow_the_server() {
    let remote = remote("http://localhost");
    let milliseconds = |attempt, asked: Option<u64>| {
        remote
            .pause(attempt, asked.map(Duration::from_millis))
            .as_millis()
    };

    // By hand: 1 · 2^(attempt - 1) ms, at most 4 ms.
    assert_eq!(
        [1, 2, 3, 4, 40].map(|attempt| milliseconds(attempt, None)),
        [1, 2, 4, 4, 4]
    );
    assert_eq!(
        (milliseconds(1, Some(3)), milliseconds(1, Some(9_000))),
        (3, 4)
    );
}

/// The answer about the tokens 7, 8 and 9, of which the last two have these log-probabilities.
fn echo(log_probs: &Value) -> String {
    let logprobs = json!({"tokens": ["a", " b", " c", "!"], "token_logprobs": log_probs});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 1});
    let choice = json!({"text": "a b c!", "logprobs": logprobs});
    json!({"model": "m-1", "choices": [choice], "usage": usage}).to_string()
}

#[test]
fn tokens_are_sent_as_numbers_and_come_back_with_their_log_probabilities() {
    let (address, requests) = serve(vec![(200, "", echo(&json!([null, -0.5, -0.1, -3.0])))]);

    let scored = remote(&address).score(&[7, 8, 9]).unwrap();

    // The drawn token is left out.
    assert_eq!(scored.log_probs, [-0.5, -0.1]);
    assert_eq!(scored.texts, ["a", " b", " c"]);
    assert_eq!(scored.model.as_deref(), Some("m-1"));
    assert_eq!((scored.prompt_tokens, scored.completion_tokens), (3, 1));
    let (head, body) = requests.recv().unwrap();
    assert!(head.starts_with("post /v1/completions http/1.1"), "{head}");
    assert_eq!(
        body,
        json!({"model": "m", "prompt": [7, 8, 9], "echo": true, "logprobs": 1, "max_tokens": 1, "temperature": 1.0})
    );
}

#[test]
fn every_float_survives_its_way_as_text() {
    let values = [-0.1_f32, -1.0e-7, -13.559_899, -f32::MIN_POSITIVE];
    let given = json!([null, values[0], values[1], values[2], values[3]]);
    let text = json!({"choices": [{"logprobs": {"token_logprobs": given}}]}).to_string();

    assert_eq!(scored::read(&text, &[1; 5]).unwrap().log_probs, values);
}

#[test]
fn an_answer_without_the_log_probability_of_each_token_is_refused() {
    let refused = |text: String| scored::read(&text, &[7, 8, 9]).unwrap_err();
    let holes = [
        (
            json!([null, null, -0.1]),
            "token 2 of 3 (number 8) is `null`",
        ),
        (
            json!([null, -0.1, -9999.0]),
            "token 3 of 3 (number 9) is `-9999`",
        ),
        (json!([null, -0.1, 0.5]), "token 3 of 3 (number 9) is `0.5`"),
        // One token that was drawn, as from a server that does not know `echo`.
        (
            json!([-0.1]),
            "1 log-probabilities for 3 tokens that were read, but 3 were sent",
        ),
        (json!([null, -0.1, -0.1, -0.1, -0.1]), "5 log-probabilities"),
    ];
    for (log_probs, expected) in holes {
        let error = refused(echo(&log_probs));
        assert!(error.contains(expected), "{error}");
    }
    let longer = echo(&json!([null, -0.1, -0.1, -0.1]))
        .replace("\"prompt_tokens\":3", "\"prompt_tokens\":4");
    assert!(refused(longer).contains("for 4 tokens that were read, but 3 were sent"));
    let silent = json!({"choices": [{"text": "a", "logprobs": null}]}).to_string();
    assert!(refused(silent).contains("no `logprobs.token_logprobs`"));
    // Python writes this, and no JSON has it.
    let nan = echo(&json!([null, -0.1, -0.5])).replace("-0.5", "NaN");
    assert!(refused(nan).contains("expected value"));
}

/// Oracle: an answer of vLLM 0.16, as quoted in pull request 15189 of llama.cpp, without its alternatives.
#[test]
fn an_answer_of_vllm_is_read() {
    let text = r#"{"id":"cmpl-8c16f81d43846721","object":"text_completion","created":1772367069,
        "model":"Intel/Qwen3-Coder-Next-int4-AutoRound","choices":[{"index":0,
        "text":"The step of boiling water is: 1","logprobs":{"text_offset":[0,3,8,11,19,25,28,29,30],
        "token_logprobs":[null,-8.818763732910156,-1.552642822265625,-13.55989933013916,-2.0115487575531006,
        -2.2331151962280273,-8.53701114654541,-1.2870503664016724,-0.41059786081314087],
        "tokens":["The"," step"," of"," boiling"," water"," is",":"," ","1"],
        "top_logprobs":[null,{" step":-8.818763732910156}]}}]}"#;

    let scored = scored::read(text, &[1; 8]).unwrap();

    assert_eq!(scored.log_probs.len(), 7);
    assert_eq!(scored.log_probs[0].to_bits(), (-8.818_764_f32).to_bits());
    assert_eq!(scored.texts.join(""), "The step of boiling water is: ");
}
