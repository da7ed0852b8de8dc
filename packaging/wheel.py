#!/usr/bin/env python3
"""Makes a wheel that holds the program, its manual pages and the completions of shells.

    wheel.py PROGRAM FOLDER [--newest-glibc 2.28]

`pip install` puts the program into the `bin` folder of the environment, the pages into `share/man/man1`, and the
completions where bash, zsh and fish look for them. The tag of the platform says which glibc the program needs, as its
own symbols have it; with `--newest-glibc`, a program that needs a newer one is an error. The same program gives the
same bytes. It needs Python 3.9, and nothing else.
"""

import argparse
import base64
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import elf  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPLETIONS = {
    "bash": "share/bash-completion/completions/recode",
    "zsh": "share/zsh/site-functions/_recode",
    "fish": "share/fish/vendor_completions.d/recode.fish",
}
METADATA = """\
Metadata-Version: 2.4
Name: recode
Version: {version}
Summary: {description}
License-Expression: {license}
License-File: LICENSE-APACHE
License-File: LICENSE-MIT
Classifier: Environment :: Console
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: Rust
Classifier: Topic :: Scientific/Engineering :: Artificial Intelligence
Requires-Python: >=3.9
Description-Content-Type: text/markdown

{readme}"""
WHEEL = """\
Wheel-Version: 1.0
Generator: recode packaging/wheel.py
Root-Is-Purelib: false
Tag: py3-none-{platform}
"""


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout


def of_manifest(key):
    """A text of the section `[package]` of Cargo.toml."""
    text = (ROOT / "Cargo.toml").read_text().split("\n[", 2)[0]
    return re.search(rf'^{key} = "(.*)"$', text, re.MULTILINE).group(1)


def contents(program, version, platform):
    """The path, the bytes and the mode of each file of the wheel."""
    data, info = f"recode-{version}.data", f"recode-{version}.dist-info"
    files = [(f"{data}/scripts/recode", program.read_bytes(), 0o755)]
    with tempfile.TemporaryDirectory() as folder:
        output(program, "man", folder)
        for page in sorted(pathlib.Path(folder).iterdir()):
            files.append((f"{data}/data/share/man/man1/{page.name}", page.read_bytes(), 0o644))
    for shell, path in COMPLETIONS.items():
        files.append((f"{data}/data/{path}", output(program, "completions", shell), 0o644))
    for name in ["LICENSE-APACHE", "LICENSE-MIT"]:
        files.append((f"{info}/licenses/{name}", (ROOT / name).read_bytes(), 0o644))
    metadata = METADATA.format(
        version=version,
        description=of_manifest("description"),
        license=of_manifest("license"),
        readme=(ROOT / "README.md").read_text(),
    )
    files.append((f"{info}/METADATA", metadata.encode(), 0o644))
    files.append((f"{info}/WHEEL", WHEEL.format(platform=platform).encode(), 0o644))
    rows = [f"{path},{digest(content)},{len(content)}\n" for path, content, _ in files]
    record = f"{info}/RECORD"
    files.append((record, "".join([*rows, f"{record},,\n"]).encode(), 0o644))
    return files


def digest(content):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def write(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name, content, mode in files:
            # Without times, the same program gives the same bytes.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (0o100000 | mode) << 16
            wheel.writestr(entry, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--newest-glibc", help="the newest glibc that the program may need, such as 2.28")
    arguments = parser.parse_args()

    program = elf.Program(arguments.program.read_bytes())
    platform, reason = program.platform_tag()
    if arguments.newest_glibc:
        most = tuple(int(part) for part in arguments.newest_glibc.split("."))
        if not platform.startswith("manylinux") or program.glibc() > most:
            sys.exit(f"wheel.py: this program does not run with glibc {arguments.newest_glibc}: {reason}")
    version = output(arguments.program, "--version").decode().split()[1]
    if version != of_manifest("version"):
        sys.exit(f"wheel.py: the program is {version}, and Cargo.toml says {of_manifest('version')}: build it again")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    path = arguments.folder / f"recode-{version}-py3-none-{platform}.whl"
    write(path, contents(arguments.program, version, platform))
    print(f"wheel.py: {platform}, because {reason}", file=sys.stderr)
    print(path)


if __name__ == "__main__":
    main()
