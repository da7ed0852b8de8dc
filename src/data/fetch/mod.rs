//! Downloads of what the manifest names: resumable, verified, complete or not there at all.
//!
//! The crate `hf-hub` does less than is needed here: it takes files from the Hugging Face hub alone,
//! not from GitHub, compares no digest with what was announced or recorded, does not ask whether the
//! disk has room, and has a cache of its own in place of a folder with a record. What the hub's own
//! programs have downloaded is used by `hub_cache`.

mod download;
mod error;
mod host;
mod hub_cache;
mod listing;
mod package_index;
mod space;
mod zip;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use download::{Wanted, write_error};
use host::Client;
use listing::{Announced, Listing};

use super::{
    cache::{Cache, Resolved},
    download_lock::Lock,
    manifest::{Entry, Remote, Source},
};
use crate::disk::atomic::{self, Flush, folder_of};

pub use error::FetchError;
pub use host::Endpoints;

/// Downloads entries of the manifest into the cache.
#[derive(Debug)]
pub struct Fetcher {
    client: Client,
    cache: Cache,
}

/// What a download is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A file begins, or continues after an interruption.
    Started {
        /// The file.
        file: &'a str,
        /// How many bytes are there already.
        at: u64,
        /// Its size, if the host says so.
        of: Option<u64>,
    },
    /// Some bytes have come.
    Received {
        /// How many.
        bytes: u64,
    },
    /// A file is there and is what was announced.
    Finished {
        /// The file.
        file: &'a str,
    },
}

impl Fetcher {
    /// A fetcher from these hosts into this cache.
    pub fn new(endpoints: Endpoints, cache: Cache) -> Self {
        Self {
            client: Client::new(endpoints),
            cache,
        }
    }

    /// Downloads an entry unless it is here, and returns where it is.
    ///
    /// The first download records the digests; a later one must give the same bytes.
    pub fn fetch(
        &self,
        entry: &Entry,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, FetchError> {
        if let Resolved::Here(path) = self.cache.resolve(entry) {
            return Ok(path);
        }
        let remote = match entry.source() {
            Source::Remote(remote) => remote,
            // A file of this project cannot be downloaded.
            Source::Shipped(path) => {
                let path = path.clone();
                return Err(match entry.made_by() {
                    Some(command) => FetchError::NotMade {
                        path,
                        command: command.to_owned(),
                    },
                    None => FetchError::InTheWay { path },
                });
            }
        };
        let complete = self.cache.complete(entry.name());
        if complete.exists() {
            return Err(FetchError::InTheWay { path: complete });
        }
        let _guard = self.guard(entry.name())?;
        let record = self.cache.lock_path(entry.name());
        let lock = Lock::read(&record, remote).map_err(|source| FetchError::Record {
            path: record.clone(),
            source,
        })?;
        let listing = self.listing(entry, remote, lock.as_ref())?;
        let partial = self.partial(entry, remote, &listing)?;
        let new = self.bring_all(remote, &listing, &partial, on_progress)?;
        new.write(&record)
            .and_then(|()| atomic::rename(&partial, &complete, Flush::Now))
            .map_err(|source| write_error(&complete, source))?;
        match self.cache.resolve(entry) {
            Resolved::Here(path) => Ok(path),
            Resolved::Missing { .. } => Err(FetchError::InTheWay { path: complete }),
        }
    }

    /// What to download, with the digests of the manifest and of an earlier download.
    fn listing(
        &self,
        entry: &Entry,
        remote: &Remote,
        lock: Option<&Lock>,
    ) -> Result<Listing, FetchError> {
        let mut listing = if let Some(lock) = lock {
            // The names are known: the same files are downloaded again, from the same commit.
            let files = lock
                .files
                .keys()
                .map(|name| (name.clone(), Announced::default()));
            Listing {
                commit: lock.commit.clone(),
                files: files.collect(),
            }
        } else {
            self.list(entry, remote)?
        };
        for (name, announced) in &mut listing.files {
            if let Some(locked) = lock.and_then(|lock| lock.files.get(name)) {
                announced.bytes = Some(locked.bytes);
                announced.sha256 = Some(locked.sha256.clone());
            }
            if let Some(sha256) = remote.sha256.get(name) {
                announced.sha256 = Some(sha256.clone());
            }
        }
        Ok(listing)
    }

    /// The files of a revision: as the hub lists them or, without a connection, as the hub's own
    /// programs have downloaded them.
    fn list(&self, entry: &Entry, remote: &Remote) -> Result<Listing, FetchError> {
        match self.client.list(entry, remote, &remote.revision) {
            Err(error @ FetchError::Unreachable { .. }) => {
                let other = self.client.other_download(remote);
                other.and_then(|other| other.listing(remote)).ok_or(error)
            }
            answer => answer,
        }
    }

    /// The folder of a download in progress; parts of another commit are not continued.
    fn partial(
        &self,
        entry: &Entry,
        remote: &Remote,
        listing: &Listing,
    ) -> Result<PathBuf, FetchError> {
        let revision = listing.commit.as_ref().unwrap_or(&remote.revision);
        let short: String = revision
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        let partial = self.cache.partial(entry.name(), &short);
        fs::create_dir_all(&partial).map_err(|source| write_error(&partial, source))?;
        Ok(partial)
    }

    fn bring_all(
        &self,
        remote: &Remote,
        listing: &Listing,
        folder: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Lock, FetchError> {
        let mut lock = Lock {
            repository: remote.repository.clone(),
            revision: remote.revision.clone(),
            commit: listing.commit.clone(),
            files: std::collections::BTreeMap::new(),
        };
        space::check(listing, folder)?;
        let revision = listing.commit.as_ref().unwrap_or(&remote.revision);
        let archive = match &remote.archive {
            Some(archive) => Some(self.bring_archive(remote, archive, folder, on_progress)?),
            None => None,
        };
        for (name, announced) in &listing.files {
            let wanted = Wanted {
                remote,
                revision,
                name,
                url: self.client.file(remote, revision, name),
                bytes: announced.bytes,
                sha256: announced.sha256.as_deref(),
            };
            let found = match &archive {
                Some(archive) => wanted.unpack(archive, folder)?,
                None => wanted.download(&self.client, folder, on_progress)?,
            };
            lock.files.insert(name.clone(), found);
        }
        if let Some(archive) = archive {
            fs::remove_file(&archive).map_err(|source| write_error(&archive, source))?;
        }
        Ok(lock)
    }

    /// Downloads the archive that has the files of an entry.
    fn bring_archive(
        &self,
        remote: &Remote,
        archive: &str,
        folder: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, FetchError> {
        let wanted = Wanted {
            remote,
            revision: &remote.revision,
            name: archive,
            url: self.client.wheel(remote, archive)?,
            bytes: None,
            sha256: remote.sha256.get(archive).map(String::as_str),
        };
        wanted.download(&self.client, folder, on_progress)?;
        Ok(folder.join(archive))
    }

    /// Keeps other processes from downloading the same entry. The file stays.
    fn guard(&self, name: &str) -> Result<File, FetchError> {
        let path = self.cache.guard(name);
        let file = fs::create_dir_all(folder_of(&path))
            .and_then(|()| File::create(&path))
            .map_err(|source| write_error(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(FetchError::Busy {
                name: name.to_owned(),
            }),
            Err(fs::TryLockError::Error(source)) => Err(write_error(&path, source)),
        }
    }
}
