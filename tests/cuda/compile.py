"""Compiles CUDA texts without a GPU and compares what they take with their budgets.

Usage: compile.py FOLDER, where each `*.cu` of the folder is a whole text. `just check-cuda` runs it by way
of a test. For each text and architecture it prints registers, bytes spilled and shared memory, and it
fails if one is beyond the text's budget, a comment such as
`budget BLOCKS=1 registers=128 spilled=0 shared=17408`, which is for texts with `#define BLOCKS 1`.
"""

import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile

ARCHITECTURES = ["sm_80", "sm_90a", "sm_100"]
LIMITS = ["registers", "spilled", "shared"]


def toolkit():
    found = list(pathlib.Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu13"))
    if not found:
        raise SystemExit("no CUDA 13 in this environment; `tests/cuda/install.sh` installs it")
    return found[0]


class Nvrtc:
    def __init__(self, folder):
        # The compiler opens this library by its name alone.
        for name in ["libnvrtc-builtins.so.13.0", "libnvrtc.so.13"]:
            self.library = ctypes.CDLL(str(folder / "lib" / name), mode=ctypes.RTLD_GLOBAL)
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.version = f"{major.value}.{minor.value}"

    def text_of(self, program, kind):
        size = ctypes.c_size_t()
        getattr(self.library, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(self.library, f"nvrtcGet{kind}")(program, buffer)
        return buffer.raw.rstrip(b"\0")

    def ptx(self, name, text, architecture):
        """PTX, compiled with the options that CubeCL passes, and the compiler's log."""
        program = ctypes.c_void_p()
        made = self.library.nvrtcCreateProgram(
            ctypes.byref(program), text.encode(), name.encode(), 0, None, None)
        if made != 0:
            raise SystemExit(f"NVRTC error {made}")
        options = [f"--gpu-architecture={architecture}".encode(), b"-lineinfo"]
        code = self.library.nvrtcCompileProgram(
            program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = self.text_of(program, "ProgramLog").decode()
        ptx = self.text_of(program, "PTX") if code == 0 else None
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        return ptx, log


def taken(ptxas, ptx, architecture):
    with tempfile.NamedTemporaryFile(suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        done = subprocess.run([ptxas, "-v", f"--gpu-name={architecture}", file.name, "-o", "/dev/null"],
                              capture_output=True, text=True)
    if done.returncode != 0:
        return None, done.stderr
    said = done.stderr
    number = lambda pattern: sum(int(found) for found in re.findall(pattern, said))  # noqa: E731
    registers = number(r"Used (\d+) registers")
    if registers == 0:
        return None, f"ptxas did not report registers: {said}"
    return {"registers": registers, "shared": number(r"(\d+) bytes smem"),
            "spilled": number(r"(\d+) bytes spill")}, said


def budget(text):
    """The line of the text whose conditions hold, by name."""
    constants = dict(re.findall(r"^#define (\w+) (\w+)$", text, re.MULTILINE))
    for line in re.findall(r"^//\s+budget (.+)$", text, re.MULTILINE):
        words = dict(word.split("=") for word in line.split())
        conditions = {name: value for name, value in words.items() if name not in LIMITS}
        if all(constants.get(name) == value for name, value in conditions.items()):
            return {name: int(words[name]) for name in LIMITS}
    return None


def main():
    texts = sorted(pathlib.Path(sys.argv[1]).glob("*.cu"))
    if not texts:
        raise SystemExit(f"no text in {sys.argv[1]}")
    folder = toolkit()
    compiler = Nvrtc(folder)
    print(f"NVRTC {compiler.version}; budgets in brackets")
    failures = 0
    for path in texts:
        text = path.read_text()
        limits = budget(text)
        if limits is None:
            raise SystemExit(f"{path.stem} has no budget")
        for architecture in ARCHITECTURES:
            ptx, log = compiler.ptx(path.name, text, architecture)
            found, said = (None, log) if ptx is None else taken(folder / "bin/ptxas", ptx, architecture)
            if found is None or log.strip():
                failures += 1
                print(f"{path.stem:<18}{architecture:<8}FAILED\n{log or said}", flush=True)
                continue
            over = [name for name in LIMITS if found[name] > limits[name]]
            failures += bool(over)
            each = ", ".join(f"{found[name]} {name} [{limits[name]}]" for name in LIMITS)
            print(f"{path.stem:<18}{architecture:<8}{each}" + (f"  OVER BUDGET: {over}" if over else ""),
                  flush=True)
    print(f"{len(texts)} texts for {len(ARCHITECTURES)} architectures, {failures} failed")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
