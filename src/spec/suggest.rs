//! The name that somebody probably meant.

use std::{fs, path::Path};

use crate::settings::spelled;

/// The candidate nearest to `word`, if one is near enough for `word` to be a typo of it.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(name) = spelled(word, candidates.iter().copied()) {
        return Some(name);
    }
    // `ES*` without its star would be another reward.
    let folded = word
        .to_lowercase()
        .replace('*', "_star")
        .replace('+', "_plus");
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(&folded, candidate);
            let similarity = strsim::jaro_winkler(&folded, candidate);
            let longest = folded.chars().count().max(candidate.chars().count());
            // `warmup` for `warmup_steps`.
            let is_beginning = word.len() > 2 && candidate.starts_with(&folded);
            // Every letter is one change away from every other.
            let is_typo = distance <= 1.max(longest / 3) && distance < longest;
            let is_near = is_typo || similarity > 0.9 || is_beginning;
            is_near.then_some((distance, similarity, candidate))
        })
        .min_by(|one, other| one.0.cmp(&other.0).then(other.1.total_cmp(&one.1)))
        .map(|(_, _, candidate)| candidate)
}

/// Another file in the same folder with an ending and nearly the name of `path`.
pub(super) fn similar_file(path: &Path, ending: &str) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let names: Vec<String> = fs::read_dir(folder.unwrap_or(Path::new(".")))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name != wanted && Path::new(name).extension().is_some_and(|it| it == ending))
        .collect();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_found_and_other_words_are_not() {
        let names = ["sft", "grpo", "dapo"];

        assert_eq!(nearest("grppo", names), Some("grpo"));
        assert_eq!(nearest("GRPO", names), Some("grpo"));
        assert_eq!(nearest("dpao", names), Some("dapo"));
        assert_eq!(
            nearest("warmup", ["peak", "warmup_steps"]),
            Some("warmup_steps")
        );
        assert_eq!(nearest("reinforce", names), None);
        assert_eq!(nearest("", []), None);
        for nothing in ["", " ", "E", "ü"] {
            assert_eq!(nearest(nothing, ["r"]), None, "{nothing}");
        }
        assert_eq!(nearest("R", ["r"]), Some("r"));
        // The paper's own name for a reward must not suggest another reward.
        let rewards = ["em", "es", "em_star", "es_star"];
        for (word, name) in [("ES*", "es_star"), ("ESS*", "es_star"), ("ess", "es")] {
            assert_eq!(nearest(word, rewards), Some(name), "{word}");
        }
    }
}
