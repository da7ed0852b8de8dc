//! Prompts and completions in parts of a few hundred kilobytes, so that a page parses only what it shows.
//!
//! A report embeds its parts while they are small. Beyond that, all of them are scripts in a folder next
//! to the page, because a page that is opened from disk may not read other files.

use std::{fs, io, mem, path::PathBuf};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    disk::DiskError,
    report::{ReportError, write},
};

use super::page::part_script;

/// A part is closed when it has more bytes than this.
const PART: usize = 256 << 10;

/// The most bytes of all parts that are embedded: with its escapes, a page stays below 20 MB.
const EMBEDDED: usize = 12 << 20;

/// Where in the parts a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) part: usize,
    pub(super) place: usize,
}

/// The parts of a report, first to last.
#[derive(Debug)]
pub(super) struct Parts {
    folder: PathBuf,
    open: Part,
    /// The bytes of all closed parts.
    bytes: usize,
    /// How many parts are closed.
    closed: usize,
    /// The closed parts, while they are embedded; nothing once they go to files.
    embedded: Option<Vec<String>>,
    most: usize,
}

#[derive(Debug, Default, Serialize)]
struct Part {
    tasks: Vec<Box<RawValue>>,
    steps: Vec<Box<RawValue>>,
    #[serde(skip)]
    bytes: usize,
}

impl Parts {
    /// No parts yet; a large report writes them into `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: Part::default(),
            bytes: 0,
            closed: 0,
            embedded: Some(Vec::new()),
            most: EMBEDDED,
        }
    }

    /// Adds the texts of a task.
    pub(super) fn add_task(&mut self, task: &impl Serialize) -> Result<Place, ReportError> {
        self.add(task, |part| &mut part.tasks)
    }

    /// Adds the completions of a step of a training.
    pub(super) fn add_step(&mut self, step: &impl Serialize) -> Result<Place, ReportError> {
        self.add(step, |part| &mut part.steps)
    }

    fn add(
        &mut self,
        thing: &impl Serialize,
        list: fn(&mut Part) -> &mut Vec<Box<RawValue>>,
    ) -> Result<Place, ReportError> {
        let raw = to_raw_value(thing).map_err(DiskError::damaged(&self.folder))?;
        self.open.bytes += raw.get().len();
        let list = list(&mut self.open);
        list.push(raw);
        let place = Place {
            part: self.closed,
            place: list.len() - 1,
        };
        if self.open.bytes > PART {
            self.close()?;
        }
        Ok(place)
    }

    fn close(&mut self) -> Result<(), ReportError> {
        let part = mem::take(&mut self.open);
        let json = serde_json::to_string(&part).map_err(DiskError::damaged(&self.folder))?;
        let number = self.closed;
        self.closed += 1;
        self.bytes += json.len();
        match &mut self.embedded {
            Some(parts) if self.bytes <= self.most => parts.push(json),
            Some(parts) => {
                let parts = mem::take(parts);
                self.embedded = None;
                self.empty_folder()?;
                for (number, json) in parts.iter().chain([&json]).enumerate() {
                    self.write(number, json)?;
                }
            }
            None => self.write(number, &json)?,
        }
        Ok(())
    }

    fn write(&self, number: usize, json: &str) -> Result<(), ReportError> {
        let file = format!("part-{number:04}.js");
        write(&self.folder.join(file), &part_script(number, json))
    }

    /// Removes the parts of an earlier report, and makes the folder.
    fn empty_folder(&self) -> Result<(), ReportError> {
        self.remove_folder()?;
        fs::create_dir_all(&self.folder).map_err(|source| ReportError::MakeFolder {
            path: self.folder.clone(),
            source,
        })
    }

    fn remove_folder(&self) -> Result<(), ReportError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::write(&self.folder)(error).into())
            }
            _ => Ok(()),
        }
    }

    /// The parts to embed; none if they are in files.
    pub(super) fn finish(mut self) -> Result<Vec<String>, ReportError> {
        if self.open.bytes > 0 {
            self.close()?;
        }
        if self.embedded.is_some() {
            self.remove_folder()?;
        }
        Ok(self.embedded.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parts(folder: &std::path::Path, most: usize) -> Parts {
        Parts {
            most,
            ..Parts::new(folder.join("report"))
        }
    }

    /// Three tasks that each fill a part, and a step.
    fn add(parts: &mut Parts) -> Vec<Place> {
        let text = "x".repeat(PART);
        let mut places: Vec<Place> = (0..3)
            .map(|number| parts.add_task(&json!([number, text])).unwrap())
            .collect();
        places.push(parts.add_step(&json!("a step")).unwrap());
        places
    }

    #[test]
    fn a_small_report_embeds_its_parts_and_a_large_one_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(folder.path().join("report")).map(Iterator::count);

        let mut large = parts(folder.path(), 2 * PART);
        let places = add(&mut large);
        // By hand: a task fills a part, and the step begins the fourth.
        let numbers: Vec<usize> = places.iter().map(|place| place.part).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!(large.finish().unwrap(), [""; 0]);
        assert_eq!(files().unwrap(), 4);
        let last = fs::read_to_string(folder.path().join("report/part-0003.js")).unwrap();
        assert!(last.contains("a step"), "{last}");

        let mut small = parts(folder.path(), 9 * PART);
        assert_eq!(add(&mut small), places);
        let embedded = small.finish().unwrap();
        assert_eq!(embedded.len(), 4);
        assert_eq!(embedded[3], r#"{"tasks":[],"steps":["a step"]}"#);
        // The files of the large one are gone.
        assert!(files().is_err());
    }
}
