//! What can go wrong with a model.

use std::path::PathBuf;

/// Why a model could not be read, built, written or sampled from.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A JSON file of the model is malformed, or has an unexpected value.
    #[error("cannot understand `{}`: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A file of tensors is malformed.
    #[error("cannot understand the tensors of `{}`", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: safetensors::SafeTensorError,
    },
    /// The files of the weights are not what was expected.
    #[error("`{}`: {problem}", path.display())]
    Weights {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A file of tensors ends too early.
    #[error(
        "`{}` is cut off within tensor `{name}`: expected at least {expected} bytes, found {found}",
        path.display()
    )]
    CutOff {
        /// The file.
        path: PathBuf,
        /// The first tensor that is incomplete.
        name: String,
        /// The offset of the end of that tensor.
        expected: usize,
        /// The length of the file.
        found: usize,
    },
    /// Weights that should be written are NaN or infinite.
    #[error(
        "`{}` is not written, because tensor `{name}` has values that are not finite: the weights or the adapter \
         have such values, or values that are too large for the dtype",
        path.display()
    )]
    NotFiniteWeights {
        /// The file that is not written.
        path: PathBuf,
        /// The first such tensor.
        name: String,
    },
    /// A tensor is missing.
    #[error("`{}` has no tensor `{name}`, expected one of shape {expected:?}", path.display())]
    MissingTensor {
        /// The file or folder.
        path: PathBuf,
        /// The name in the checkpoint.
        name: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor does not have the shape that the configuration asks for.
    #[error("tensor `{name}` of `{}` has shape {found:?}, expected {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The name in the checkpoint.
        name: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has a type that is not supported for weights.
    #[error(
        "tensor `{name}` of `{}` has type `{found}`, expected `F32`, `F16` or `BF16`",
        path.display()
    )]
    TensorType {
        /// The file.
        path: PathBuf,
        /// The name in the checkpoint.
        name: String,
        /// The type in the file.
        found: String,
    },
    /// The device cannot compute with the type.
    #[error("this device cannot compute in `{dtype}`, choose another `model.dtype`")]
    UnsupportedDtype {
        /// The type.
        dtype: &'static str,
    },
    /// The file of the tokenizer is malformed.
    #[error("cannot understand the tokenizer `{}`: {problem}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The message of the tokenizer's library.
        problem: String,
    },
    /// A text cannot be encoded, or tokens cannot be decoded.
    #[error("cannot tokenize: {0}")]
    Tokenize(String),
    /// The settings do not describe a decoder.
    #[error("the model's shape makes no sense: {0}")]
    Configuration(String),
    /// A conversation cannot be rendered as text.
    #[error("cannot lay out a conversation: {0}")]
    Chat(String),
    /// The settings or files of the adapter do not fit the model.
    #[error("the adapter does not fit: {0}")]
    Adapter(String),
    /// A prompt cannot be continued.
    #[error("cannot continue prompt {index}: {problem}")]
    Prompt {
        /// The position among the prompts.
        index: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// The model predicts NaN or infinity.
    #[error(
        "the logits for token {token} of the completion of prompt {index} are not finite: the model or its adapter has \
         weights that are not finite, or numbers that are too large for its dtype"
    )]
    NotFinite {
        /// The position of the prompt among the prompts.
        index: usize,
        /// The position of the token in the completion.
        token: usize,
    },
    /// The caller asked to stop.
    #[error("generation was interrupted")]
    Interrupted,
}
