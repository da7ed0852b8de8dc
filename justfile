# Recipes of the project; `just` alone lists them. Everything is built with one profile, so that
# Burn is compiled once, whether you run or test.

set positional-arguments

# List the recipes
default:
    @just --list --unsorted

# Run an experiment and print its table: just run experiments/quickstart.toml [--set key=value]
run *arguments: build
    @cargo run --release --locked --quiet -- run "$@"

# Print what an experiment would do; runs nothing
plan *arguments: build
    @cargo run --release --locked --quiet -- plan "$@"

# Print an experiment's table from what is there
report *arguments: build
    @cargo run --release --locked --quiet -- report "$@"

# Download what an experiment names
fetch *arguments: build
    @cargo run --release --locked --quiet -- fetch "$@"

# Any other command: just recode judge --help
recode *arguments: build
    @cargo run --release --locked --quiet -- "$@"

# Build the program
build:
    @cargo build --release --locked

# Run the tests
test *arguments:
    cargo test --release --locked "$@"

# Check formatting, lints and documentation
check:
    cargo fmt --check
    cargo clippy --release --locked --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --quiet

# Run the tests against reference data (RECODE_SHARED, or ../shared)
conformance *arguments:
    cargo test --release --locked -- --ignored "$@"
    @{{ just_executable() }} parity

# Compare digits with transformers and PEFT, and result files with EvalPlus, which are installed first; skipped aloud where they cannot be
parity *parts: build
    @tests/parity/run.sh "${CARGO_TARGET_DIR:-target}/release/recode" "$@" || [ $? -eq 77 ]

# Try a million texts that nobody wrote on the rewards (20 minutes of one core's time)
fuzz cases="1000000":
    RECODE_FUZZ_CASES={{cases}} cargo test --release --locked --lib reward::fuzz

# Time rewards and judging beside the published ways
bench *arguments:
    cargo bench --locked --bench reward "$@"
    {{just_executable()}} bench-judging
    {{just_executable()}} bench-model

# Time judging alone, on the reference data (RECODE_SHARED, or ../shared); RECODE_PYTHON may name an interpreter with what datasets/python/pinned.txt and benches/judging-requirements.txt list: just bench-judging --rounds 1
bench-judging *arguments: build
    ${RECODE_PYTHON:-python3} benches/judging.py --recode "${CARGO_TARGET_DIR:-target}/release/recode" --shared "${RECODE_SHARED:-../shared}" "$@"

# Time the decoder beside PyTorch and transformers (RECODE_PYTHON names an interpreter that has them)
bench-model *arguments:
    cargo bench --locked --bench model -- "$@"

# Measure the peak of memory when a model is loaded, and when it is trained: [load] [train]
bench-memory *arguments: build
    ${RECODE_PYTHON:-python3} benches/memory.py "${CARGO_TARGET_DIR:-target}/release/recode" "$@"

# Measure digits, speed and memory on a GPU beside transformers and PEFT: [logits] [parts] [decode] [train] [grpo]
gpu-bench *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release --locked --features cuda --bin recode --bench gpu
    target=${CARGO_TARGET_DIR:-target}/release
    program=$(ls -t "$target"/deps/gpu-* | grep -v '[.]d$' | head -1)
    ${RECODE_PYTHON:-python3} benches/gpu.py --program "$program" --recode "$target/recode" "$@"

# Make the virtual environment that CodeUpdateArena is judged in [--torch] [--newest]
python-setup *arguments: build
    @cargo run --release --locked --quiet -- python --setup "$@"

# Pin the versions and hashes of that environment again (needs uv)
python-lock:
    #!/usr/bin/env bash
    set -euo pipefail
    cd datasets/python
    for name in pinned newest; do
        version=3.9; [ $name = pinned ] || version=3.11
        for part in $name $name-torch; do
            { sed -n '/^# /p' $name.in; uv pip compile --generate-hashes --universal --no-header \
                --no-annotate --quiet --python-version $version $part.in; } > $part.new
            mv $part.new $part.txt
        done
    done

# Accept changed snapshots of texts
snapshots:
    INSTA_UPDATE=always cargo test --release --locked
