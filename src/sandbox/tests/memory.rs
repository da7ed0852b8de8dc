//! One bound holds for all memory of a program.

use super::fixture::program;
use crate::sandbox::{Pool, Settings, Verdict};

/// Fills all memory that it gets: private, shared, of devices, of files and of the stack; returns how much it was.
const FILL: &str = "
import ctypes, mmap, os, resource
kept, sizes, part = [], {}, 1 << 23
def fill(name, make):
    try:
        while True:
            memory = make()
            ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 1, len(memory))
            kept.append(memory)
            sizes[name] = sizes.get(name, 0) + part
    except (OSError, ValueError, AttributeError):
        pass
def file():
    folder = ('.', '/dev/shm')[len(kept) % 2]
    descriptor = os.open(f'{folder}/file{len(kept)}', os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(descriptor, 0, part)
    return mmap.mmap(descriptor, part, flags=mmap.MAP_SHARED)
def zero():
    return mmap.mmap(os.open('/dev/zero', os.O_RDWR), part, flags=mmap.MAP_SHARED)
def named():
    descriptor = os.memfd_create('name')
    os.ftruncate(descriptor, part)
    return mmap.mmap(descriptor, part, flags=mmap.MAP_SHARED)
def descriptors():
    resource.setrlimit(resource.RLIMIT_STACK, (resource.getrlimit(resource.RLIMIT_STACK)[1],) * 2)
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    sizes['stack'] = stack
descriptors()
fill('files', file)
fill('shared', lambda: mmap.mmap(-1, part, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
fill('device', zero)
fill('named', named)
fill('private', lambda: mmap.mmap(-1, part, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
";

#[test]
#[cfg(target_os = "linux")]
fn all_memory_of_a_program_together_has_one_bound() {
    let settings = Settings {
        workers: 1,
        memory_bytes: 512 << 20,
        ..Settings::default()
    };
    let pool = Pool::start(&settings).unwrap();
    // By hand: of 512 MiB, 64 are for files and 64 for the stack, which leaves 384.
    let check = "
total = sum(sizes.values())
assert total <= 512 << 20, sizes
assert total > 400 << 20, sizes
assert sizes['stack'] == 64 << 20 and 32 << 20 < sizes['files'] <= 64 << 20, sizes
assert set(sizes) == {'stack', 'files', 'private'}, sizes
";
    let verdict = pool.run(&program(&format!("{FILL}{check}"))).unwrap();
    assert_eq!(verdict, Verdict::Pass);
}
