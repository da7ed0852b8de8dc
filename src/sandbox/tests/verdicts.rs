//! Each way in which a program can end has its verdict.

use std::time::Duration;

use super::fixture::{pool, program};
use crate::sandbox::{Program, Verdict};

#[test]
fn each_way_to_end_has_its_verdict() {
    let pool = pool(1);
    let cases = [
        ("assert 1 + 1 == 2", "pass"),
        ("assert 1 + 1 == 3", "assertion"),
        ("{}['key']", "error"),
        ("def f(:", "error"),
        ("raise SystemExit(0)", "error"),
        ("import os; os._exit(0)", "died"),
        ("import ctypes; ctypes.string_at(0)", "died"),
        ("assert __name__ == 'builtins'", "pass"),
    ];
    for (source, expected) in cases {
        let verdict = pool.run(&program(source)).unwrap();
        assert_eq!(verdict.name(), expected, "{source}: {verdict:?}");
    }
}

#[test]
fn a_program_of_megabytes_is_read_whole() {
    let source = format!(
        "text = '{}'\nassert len(text) == 3_000_000",
        "x".repeat(3_000_000)
    );
    assert_eq!(pool(1).run(&program(&source)).unwrap(), Verdict::Pass);
}

#[test]
fn a_flood_of_words_is_no_message_and_ends_the_program() {
    let pool = pool(1);
    let flood = "import os
while True:
    for number in range(3, 64):
        try:
            os.write(number, b'P' * 4096)
        except OSError:
            pass";

    let flood = Program {
        timeout: Duration::from_millis(300),
        ..program(flood)
    };
    assert_eq!(pool.run(&flood).unwrap(), Verdict::Forged);
    assert_eq!(pool.run(&program("pass")).unwrap(), Verdict::Pass);
}

#[test]
fn no_jump_in_the_frame_above_is_a_pass() {
    let pool = pool(1);
    let traced = "import ctypes, sys
above, jumps = sys._getframe().f_back, []
def jump(_, frame, what, argument):
    if frame is above and what == 2 and not jumps:
        jumps.append(1)
        frame.f_lineno += DELTA
    return 0
function = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.py_object, ctypes.c_int, ctypes.c_void_p)
hook = function(jump)
above.f_trace = jump
__builtins__['kept'] = hook
ctypes.pythonapi.PyEval_SetTrace(hook, None)
assert False";
    let monitored = "import sys
above, jumps = sys._getframe().f_back, []
def jump(code, number):
    frame = sys._getframe(1)
    if frame is above and not jumps:
        jumps.append(1)
        frame.f_lineno += DELTA
monitoring = sys.monitoring
monitoring.use_tool_id(4, 'x')
monitoring.register_callback(4, monitoring.events.LINE, jump)
monitoring.set_events(4, monitoring.events.LINE)
assert False";
    for source in [traced, monitored] {
        for delta in (-4..=12).filter(|delta| *delta != 0) {
            let program = Program {
                timeout: Duration::from_secs(2),
                ..program(&source.replace("DELTA", &delta.to_string()))
            };
            let verdict = pool.run(&program).unwrap();
            assert!(!verdict.is_pass(), "{delta}: {source}");
        }
    }
}

#[test]
fn programs_of_asyncio_run() {
    let source = "import asyncio, threading
async def double(number):
    await asyncio.sleep(0.001 * number)
    return 2 * number
async def main():
    loop = asyncio.get_running_loop()
    assert await asyncio.gather(*map(double, range(5))) == [0, 2, 4, 6, 8]
    assert await loop.run_in_executor(None, lambda: 7) == 7
    woken = asyncio.Event()
    threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set,)).start()
    await asyncio.wait_for(woken.wait(), 5)
    try:
        await asyncio.wait_for(asyncio.sleep(9), 0.01)
    except asyncio.TimeoutError:
        return 'late'
assert asyncio.run(main()) == 'late'";

    assert_eq!(pool(1).run(&program(source)).unwrap(), Verdict::Pass);
}

#[test]
fn a_program_may_start_threads_and_runs_in_the_main_one() {
    let source = "import os, signal, threading
native = []
thread = threading.Thread(target=lambda: native.append(threading.get_native_id()))
thread.start()
thread.join()
assert native[0] != threading.get_native_id() == os.getpid()
assert threading.current_thread() is threading.main_thread()
signal.signal(signal.SIGALRM, signal.SIG_DFL)";

    assert_eq!(pool(1).run(&program(source)).unwrap(), Verdict::Pass);
}
