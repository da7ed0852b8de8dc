//! Why a download failed.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why an entry of the manifest could not be downloaded.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No connection.
    #[error("cannot reach `{host}`")]
    Unreachable {
        /// The name of the host.
        host: String,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The host wants a token.
    #[error("`{host}` does not give `{repository}` to this account (status {status})")]
    Refused {
        /// The name of the host.
        host: String,
        /// The repository.
        repository: String,
        /// 401 or 403.
        status: u16,
        /// Where a person can ask for access.
        page: String,
    },
    /// The host has no such file.
    #[error("`{url}` is not there (status 404)")]
    NotFound {
        /// The address.
        url: String,
    },
    /// Any other answer than a file.
    #[error("`{url}` answered with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The connection ended too often.
    #[error("the download of `{file}` was cut off {attempts} times, the last time at byte {at}")]
    CutOff {
        /// The file.
        file: String,
        /// How often it was tried.
        attempts: u32,
        /// The bytes that have arrived.
        at: u64,
    },
    /// The host's list of files cannot be read.
    #[error("the list of files of `{repository}` cannot be read")]
    Listing {
        /// The repository.
        repository: String,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The host has no file of a kind that is needed.
    #[error("`{repository}` has no file `{pattern}`")]
    NoSuchFile {
        /// The repository.
        repository: String,
        /// The name, or its form.
        pattern: String,
    },
    /// The manifest asks for one file and the host has several of its form.
    #[error("`{repository}` has several files `{pattern}`: {found}")]
    SeveralFiles {
        /// The repository.
        repository: String,
        /// The form of the name.
        pattern: String,
        /// Their names.
        found: String,
    },
    /// The name of a file that would be outside its folder.
    #[error("`{repository}` has a file with the unusable name `{file}`")]
    UnusableName {
        /// The repository.
        repository: String,
        /// The name.
        file: String,
    },
    /// A file of another size than announced.
    #[error("`{file}` has {found} bytes, expected {expected}")]
    WrongSize {
        /// The file.
        file: String,
        /// What was announced.
        expected: u64,
        /// What arrived.
        found: u64,
    },
    /// A file with other bytes than announced, or than at the first download.
    #[error("`{file}` has the sha256 `{found}`, expected `{expected}`")]
    WrongDigest {
        /// The file.
        file: String,
        /// What was announced.
        expected: String,
        /// What arrived.
        found: String,
    },
    /// The folder of the entry is there, but something is missing in it.
    #[error("`{path}` is there, but not complete: move it away")]
    InTheWay {
        /// The folder.
        path: PathBuf,
    },
    /// The record of the first download cannot be read, so that nothing can be compared with it.
    #[error(
        "cannot read `{path}`, which has the digests of the first download: restore it, or move it away to accept \
         other files",
        path = .path.display()
    )]
    Record {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// The content is made by a command, not downloaded.
    #[error("`{path}` has not been made yet; `{command}` makes it", path = .path.display())]
    NotMade {
        /// Where it will be.
        path: PathBuf,
        /// What makes it.
        command: String,
    },
    /// Another process downloads the same.
    #[error("another process is downloading `{name}`")]
    Busy {
        /// The entry.
        name: String,
    },
    /// The disk has no room for the download.
    #[error("`{folder}` has room for {free} more bytes, expected {needed}")]
    NoRoom {
        /// The folder of the download.
        folder: PathBuf,
        /// What is free there.
        free: u64,
        /// The bytes that are missing.
        needed: u64,
    },
    /// A file cannot be taken out of the archive that has it.
    #[error("cannot take `{file}` out of `{archive}`")]
    Archive {
        /// The archive.
        archive: String,
        /// The file.
        file: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}
