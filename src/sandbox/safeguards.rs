//! The protections of this system from the programs.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// All protections, and why some are off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Safeguards(Vec<Safeguard>);

/// One protection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Safeguard {
    /// A stable name.
    pub name: String,
    /// What it prevents.
    pub purpose: String,
    /// Why it is off; nothing if it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// How it works on this system, where there is more than one way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Each protection of the driver, and what it prevents.
const PURPOSES: &[(&str, &str)] = &[
    (
        "user_namespace",
        "programs have no rights on this system, even if you are root",
    ),
    (
        "namespaces",
        "programs see no network, no process and no memory but their own",
    ),
    (
        "scratch",
        "files that programs write vanish with them and cannot fill a disk",
    ),
    (
        "files",
        "programs read nothing but Python itself (Landlock)",
    ),
    (
        "system_calls",
        "programs cannot start processes, connect or send signals (seccomp)",
    ),
    (
        "limits",
        "programs get so much memory and no more, and the judge survives them",
    ),
];

impl Safeguards {
    /// Reads the driver's report: why each protection is off, or nothing, and how some of them work.
    pub(super) fn of_report(
        report: &BTreeMap<String, Option<String>>,
        details: &BTreeMap<String, String>,
    ) -> Self {
        let state = |name: &str| match report.get(name) {
            Some(missing) => missing.clone(),
            None => Some("not reported".to_owned()),
        };
        Self(
            PURPOSES
                .iter()
                .map(|(name, purpose)| Safeguard {
                    name: (*name).to_owned(),
                    purpose: (*purpose).to_owned(),
                    missing: state(name),
                    detail: details.get(*name).cloned(),
                })
                .collect(),
        )
    }

    /// All of them, in a fixed order.
    pub fn all(&self) -> &[Safeguard] {
        &self.0
    }

    /// Those that are off.
    pub fn missing(&self) -> impl Iterator<Item = &Safeguard> {
        self.0
            .iter()
            .filter(|safeguard| safeguard.missing.is_some())
    }

    /// Whether all of them are on.
    pub fn is_complete(&self) -> bool {
        self.missing().next().is_none()
    }
}

impl fmt::Display for Safeguards {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for safeguard in self.missing() {
            let reason = safeguard.missing.as_deref().unwrap_or_default();
            write!(
                formatter,
                "{separator}`{}` is off ({reason})",
                safeguard.name
            )?;
            separator = ", ";
        }
        if separator.is_empty() {
            formatter.write_str("all safeguards are on")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_that_is_not_reported_counts_as_missing() {
        let report = BTreeMap::from([
            ("user_namespace".to_owned(), None),
            ("namespaces".to_owned(), None),
            ("scratch".to_owned(), None),
            ("files".to_owned(), Some("landlock: not there".to_owned())),
            ("limits".to_owned(), None),
        ]);

        let safeguards = Safeguards::of_report(&report, &BTreeMap::new());

        assert!(!safeguards.is_complete());
        assert_eq!(
            safeguards.to_string(),
            "`files` is off (landlock: not there), `system_calls` is off (not reported)"
        );
    }
}
