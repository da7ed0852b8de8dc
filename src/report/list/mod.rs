//! Lists for people's own statistics, each one file: all jobs, and all samples.

mod runs;
mod tasks;

use crate::{plan::Plan, results::Store};

use super::{gather, sheet::Sheet};

/// The results that a list is made of.
pub(super) struct Results<'a> {
    pub(super) plan: &'a Plan,
    pub(super) store: &'a Store,
    pub(super) sheet: Sheet,
}

impl<'a> Results<'a> {
    pub(super) fn read(plan: &'a Plan, store: &'a Store) -> Self {
        let sheet = gather::gather(plan, store);
        Self { plan, store, sheet }
    }
}

/// A list's file, and the list.
pub(super) type List = (&'static str, fn(&Results<'_>) -> String);

/// All lists; each becomes a file in the folder of the table.
pub(super) const ALL: &[List] = &[("runs.csv", runs::runs), ("tasks.csv", tasks::tasks)];

/// Lines of fields as CSV; all lines have as many fields as the first.
fn csv(lines: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        let written = writer.write_record(line);
        written.expect("a vector takes all bytes, and all records are of one length");
    }
    let bytes = writer.into_inner().expect("a vector takes all bytes");
    String::from_utf8(bytes).expect("the fields are UTF-8")
}
