#!/usr/bin/env python3
"""Makes the files of a release, and publishes nothing.

    release.py FOLDER [--draft]

FOLDER has the wheels of this version already (`just wheel`). It gets the source archive of the last commit, the
changes of this version from CHANGELOG.md as CHANGES.md, and SHA256SUMS of all three. The version is that of Cargo.toml,
Cargo.lock and the newest section of the changelog, and the checkout has no changes; with `--draft`, the section may be
`Unreleased`, and changes may be there.
"""

import hashlib
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Wrong(Exception):
    """Why there is no release."""


def version_of(manifest, lock):
    """The version that Cargo.toml and Cargo.lock agree on."""
    version = re.search(r'^version = "(.*)"$', manifest, re.MULTILINE).group(1)
    locked = re.search(r'^name = "recode"\nversion = "(.*)"$', lock, re.MULTILINE).group(1)
    if locked != version:
        raise Wrong(f"Cargo.toml says {version}, and Cargo.lock {locked}: build the program")
    return version


def changes_of(changelog, version, draft):
    """The newest section of the changelog, without its head."""
    _, *sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    if not sections:
        raise Wrong("CHANGELOG.md has no section")
    head, _, text = sections[0].partition("\n")
    # `0.2.0`, or `0.2.0 (2026-12-01)`
    name = (head.split() or [""])[0].strip("[]")
    if name != version and not (draft and name == "Unreleased"):
        raise Wrong(
            f"the newest section of CHANGELOG.md is `{head}`, and the version {version}: "
            f"name it `## {version} (DATE)`, or make a draft with --draft"
        )
    if not text.strip():
        raise Wrong(f"the section `{head}` of CHANGELOG.md is empty")
    return text.strip() + "\n"


def git(*arguments):
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, stdout=subprocess.PIPE).stdout


def main():
    draft = "--draft" in sys.argv
    (folder,) = [pathlib.Path(argument) for argument in sys.argv[1:] if argument != "--draft"]
    version = version_of((ROOT / "Cargo.toml").read_text(), (ROOT / "Cargo.lock").read_text())
    changes = changes_of((ROOT / "CHANGELOG.md").read_text(), version, draft)
    if not draft and git("status", "--porcelain"):
        raise Wrong("the checkout has changes that are not committed")
    wheels = sorted(folder.glob(f"recode-{version}-*.whl"))
    if not wheels:
        raise Wrong(f"`{folder}` has no wheel of {version}: `just wheel` makes one")
    source = folder / f"recode-{version}.tar.gz"
    source.write_bytes(git("archive", "--format=tar.gz", f"--prefix=recode-{version}/", "HEAD"))
    notes = folder / "CHANGES.md"
    notes.write_text(changes)
    files = [*wheels, source, notes]
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(sums))
    print("".join(sums), end="")
    print(f"release.py: {version}{' (a draft)' if draft else ''} is in {folder}; nothing was published", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except Wrong as reason:
        sys.exit(f"release.py: {reason}")
