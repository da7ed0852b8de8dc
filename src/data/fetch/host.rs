//! The places to download from: their addresses, their lists of files, their answers.

use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use serde::Deserialize;
use ureq::{Agent, Body, http::Response};

use super::{
    error::FetchError,
    hub_cache,
    listing::{Announced, Listing, is_usable},
    package_index,
};
use crate::data::{
    Kind,
    manifest::{Entry, Host, Remote},
    pattern::matches,
};

/// The addresses of the hosts, and the user's token.
#[derive(Clone)]
pub struct Endpoints {
    /// The Hugging Face hub, without a slash at the end.
    pub hub: String,
    /// GitHub's pages: files of releases.
    pub github: String,
    /// GitHub's host of raw files.
    pub github_raw: String,
    /// The index of Python packages, without a slash at the end.
    pub pypi: String,
    /// Sent to the hub only.
    pub hub_token: Option<String>,
    /// The folder of the hub's own programs, which is read before anything is downloaded.
    pub hub_cache: Option<PathBuf>,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.hub_token.as_ref().map(|_| "(hidden)");
        formatter
            .debug_struct("Endpoints")
            .field("hub", &self.hub)
            .field("github", &self.github)
            .field("github_raw", &self.github_raw)
            .field("pypi", &host_of(&self.pypi))
            .field("hub_token", &token)
            .field("hub_cache", &self.hub_cache)
            .finish()
    }
}

impl Endpoints {
    /// The public hosts; `HF_ENDPOINT` names another hub, `HF_TOKEN` an account of it, `HF_HOME` or
    /// `HF_HUB_CACHE` the folder of the hub's own programs, `PIP_INDEX_URL` another index of packages.
    pub fn from_environment() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let hub = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let pypi = variable("PIP_INDEX_URL");
        let pypi = pypi.unwrap_or_else(|| "https://pypi.org/simple".to_owned());
        Self {
            pypi: pypi.trim().trim_end_matches('/').to_owned(),
            hub: hub.trim_end_matches('/').to_owned(),
            github: "https://github.com".to_owned(),
            github_raw: "https://raw.githubusercontent.com".to_owned(),
            hub_token: variable("HF_TOKEN").map(|token| token.trim().to_owned()),
            hub_cache: hub_cache::from_environment(),
        }
    }

    /// The address of a file at a revision.
    pub(super) fn file(&self, remote: &Remote, revision: &str, file: &str) -> String {
        let repository = &remote.repository;
        let (hub, github, raw) = (&self.hub, &self.github, &self.github_raw);
        let file = escaped(file);
        match remote.host {
            Host::HubModel => format!("{hub}/{repository}/resolve/{revision}/{file}"),
            Host::HubDataset => format!("{hub}/datasets/{repository}/resolve/{revision}/{file}"),
            Host::Github => format!("{raw}/{repository}/{revision}/{file}"),
            Host::GithubRelease => {
                format!("{github}/{repository}/releases/download/{revision}/{file}")
            }
            // The page that has the address.
            Host::Pypi => format!("{}/{repository}/", self.pypi),
        }
    }

    /// The address of the list of files, if the host has one.
    fn list(&self, remote: &Remote, revision: &str) -> Option<String> {
        let kind = match remote.host {
            Host::HubModel => "models",
            Host::HubDataset => "datasets",
            Host::Github | Host::GithubRelease | Host::Pypi => return None,
        };
        let (hub, repository) = (&self.hub, &remote.repository);
        Some(format!(
            "{hub}/api/{kind}/{repository}/revision/{revision}?blobs=true"
        ))
    }
}

/// A connection to the hosts.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    endpoints: Endpoints,
}

impl Client {
    pub(super) fn new(endpoints: Endpoints) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The bytes as they are on the host, since a resumed download counts them.
            .accept_encoding("identity")
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_mins(1)))
            .timeout_per_read(Some(Duration::from_mins(1)))
            .build();
        Self {
            agent: config.new_agent(),
            endpoints,
        }
    }

    /// The repository as another program has downloaded it.
    pub(super) fn other_download(&self, remote: &Remote) -> Option<hub_cache::Repository> {
        hub_cache::Repository::of(self.endpoints.hub_cache.as_deref(), remote)
    }

    /// The address of a file, for [`Client::get`].
    pub(super) fn file(&self, remote: &Remote, revision: &str, file: &str) -> String {
        self.endpoints.file(remote, revision, file)
    }

    /// The address of a wheel, as the index lists it.
    pub(super) fn wheel(&self, remote: &Remote, archive: &str) -> Result<String, FetchError> {
        let page = self.endpoints.file(remote, &remote.revision, archive);
        let html = self
            .get(remote, &page, 0)?
            .into_body()
            .read_to_string()
            .map_err(|source| FetchError::Listing {
                repository: remote.repository.clone(),
                source: Box::new(source),
            })?;
        package_index::link(&html, &page, archive).ok_or_else(|| FetchError::NoSuchFile {
            repository: remote.repository.clone(),
            pattern: archive.to_owned(),
        })
    }

    /// Requests `url` from byte `start` on; a status other than success or 416 is an error.
    pub(super) fn get(
        &self,
        remote: &Remote,
        url: &str,
        start: u64,
    ) -> Result<Response<Body>, FetchError> {
        let mut request = self.agent.get(url);
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        if let (Host::HubModel | Host::HubDataset, Some(token)) =
            (remote.host, &self.endpoints.hub_token)
        {
            // ureq drops it if the hub redirects to another host.
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|source| FetchError::Unreachable {
            host: host_of(url),
            source: Box::new(source),
        })?;
        match response.status().as_u16() {
            200..=299 | 416 => Ok(response),
            status @ (401 | 403) => Err(FetchError::Refused {
                host: host_of(url),
                repository: remote.repository.clone(),
                status,
                page: remote.page(),
            }),
            404 => Err(FetchError::NotFound { url: public(url) }),
            status => Err(FetchError::Status {
                url: public(url),
                status,
            }),
        }
    }

    /// The files of an entry at a revision.
    pub(super) fn list(&self, entry: &Entry, remote: &Remote, revision: &str) -> ListingResult {
        let Some(url) = self.endpoints.list(remote, revision) else {
            let files = remote
                .files
                .iter()
                .map(|name| (name.clone(), Announced::default()));
            return Ok(Listing {
                commit: None,
                files: files.collect(),
            });
        };
        let answer: HubAnswer =
            self.get(remote, &url, 0)?
                .into_body()
                .read_json()
                .map_err(|source| FetchError::Listing {
                    repository: remote.repository.clone(),
                    source: Box::new(source),
                })?;
        chosen(entry, remote, answer)
    }
}

type ListingResult = Result<Listing, FetchError>;

#[derive(Debug, Deserialize)]
struct HubAnswer {
    sha: Option<String>,
    siblings: Vec<HubFile>,
}

#[derive(Debug, Deserialize)]
struct HubFile {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<HubLargeFile>,
}

#[derive(Debug, Deserialize)]
struct HubLargeFile {
    sha256: Option<String>,
    size: Option<u64>,
}

/// The files of the hub's answer that the manifest wants.
fn chosen(entry: &Entry, remote: &Remote, answer: HubAnswer) -> ListingResult {
    let repository = || remote.repository.clone();
    for pattern in &remote.files {
        let names = || answer.siblings.iter().map(|file| file.rfilename.as_str());
        let found: Vec<&str> = names().filter(|name| matches(pattern, name)).collect();
        if found.is_empty() {
            let pattern = pattern.clone();
            return Err(FetchError::NoSuchFile {
                repository: repository(),
                pattern,
            });
        }
        if entry.kind() != Kind::Model && found.len() > 1 {
            let (pattern, found) = (pattern.clone(), found.join(", "));
            return Err(FetchError::SeveralFiles {
                repository: repository(),
                pattern,
                found,
            });
        }
    }
    let mut files = BTreeMap::new();
    let wanted: Vec<&String> = remote.files.iter().chain(&remote.optional).collect();
    for file in answer.siblings {
        if !wanted
            .iter()
            .any(|pattern| matches(pattern, &file.rfilename))
        {
            continue;
        }
        if !is_usable(&file.rfilename) {
            let file = file.rfilename;
            return Err(FetchError::UnusableName {
                repository: repository(),
                file,
            });
        }
        let (size, sha256) = file
            .lfs
            .map_or((None, None), |large| (large.size, large.sha256));
        files.insert(
            file.rfilename,
            Announced {
                bytes: size.or(file.size),
                sha256,
            },
        );
    }
    Ok(Listing {
        commit: answer.sha,
        files,
    })
}

/// The path with all special characters escaped, such as `%20`.
fn escaped(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// An address without the name and the password that may be in it.
fn public(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    format!("{scheme}://{}/{path}", host_of(url))
}

fn host_of(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    // A name and a password before it are nobody's business.
    host.rsplit('@').next().unwrap_or(host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_no_password() {
        assert_eq!(public("https://u:p@a.b/c/d/"), "https://a.b/c/d/");
        assert_eq!(public("https://a.b/c@d"), "https://a.b/c@d");
    }

    #[test]
    fn addresses_are_those_of_the_hosts() {
        // Oracle: the addresses that the sites show for a file.
        let endpoints = Endpoints {
            hub: "https://h".to_owned(),
            github: "https://g".to_owned(),
            github_raw: "https://r".to_owned(),
            pypi: "https://u:secret@p/simple".to_owned(),
            hub_token: Some("secret".to_owned()),
            hub_cache: None,
        };
        let address = |host| {
            let remote = Remote {
                host,
                repository: "o/n".to_owned(),
                revision: "main".to_owned(),
                files: Vec::new(),
                optional: Vec::new(),
                sha256: BTreeMap::new(),
                archive: None,
            };
            endpoints.file(&remote, "main", "d/a b")
        };

        assert_eq!(
            address(Host::HubModel),
            "https://h/o/n/resolve/main/d/a%20b"
        );
        assert_eq!(
            address(Host::HubDataset),
            "https://h/datasets/o/n/resolve/main/d/a%20b"
        );
        assert_eq!(address(Host::Github), "https://r/o/n/main/d/a%20b");
        assert_eq!(
            address(Host::GithubRelease),
            "https://g/o/n/releases/download/main/d/a%20b"
        );
        assert!(!format!("{endpoints:?}").contains("secret"));
    }
}
