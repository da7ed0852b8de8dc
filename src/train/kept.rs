//! What a training has measured of its rows before the first step, kept next to its checkpoints.

use std::{io, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    digest::Digest,
    disk::{
        atomic::{self, Flush},
        folders,
    },
};

/// Figures of the first rows or of all.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<T> {
    /// The training that they were measured for.
    identity: Digest,
    /// The figures of each row; earlier versions kept pass rates only.
    #[serde(alias = "pass_rates")]
    rows: Vec<T>,
}

/// What an earlier start of the same training has measured; nothing if the file is of another training or
/// cannot be read.
pub(super) fn read<T: DeserializeOwned>(file: &Path, identity: &Digest) -> Vec<T> {
    let kept = std::fs::read(file).ok();
    let kept = kept.and_then(|bytes| serde_json::from_slice::<Kept<T>>(&bytes).ok());
    let own = kept.filter(|kept| kept.identity == *identity);
    own.map(|kept| kept.rows).unwrap_or_default()
}

/// Keeps the figures for the next start of the same training.
pub(super) fn keep<T: Serialize>(
    file: &Path,
    identity: &Digest,
    rows: Vec<T>,
) -> io::Result<Vec<T>> {
    let kept = Kept {
        identity: identity.clone(),
        rows,
    };
    if let Some(folder) = file.parent() {
        folders::create(folder)?;
    }
    let text = serde_json::to_vec(&kept).map_err(io::Error::other)?;
    atomic::write(file, &text, Flush::Now)?;
    Ok(kept.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_same_training() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkpoints/figures.json");
        let (one, other) = (Digest::of_bytes(b"1"), Digest::of_bytes(b"2"));
        assert_eq!(read::<f64>(&file, &one), [0.0; 0]);
        // 0.1 + 0.2 has 17 digits: what is kept is the same number.
        keep(&file, &one, vec![0.1 + 0.2, 1.0]).unwrap();
        assert_eq!(read::<f64>(&file, &one), [0.1 + 0.2, 1.0]);
        assert_eq!(read::<f64>(&file, &other), [0.0; 0]);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(read::<f64>(&file, &one), [0.0; 0]);
    }

    #[test]
    fn pass_rates_of_earlier_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pass_rates.json");
        let one = Digest::of_bytes(b"1");
        let text = format!("{{\"identity\": \"{one}\", \"pass_rates\": [0.25]}}");
        std::fs::write(&file, text).unwrap();
        assert_eq!(read::<f64>(&file, &one), [0.25]);
    }
}
