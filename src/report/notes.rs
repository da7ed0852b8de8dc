//! Footnotes: equal texts share a number.

/// The notes of a table, numbered from 1 in the order in which cells ask for them.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> usize {
        let place = self
            .0
            .iter()
            .position(|note| note == text)
            .unwrap_or_else(|| {
                self.0.push(text.to_owned());
                self.0.len() - 1
            });
        place + 1
    }

    /// All texts, by number.
    pub(super) fn texts(self) -> Vec<String> {
        self.0
    }
}
