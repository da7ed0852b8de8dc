//! The tokenizer of the tiny models: a byte-level BPE in which words are tokens.
//!
//! Spaces belong to the word before or after them in such a way that a name has the same tokens
//! everywhere in code, so that a small model can copy it. Every single byte is also a token, so that
//! every text can be encoded and decoded without loss.

use tokenizers::{
    AddedToken, DecoderWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, TokenizerBuilder,
    models::bpe::{BPE, BpeTrainerBuilder},
    normalizers::NormalizerWrapper,
    pre_tokenizers::{
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
    processors::PostProcessorWrapper,
};

use super::World;

/// The largest vocabulary.
const SIZE: usize = 1280;
/// The number of texts in the corpus that it is trained on.
const TEXTS: usize = 20_000;
/// The end of a text, and the padding of a batch.
const SPECIAL: [&str; 2] = ["<|endoftext|>", "<|pad|>"];
/// Keywords with the space after them; words with a space before them; digits; punctuation; other
/// white space.
const PATTERN: &str = r"(?:import|return|def|for|in) | ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+ ?|\s+";

impl World {
    /// The bytes of a `tokenizer.json` for models of this world.
    pub(crate) fn tokenizer(&self) -> Result<String, tokenizers::Error> {
        let mut trainer = BpeTrainerBuilder::new()
            .vocab_size(SIZE)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(SPECIAL.map(|name| AddedToken::from(name, true)).into())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let byte_level = ByteLevel::new(false, true, false);
        let split = Split::new(
            SplitPattern::Regex(PATTERN.to_owned()),
            SplitDelimiterBehavior::Isolated,
            false,
        )?;
        let parts = vec![
            PreTokenizerWrapper::Split(split),
            PreTokenizerWrapper::ByteLevel(byte_level),
        ];
        let mut tokenizer = TokenizerBuilder::<
            BPE,
            NormalizerWrapper,
            PreTokenizerWrapper,
            PostProcessorWrapper,
            DecoderWrapper,
        >::new()
        .with_model(BPE::default())
        .with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(parts))))
        .with_decoder(Some(DecoderWrapper::ByteLevel(byte_level)))
        .build()?;
        let texts = (0..TEXTS).flat_map(|index| {
            let text = self.document(index, TEXTS);
            [text.prompt, text.completion]
        });
        tokenizer.train(&mut trainer, texts)?;
        tokenizer.to_string(true)
    }
}
