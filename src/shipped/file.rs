//! A file within the program.

/// A shipped file.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// Its path from the folder of a project, with `/`.
    pub(super) path: &'static str,
    /// Its content.
    pub(super) bytes: &'static [u8],
}

/// Files of the checkout that the program is built from, with their content.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(File {
            path: $path,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)),
        }),*]
    };
}
pub(super) use files;
