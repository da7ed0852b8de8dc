//! Lines on a terminal that are redrawn in place.

/// The lines above the cursor.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// The lines that are shown.
    lines: Vec<String>,
}

impl Screen {
    /// The text that replaces the lines shown before by `lines`.
    pub(super) fn frame(&mut self, lines: Vec<String>) -> String {
        if lines == self.lines {
            return String::new();
        }
        let up = match self.lines.len() {
            0 => String::new(),
            height => format!("\x1b[{height}A"),
        };
        let rows: String = lines
            .iter()
            .flat_map(|line| ["\r\x1b[2K", line, "\n"])
            .collect();
        self.lines = lines;
        // Wrapping is off while drawing, so that the terminal cuts lines at its width.
        format!("\x1b[?7l{up}{rows}\x1b[J\x1b[?7h")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_replaces_the_one_before() {
        // Oracle: ECMA-48 (A: up, 2K: clear the line, J: clear what is below), and DEC's mode 7.
        let mut screen = Screen::default();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();

        assert_eq!(
            screen.frame(lines("a\nb")),
            "\x1b[?7l\r\x1b[2Ka\n\r\x1b[2Kb\n\x1b[J\x1b[?7h"
        );
        assert_eq!(screen.frame(lines("a\nb")), "");
        assert_eq!(
            screen.frame(lines("c")),
            "\x1b[?7l\x1b[2A\r\x1b[2Kc\n\x1b[J\x1b[?7h"
        );
    }
}
