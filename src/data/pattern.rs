//! Patterns of file names in the manifest.

/// Whether `name` has the form of `pattern`, in which `*` matches any characters.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pattern.split('*').skip(1).last() else {
        return rest.is_empty();
    };
    let between = pattern.matches('*').count().saturating_sub(1);
    for part in parts.take(between) {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_characters() {
        for (pattern, name, expected) in [
            ("a.json", "a.json", true),
            ("a.json", "a.jsonl", false),
            ("*.json", "b.json", true),
            ("*.json", "b.jsonl", false),
            ("a*", "a", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
