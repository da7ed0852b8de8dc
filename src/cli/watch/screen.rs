//! Lines on a terminal that are drawn over.

/// A picture of lines above the cursor.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// What stands there.
    lines: Vec<String>,
}

impl Screen {
    /// What to write so that `lines` stand in place of the picture before.
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
        // The terminal does not wrap meanwhile: it cuts lines at its own width.
        format!("\x1b[?7l{up}{rows}\x1b[J\x1b[?7h")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_drawn_over_the_one_before() {
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
