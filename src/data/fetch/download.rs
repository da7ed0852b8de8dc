//! One file, from its first byte or from where an earlier attempt stopped.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use ureq::{Body, http::Response};

use super::{Progress, error::FetchError, host::Client, zip};
use crate::{
    data::{download_lock::LockedFile, manifest::Remote},
    disk::atomic::{self, Flush},
};

/// Attempts without a single new byte before the download fails.
const ATTEMPTS: u32 = 4;

/// Between attempts, times their number.
const PAUSE: Duration = Duration::from_millis(200);

/// A file to download.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) remote: &'a Remote,
    pub(super) revision: &'a str,
    pub(super) name: &'a str,
    /// Where it is.
    pub(super) url: String,
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Option<&'a str>,
}

impl Wanted<'_> {
    /// Downloads the file into `folder` and returns its size and digest.
    pub(super) fn download(
        &self,
        client: &Client,
        folder: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<LockedFile, FetchError> {
        let target = folder.join(self.name);
        if !target.is_file() {
            let part = with_suffix(&target, ".part");
            let parent = target.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(|source| write_error(parent, source))?;
            let found = if let Some(found) = self.copied(client, &part)? {
                found
            } else {
                self.bring(client, &part, on_progress)?;
                self.verified(&part)?
            };
            atomic::rename(&part, &target, Flush::Later)
                .map_err(|source| write_error(&target, source))?;
            on_progress(Progress::Finished { file: self.name });
            return Ok(found);
        }
        self.verified(&target)
    }

    /// Takes the file out of an archive into `folder`, and returns its size and digest.
    pub(super) fn unpack(&self, archive: &Path, folder: &Path) -> Result<LockedFile, FetchError> {
        let target = folder.join(self.name);
        let parent = target.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|source| write_error(parent, source))?;
        zip::extract(archive, self.name, &target).map_err(|source| FetchError::Archive {
            archive: archive.display().to_string(),
            file: self.name.to_owned(),
            source,
        })?;
        self.verified(&target)
    }

    /// Copies the file of another program's download, if it has the announced bytes.
    fn copied(&self, client: &Client, part: &Path) -> Result<Option<LockedFile>, FetchError> {
        let other = client.other_download(self.remote);
        let Some(found) = other.and_then(|other| other.file(self.revision, self.name)) else {
            return Ok(None);
        };
        fs::copy(&found, part).map_err(|source| write_error(part, source))?;
        match self.verified(part) {
            Ok(file) => Ok(Some(file)),
            Err(FetchError::Write { path, source }) => Err(FetchError::Write { path, source }),
            // These are other bytes: the file is downloaded.
            Err(_) => Ok(None),
        }
    }

    /// Appends to `part` until all bytes are there.
    fn bring(
        &self,
        client: &Client,
        part: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), FetchError> {
        let mut failures = 0;
        loop {
            let start = fs::metadata(part).map_or(0, |found| found.len());
            if self.bytes == Some(start) && start > 0 {
                return Ok(());
            }
            let response = client.get(self.remote, &self.url, start)?;
            if response.status().as_u16() == 416 {
                // The part that is there does not belong to this file.
                fs::remove_file(part).map_err(|source| write_error(part, source))?;
                failures += 1;
            } else {
                let started = Progress::Started {
                    file: self.name,
                    at: start,
                    of: self.bytes,
                };
                on_progress(started);
                if append(response, part, start, on_progress)? {
                    return Ok(());
                }
            }
            let now = fs::metadata(part).map_or(0, |found| found.len());
            failures = if now > start { 1 } else { failures + 1 };
            if failures >= ATTEMPTS {
                let file = self.name.to_owned();
                return Err(FetchError::CutOff {
                    file,
                    attempts: failures,
                    at: now,
                });
            }
            thread::sleep(PAUSE * failures);
        }
    }

    /// Size and digest of a file; one that differs from the announced ones is removed.
    pub(super) fn verified(&self, path: &Path) -> Result<LockedFile, FetchError> {
        let found = measure(path).map_err(|source| write_error(path, source))?;
        let file = self.name.to_owned();
        let error = match (self.bytes, self.sha256) {
            (Some(expected), _) if expected != found.bytes => FetchError::WrongSize {
                file,
                expected,
                found: found.bytes,
            },
            (_, Some(expected)) if !expected.eq_ignore_ascii_case(&found.sha256) => {
                let expected = expected.to_owned();
                FetchError::WrongDigest {
                    file,
                    expected,
                    found: found.sha256,
                }
            }
            _ => return Ok(found),
        };
        fs::remove_file(path).map_err(|source| write_error(path, source))?;
        Err(error)
    }
}

/// Adds the body to the part that is there; returns whether it was complete.
fn append(
    response: Response<Body>,
    part: &Path,
    start: u64,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<bool, FetchError> {
    // A host that ignores the range sends the whole file.
    let goes_on = response.status().as_u16() == 206 && begins_at(&response, start);
    let mut options = OpenOptions::new();
    options
        .create(true)
        .write(true)
        .append(goes_on)
        .truncate(!goes_on);
    let mut file = options
        .open(part)
        .map_err(|source| write_error(part, source))?;
    let announced = response.body().content_length();
    let mut reader = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut received = 0;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::debug!(%error, received, "connection lost");
                return Ok(false);
            }
        };
        if count == 0 {
            break;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        file.write_all(bytes)
            .map_err(|source| write_error(part, source))?;
        received += count as u64;
        on_progress(Progress::Received {
            bytes: count as u64,
        });
    }
    file.sync_all()
        .map_err(|source| write_error(part, source))?;
    Ok(announced.is_none_or(|announced| announced == received))
}

fn begins_at(response: &Response<Body>, start: u64) -> bool {
    let range = response
        .headers()
        .get("content-range")
        .and_then(|value| value.to_str().ok());
    range.is_none_or(|range| range.starts_with(&format!("bytes {start}-")))
}

fn measure(path: &Path) -> io::Result<LockedFile> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut file, &mut hasher)?;
    let mut sha256 = String::new();
    for byte in hasher.finalize() {
        // Writing to a text cannot fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    Ok(LockedFile { bytes, sha256 })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn write_error(path: &Path, source: io::Error) -> FetchError {
    FetchError::Write {
        path: path.to_path_buf(),
        source,
    }
}
