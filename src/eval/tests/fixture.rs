//! Helpers of the tests of evaluation.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde::de::DeserializeOwned;

use crate::sandbox::{Pool, Settings};

/// A pool of one worker.
pub(in crate::eval) fn pool() -> Pool {
    let settings = Settings {
        workers: 1,
        ..Settings::default()
    };
    Pool::start(&settings).unwrap()
}

/// A file of the conformance data.
pub(super) fn shared(name: &str) -> PathBuf {
    let folder = std::env::var_os("RECODE_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(
        path.exists(),
        "no {}: set RECODE_SHARED to the conformance data",
        path.display()
    );
    path
}

/// A recorded file of JSON.
pub(super) fn golden<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(shared(name)).unwrap()).unwrap()
}

/// Does `work` for each item on as many threads as the pool has workers; the results are in order.
pub(super) fn in_parallel<T: Sync, R: Send>(
    pool: &Pool,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..pool.workers() {
            scope.spawn(|| {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(position) else {
                        break;
                    };
                    let result = work(item);
                    results.lock().unwrap().insert(position, result);
                }
            });
        }
    });
    results.into_inner().unwrap().into_values().collect()
}
