//! The folder that programs write to, and `/dev/shm`.

use std::process::Command;

use serde::Deserialize;

use super::fixture::{pool, program};
use crate::sandbox::{Interpreter, Settings, Verdict, server::DRIVER};

#[test]
#[cfg(target_os = "linux")]
fn locks_values_and_thread_pools_of_multiprocessing_work() {
    let pool = pool(1);
    let source = "
import multiprocessing, multiprocessing.pool
lock, total = multiprocessing.Lock(), multiprocessing.Value('i', 0)
def add(number):
    with lock:
        total.value += number
    return number ** 2
with multiprocessing.pool.ThreadPool(4) as threads:
    assert threads.map(add, range(10)) == [number ** 2 for number in range(10)]
assert total.value == 45, total.value
";
    assert_eq!(pool.run(&program(source)).unwrap(), Verdict::Pass);
    let next = "import os\nassert os.listdir('.') == os.listdir('/dev/shm') == []";
    assert_eq!(pool.run(&program(next)).unwrap(), Verdict::Pass);
}

/// What a server reports, and what a program of it can do.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Seen {
    /// Why the safeguard is off.
    missing: Option<String>,
    detail: Option<String>,
    /// Whether the folder is one in memory.
    is_in_memory: bool,
    can_write: bool,
    /// Whether `/dev/shm` can be written, and is the same folder.
    shares: bool,
}

/// Applies the safeguards on a system that refuses some steps.
const PROTECT: &str = r#"
grant = call
def call(name, *arguments):
    number = arguments[0].value if name == "syscall" else None
    if eval(sys.argv[2]):
        raise Refused("refused by this test")
    return grant(name, *arguments)

states = enter_namespaces()
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(status != 0)
settings = {"scratch_bytes": 4 << 20, "memory_bytes": 1 << 20, "processes": 512, "server_filter": "", "program_filter": ""}
server = Server.__new__(Server)
server.scratch, server.limits = sys.argv[1], []
details = server.protect(settings, states)

def can_write(path):
    try:
        open(path, "w").close()
    except OSError:
        return False
    return True

own = os.path.join(server.scratch, "file")
seen = {
    "missing": states["scratch"], "detail": details.get("scratch"), "is_in_memory": server.scratch in SCRATCH_PLACES,
    "can_write": can_write(own), "shares": can_write("/dev/shm/file") and os.path.samefile("/dev/shm/file", own),
}
print(json.dumps(seen))
"#;

/// What is seen if the system refuses the calls for which `refused`, a condition in Python, is true.
fn seen(refused: &str) -> Seen {
    let interpreter = Interpreter::find(&Settings::default_interpreter()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let driver = DRIVER.strip_suffix("main()\n").unwrap();
    let output = Command::new(&interpreter.path)
        .args(["-s", "-B", "-c", &format!("{driver}{PROTECT}")])
        .args([folder.path().join("scratch").to_str().unwrap(), refused])
        .output()
        .unwrap();
    assert!(output.status.success(), "{refused}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Oracle: the kernel, which does all steps that the test does not refuse.
#[test]
#[cfg(target_os = "linux")]
fn a_refused_step_takes_nothing_else_away() {
    let off = Some("refused by this test".to_owned());
    let alone = "4 MiB in memory; without /dev/shm, which locks of multiprocessing need \
                 (refused by this test)";
    let both = "4 MiB in memory";
    let attributes = "number == SYS_MOUNT_SETATTR and arguments[2] ==";
    let cases = [
        ("False".to_owned(), None, Some(both), [true, true, true]),
        (
            "name == 'mount' and arguments[3] & MS_BIND".to_owned(),
            None,
            Some(alone),
            [true, true, false],
        ),
        (
            format!("{attributes} b'/dev/shm'"),
            None,
            Some(alone),
            [true, true, false],
        ),
        (
            format!("{attributes} b'/'"),
            off.clone(),
            Some(both),
            [true, true, true],
        ),
        (
            "name == 'mount' and arguments[2] == b'tmpfs'".to_owned(),
            off.clone(),
            None,
            [false, true, false],
        ),
        (
            "name == 'mount' and arguments[3] & MS_PRIVATE".to_owned(),
            off,
            None,
            [false, true, false],
        ),
    ];
    for (refused, missing, detail, [is_in_memory, can_write, shares]) in cases {
        let expected = Seen {
            missing,
            detail: detail.map(str::to_owned),
            is_in_memory,
            can_write,
            shares,
        };
        assert_eq!(seen(&refused), expected, "{refused}");
    }
}
