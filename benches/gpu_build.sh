#!/bin/sh
# Builds what `gpu.py` runs, with the backend for NVIDIA GPUs, and copies it to FOLDER: the program
# (recode), the benchmark (gpu) and the tests of the library (tests).
# With `--pack`, it also packs them into FOLDER/programs.tar.xz, for a machine that cannot build.
set -eu
folder=$1
mkdir -p "$folder"
cargo build --release --locked --features cuda --bin recode --bench gpu --message-format=json >"$folder/build.json"
cargo test --release --locked --features cuda --lib --no-run --message-format=json >>"$folder/build.json"
python3 - "$folder" <<'END'
import json, pathlib, shutil, sys
folder = pathlib.Path(sys.argv[1])
names = {"bin": "recode", "bench": "gpu", "lib": "tests"}
for line in (folder / "build.json").read_text().splitlines():
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] in ["recode", "gpu"]:
        name = names[built["target"]["kind"][0]]
        shutil.copy(built["executable"], folder / name)
END
if [ "${2:-}" = --pack ]; then
    strip "$folder/recode" "$folder/gpu" "$folder/tests"
    tar -C "$folder" -cJf "$folder/programs.tar.xz" recode gpu tests
    rm "$folder/recode" "$folder/gpu" "$folder/tests"
    du -h "$folder/programs.tar.xz"
fi
rm "$folder/build.json"
