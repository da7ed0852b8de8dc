//! The progress of `recode fetch`.

use std::time::Duration;

use indicatif::HumanBytes;

use super::meter::Meter;
use crate::{cli::output, data::Progress};

/// The least time between two lines about a file.
const PAUSE: Duration = Duration::from_mins(1);

pub(super) const TEMPLATE: &str =
    "{msg}  [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  left {eta}";

/// Shows how much of a file is downloaded; a line says when the file is complete.
#[derive(Default)]
pub(in crate::cli) struct DownloadProgress {
    meter: Option<Meter>,
    file: String,
    received: u64,
    total: Option<u64>,
}

impl DownloadProgress {
    /// Shows an event of a download.
    pub(in crate::cli) fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Started { file, at, of } => self.start(file, at, of),
            Progress::Received { bytes } => {
                self.received += bytes;
                let (file, received, total) = (&self.file, self.received, self.total);
                if let Some(meter) = &mut self.meter {
                    meter.show(received, file, || line("goes on", file, received, total));
                }
            }
            Progress::Finished { .. } => {
                if let Some(meter) = self.meter.take() {
                    meter.finish();
                }
                self.print("done");
            }
        }
    }

    fn start(&mut self, file: &str, at: u64, of: Option<u64>) {
        file.clone_into(&mut self.file);
        (self.received, self.total) = (at, of);
        let meter = Meter::new(TEMPLATE, at, of, PAUSE);
        if meter.prints_lines() {
            self.print(if at > 0 { "continues" } else { "starts" });
        }
        self.meter = Some(meter);
    }

    fn print(&self, what: &str) {
        output::error_line(&line(what, &self.file, self.received, self.total));
    }
}

fn line(what: &str, file: &str, received: u64, total: Option<u64>) -> String {
    let of = total.map_or_else(String::new, |total| format!(" of {}", HumanBytes(total)));
    format!("{what}  {file}  {}{of}", HumanBytes(received))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_of_a_file_is_there() {
        // By hand: 2^20 bytes are 1 MiB.
        let (received, total) = (1 << 20, Some(3 << 20));
        assert_eq!(
            line("goes on", "model.safetensors", received, total),
            "goes on  model.safetensors  1.00 MiB of 3.00 MiB"
        );
        assert_eq!(line("done", "x", received, None), "done  x  1.00 MiB");
    }
}
