//! Tests with a thread that plays the server.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
};

use burn::tensor::Device;
use serde_json::{Value, json};

use super::*;
use crate::{
    digest::Digest,
    model::{Decoder, Dtype, LanguageModel, ScratchSettings, TokenBatch},
    plan::tests::fixture::plan_of,
    ranks::Ranks,
    train::{
        EvaluationRecord, Inputs, NonFiniteRecord, Observer, RewardTools, Row, SampleRecord,
        StepRecord, Teacher, TrainError, TrainSettings, train,
    },
};

/// A model of twelve words and one special token.
fn model(seed: u64) -> LanguageModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let names = std::iter::once("<|endoftext|>".to_owned()).chain((1..13).map(|n| format!("w{n}")));
    let vocabulary: BTreeMap<String, usize> = names.zip(0..).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 0, "content": "<|endoftext|>", "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w1"},
    });
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let shape = ScratchSettings {
        tokenizer: path,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        rope_theta: 10_000.0,
        max_position_embeddings: 64,
        init_seed: seed,
    };
    LanguageModel::scratch(&shape, Dtype::F32, &Device::flex()).unwrap()
}

/// The answer to a request.
type Reply = dyn Fn(&Value) -> (u16, String) + Send;

/// Starts a server, and returns its address.
fn serve(reply: Box<Reply>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &*reply);
        }
    });
    address
}

fn answer(mut stream: TcpStream, reply: &Reply) {
    let mut bytes = Vec::new();
    let body: Value = loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            break body;
        }
        assert!(count > 0, "the request ends early");
    };
    let (status, body) = reply(&body);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The client may have stopped.
    let _ = stream.write_all((head + &body).as_bytes());
}

/// What a server says that has this model: the log-probability of each token after the first, computed in another
/// way than the training does, and that of a token that it draws.
fn echo(decoder: &Decoder, request: &Value) -> Value {
    assert_eq!(
        (&request["echo"], &request["logprobs"]),
        (&json!(true), &json!(1))
    );
    let tokens: Vec<u32> = serde_json::from_value(request["prompt"].clone()).unwrap();
    let batch = TokenBatch::new(&[tokens[..1].to_vec()], &[tokens[1..].to_vec()]);
    let scores = decoder.log_probs(&batch, 1.0, None).log_probs;
    let mut said = vec![Value::Null];
    said.extend(scores.into_data().iter::<f32>().map(|one| json!(one)));
    said.push(json!(-0.5));
    let mut texts: Vec<String> = tokens.iter().map(|token| format!("Ġw{token}")).collect();
    texts.push("w1".to_owned());
    json!({
        "model": "large",
        "choices": [{"logprobs": {"token_logprobs": said, "tokens": texts}}],
        "usage": {"prompt_tokens": tokens.len(), "completion_tokens": 1},
    })
}

fn settings_of(address: &str) -> TrainSettings {
    let text = format!(
        "name = \"x\"\n\
         [train]\n\
         algorithm = \"distill\"\n\
         max_steps = 3\n\
         batch_size = 3\n\
         group_size = 2\n\
         sampling.max_completion_tokens = 5\n\
         [train.distill]\n\
         teacher = \"remote\"\n\
         estimator = \"sampled\"\n\
         lr = {{ peak = 0.02, warmup_steps = 0 }}\n\
         [train.distill.remote]\n\
         base_url = \"{address}\"\n\
         model = \"large\"\n\
         key_variable = \"none\"\n\
         attempts = 1\n\
         concurrency = 3\n\
         dollars_per_million_prompt_tokens = 2.0\n"
    );
    plan_of(&text).jobs[0].work.as_train().unwrap().clone()
}

fn asked(settings: &TrainSettings) -> AskedTeacher {
    let remote = settings.algorithm.remote_teacher().unwrap();
    AskedTeacher::new(remote, StopFlag::default()).unwrap()
}

/// Keeps the records of steps.
#[derive(Default)]
struct Steps(Vec<StepRecord>);

impl Observer for Steps {
    fn on_resume(&mut self, _: usize, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn evaluate(
        &mut self,
        _: &LanguageModel,
        _: usize,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        Ok(None)
    }

    fn on_step(&mut self, record: &StepRecord) -> io::Result<()> {
        self.0.push(StepRecord {
            timing: crate::train::Timing::default(),
            ..record.clone()
        });
        Ok(())
    }

    fn on_sample(&mut self, _: &SampleRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_non_finite(&mut self, _: &NonFiniteRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_note(&mut self, _: &str) {}

    fn should_stop(&self) -> bool {
        false
    }
}

/// Trains, and returns the digest of the model and the records of all steps.
fn taught(settings: &TrainSettings, teacher: Teacher<'_>) -> (Digest, Vec<StepRecord>) {
    let row = |index: usize| Row {
        id: format!("row {index}"),
        is_raw: true,
        prompt: ["w1 w2", "w3", "w4 w5 w6"][index].to_owned(),
        target_code: "x = 1".to_owned(),
        target_text: "x = 1".to_owned(),
        note: String::new(),
        tests: None,
    };
    let rows: Vec<Row> = (0..3).map(row).collect();
    let (folder, mut steps) = (tempfile::tempdir().unwrap(), Steps::default());
    let inputs = Inputs {
        settings,
        rows: &rows,
        seed: 7,
        checkpoints: &folder.path().join("checkpoints"),
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher: Some(teacher),
    };
    let outcome = train(trainable(), &inputs, &mut steps).unwrap();
    let model = folder.path().join("model");
    outcome.model.save(&model).unwrap();
    (Digest::of_folder(Path::new(&model)).unwrap(), steps.0)
}

/// The model in training.
fn trainable() -> LanguageModel {
    let mut model = model(3);
    let none = crate::model::AdapterSettings {
        kind: crate::model::AdapterKind::None,
        r: 1,
        alpha: 1.0,
        dropout: 0.0,
        targets: crate::model::Targets(Vec::new()),
    };
    model.attach_adapter(&none, 1).unwrap();
    model
}

/// Oracle: the teacher as a model of this process, with the same estimator, to the last bit.
#[test]
fn a_teacher_behind_a_server_teaches_the_digits_of_one_here() {
    let here = model(4).decoder.frozen();
    let there = model(4).decoder.frozen();
    let address = serve(Box::new(move |request| {
        (200, echo(&there, request).to_string())
    }));
    let settings = settings_of(&address);
    let mut teacher = asked(&settings);
    teacher.compare(&model(3).tokenizer).unwrap();
    let known = model(3).tokenizer.encode(KNOWN).unwrap().len();

    let remote = taught(&settings, Teacher::Remote(&teacher));
    let local = taught(&settings, Teacher::Local(&here));

    assert_eq!(remote, local);
    let facts = teacher.facts();
    assert_eq!(facts["endpoint"], address);
    assert_eq!(facts["model_named_by_server"], "true");
    assert_eq!(facts["tokens_compared"], known.to_string());
    // By hand: one question about the known text, and one for each of 3 · 2 completions in 3 steps.
    assert_eq!(facts["completion_tokens"], "19");
    assert!(facts.contains_key("dollars"));
    let warning = teacher.warning();
    assert!(warning.contains("its weights cannot be"), "{warning}");
}

#[test]
fn a_server_with_another_model_or_vocabulary_is_refused_before_the_first_step() {
    let refusal = |change: fn(&mut Value)| {
        let there = model(4).decoder.frozen();
        let address = serve(Box::new(move |request| {
            let mut answer = echo(&there, request);
            change(&mut answer);
            (200, answer.to_string())
        }));
        let error = asked(&settings_of(&address)).compare(&model(3).tokenizer);
        let error: Box<dyn std::error::Error> = error.unwrap_err().into();
        let cause = error.source().map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    };

    let other = refusal(|answer| answer["model"] = json!("small"));
    assert!(
        other.contains("the teacher is `small`, but the spec says `large`"),
        "{other}"
    );
    let words = refusal(|answer| answer["choices"][0]["logprobs"]["tokens"][1] = json!("Ġw9"));
    assert!(
        words.contains("reads token 1 as `Ġw9`, and the model in training as `w1`"),
        "{words}"
    );
    let silent = refusal(|answer| answer["choices"][0]["logprobs"] = Value::Null);
    assert!(
        silent.contains("must know `echo` together with `logprobs`"),
        "{silent}"
    );
    let longer = refusal(|answer| answer["usage"]["prompt_tokens"] = json!(999));
    assert!(longer.contains("999 tokens that were read"), "{longer}");
}

#[test]
fn what_a_server_leaves_open_is_said() {
    let there = model(4).decoder.frozen();
    let address = serve(Box::new(move |request| {
        let mut answer = echo(&there, request);
        answer["model"] = Value::Null;
        answer["choices"][0]["logprobs"]["tokens"] = Value::Null;
        (200, answer.to_string())
    }));
    let mut teacher = asked(&settings_of(&address));

    teacher.compare(&model(3).tokenizer).unwrap();

    let warning = teacher.warning();
    assert!(warning.contains("nothing else compared"), "{warning}");
    assert_eq!(teacher.facts()["tokens_compared"], "0");
}

#[test]
fn a_failure_names_the_row_and_a_stop_ends_the_wait() {
    let address = serve(Box::new(|_| (500, "full".to_owned())));
    let settings = settings_of(&address);
    let question = TeacherQuestion {
        row: "row 8",
        prompt: &[1, 2],
        completion: &[3],
    };

    let error = asked(&settings).log_probs(&[question]).unwrap_err();
    let cause = error.get_ref().and_then(std::error::Error::source).unwrap();
    assert_eq!(
        error.to_string(),
        "row 8: the teacher gives no log-probabilities"
    );
    assert!(cause.to_string().ends_with("status 500: full"), "{cause}");

    let stop = StopFlag::default();
    stop.set();
    let remote = settings.algorithm.remote_teacher().unwrap();
    let stopped = AskedTeacher::new(remote, stop).unwrap();
    assert_eq!(stopped.log_probs(&[question]).unwrap(), None);
}
