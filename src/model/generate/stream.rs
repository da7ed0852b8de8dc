//! One completion, passed on token by token.

use crate::{
    model::{
        KvCache, LanguageModel, ModelError, SamplingSettings, TokenBatch, Tokenizer,
        ops::{self, Sampler},
    },
    seed::Stream,
};

use super::{Completion, Finish, check, check_logits};

/// Draws a completion as [`generate`](super::generate) does, and passes each token to `on_token` as
/// it is drawn.
///
/// If `on_token` returns false, generation ends with [`ModelError::Interrupted`].
pub fn stream(
    model: &LanguageModel,
    prompt: &[u32],
    settings: &SamplingSettings,
    mut numbers: Stream,
    on_token: &mut dyn FnMut(u32) -> bool,
) -> Result<Completion, ModelError> {
    check(model, &[prompt.to_vec()])?;
    let decoder = model.decoder.merged();
    let sampler = Sampler::new(settings);
    let mut cache = KvCache::new(decoder.num_layers());
    let mut completion = Completion::empty();
    let room = model.config.max_position_embeddings - prompt.len();
    let mut next = prompt.to_vec();
    while completion.tokens.len() < settings.max_completion_tokens.min(room) {
        let hidden = decoder.last_hidden(&TokenBatch::of_prompts(&[next]), &mut cache);
        let logits = decoder.logits(hidden);
        let (token, log_prob) = ops::draw(&sampler, logits, vec![&mut numbers])[0];
        check_logits(log_prob, 0, completion.tokens.len())?;
        completion.tokens.push(token);
        completion.log_probs.push(log_prob);
        if model.stop_tokens.contains(&token) {
            completion.finish = Finish::Stop;
            break;
        }
        if !on_token(token) {
            return Err(ModelError::Interrupted);
        }
        next = vec![token];
    }
    Ok(completion)
}

/// The text of tokens that arrive one by one.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    tokens: Vec<u32>,
    /// The first token of the text that was returned last: the text of a token may depend on the
    /// one before.
    before: usize,
    /// The number of tokens whose text was returned.
    returned: usize,
}

impl<'a> TextStream<'a> {
    /// Starts a text.
    pub fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            tokens: Vec::new(),
            before: 0,
            returned: 0,
        }
    }

    /// Takes a token, and returns the text that is complete now; it never ends within a character.
    pub fn push(&mut self, token: u32) -> Result<String, ModelError> {
        self.tokens.push(token);
        let (known, all) = self.ends()?;
        if all.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        let piece = all.strip_prefix(&known).unwrap_or_default().to_owned();
        self.before = self.returned;
        self.returned = self.tokens.len();
        Ok(piece)
    }

    /// Returns the rest, if the text ends within a character.
    pub fn finish(self) -> Result<String, ModelError> {
        let (known, all) = self.ends()?;
        Ok(all.strip_prefix(&known).unwrap_or_default().to_owned())
    }

    /// The end of the text that was returned, and the same with the text that was not.
    fn ends(&self) -> Result<(String, String), ModelError> {
        let end = |to: usize| {
            let tokens = self.tokens.get(self.before..to).unwrap_or_default();
            self.tokenizer.decode(tokens)
        };
        Ok((end(self.returned)?, end(self.tokens.len())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{fixture, generate},
        seed,
    };

    #[test]
    fn a_stream_draws_what_a_batch_draws() {
        let model = fixture::model("qwen2");
        let settings = SamplingSettings {
            temperature: 0.9,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_completion_tokens: 20,
        };
        for seed in 0..8 {
            let prompt = fixture::tokens(seed, 5);
            let numbers = || seed::stream(seed, "test", 0, 0);
            let mut passed = Vec::new();

            let streamed = stream(&model, &prompt, &settings, numbers(), &mut |token| {
                passed.push(token);
                true
            });

            let batch = generate(&model, &[prompt], &settings, vec![numbers()], &mut || false);
            let (streamed, [expected]) = (streamed.unwrap(), batch.unwrap().try_into().unwrap());
            assert_eq!(streamed, expected);
            let is_stopped = streamed.finish == Finish::Stop;
            let count = streamed.tokens.len() - usize::from(is_stopped);
            assert_eq!(passed, streamed.tokens[..count]);
        }
    }

    #[test]
    fn a_character_of_several_tokens_is_returned_once_it_is_whole() {
        // The tokenizer falls back to bytes: `é` and `漢` are several tokens.
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/datasets/from_scratch/tokenizer.json"
        );
        let tokenizer = Tokenizer::from_file(path.as_ref()).unwrap();
        let text = "def café(x):\n    return \"漢字\"  # naïve";
        let mut stream = TextStream::new(&tokenizer);

        let mut pieces = Vec::new();
        for token in tokenizer.encode(text).unwrap() {
            pieces.push(stream.push(token).unwrap());
        }

        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().any(String::is_empty), "{pieces:?}");
        assert_eq!(stream.finish().unwrap(), "");
    }
}
