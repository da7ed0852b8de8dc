# The recipes of the project; `just` alone lists them. Running and testing share one build profile,
# so that Burn is compiled once.

set positional-arguments

# List the recipes
default:
    @just --list --unsorted

# Run an experiment and print its table: just run experiments/quickstart.toml [--set key=value]
run *arguments: build
    @cargo run --release --locked --quiet -- run "$@"

# Print what an experiment would do, without running it
plan *arguments: build
    @cargo run --release --locked --quiet -- plan "$@"

# Print an experiment's table from the results so far
report *arguments: build
    @cargo run --release --locked --quiet -- report "$@"

# Download the models and data sets that an experiment names
fetch *arguments: build
    @cargo run --release --locked --quiet -- fetch "$@"

# Any other command: just recode judge --help
recode *arguments: build
    @cargo run --release --locked --quiet -- "$@"

# Build the program
build:
    @cargo build --release --locked

# Run the tests, also those of the example
test *arguments:
    cargo test --release --locked "$@"

# Run tests of the library, and build this crate without optimising it: after a change in half a minute instead of minutes
quick *filters:
    cargo test --release --locked --lib --config 'profile.release.package.recode.opt-level=0' -- "$@"

# Check formatting, lints and documentation
check:
    cargo fmt --check
    tests/one_build.sh
    cargo clippy --release --locked --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --quiet

# Run the ignored tests, most of which need reference data (in RECODE_SHARED, or ../shared), then browse and parity
conformance *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    skip=()
    tests/cuda/install.sh || skip=(--skip the_cuda_texts_compile)
    cargo test --release --locked -- --ignored --skip in_a_browser --skip on_a_gpu --skip what_numpy_draws --skip trackers_get "${skip[@]}" "$@"
    {{ just_executable() }} browse
    {{ just_executable() }} parity
    # The environment of `parity` has NumPy; the Python of this machine need not.
    python=${RECODE_PARITY_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/recode/parity-venv}/bin/python
    if "$python" -c 'import numpy' 2>/dev/null; then
        RECODE_PYTHON=$python cargo test --release --locked --lib -- --ignored what_numpy_draws
    else
        echo "SKIPPED: what NumPy draws (no NumPy here)" >&2
    fi
    echo "SKIPPED: trackers (run them with ./just trackers PYTHON)" >&2

# Mirror an experiment into MLflow, W&B and Trackio: PYTHON has their packages
trackers python:
    TRACKERS_PYTHON={{python}} cargo test --release --locked --test integration -- --ignored trackers_get

# Compile the CUDA texts for three generations of GPUs, print what they take, and compare it with their budgets; needs no GPU, and prints SKIPPED where NVIDIA's compiler cannot be installed
check-cuda:
    tests/cuda/install.sh || exit 0; \
    cargo test --release --locked --lib -- --ignored --nocapture the_cuda_texts_compile

# Click through made-up reports in a headless Chromium; prints SKIPPED where there is none
browse:
    #!/usr/bin/env bash
    set -euo pipefail
    if browser=$(python3 tests/report/browse.py --find); then
        cargo test --release --locked --test integration -- --ignored in_a_browser
    else
        echo "SKIPPED: the report in a browser ($browser)" >&2
    fi

# Test the program on Vulkan in software, where this machine has it (Debian: apt-get install mesa-vulkan-drivers libvulkan1), and print SKIPPED where it has not
test-gpu-software *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! ls /usr/share/vulkan/icd.d/lvp_icd*.json >/dev/null 2>&1; then
        echo "SKIPPED: no Vulkan in software was found; on Debian: apt-get install mesa-vulkan-drivers libvulkan1"
        exit 0
    fi
    VK_ICD_FILENAMES=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json | head -1)
    export VK_ICD_FILENAMES
    cargo test --release --locked --features wgpu --lib -- --include-ignored \
        model::ops::tests model::ops::survey cli::doctor::gpu on_a_gpu "$@"

# Compare digits with transformers and PEFT, and result files with EvalPlus; installs them first, and prints SKIPPED where it cannot
parity *parts: build
    @tests/parity/run.sh "${CARGO_TARGET_DIR:-target}/release/recode" "$@" || [ $? -eq 77 ]

# Run experiments through a real Slurm on this machine; prints SKIPPED where there can be none
test-slurm *scenarios: build
    @tests/slurm/run.py "${CARGO_TARGET_DIR:-target}/release/recode" "$@" || [ $? -eq 77 ]

# Fuzz the rewards and all readers with a million cases each (an hour of two cores): just fuzz [CASES] [FILTERS]
fuzz cases="1000000" *targets="fuzz":
    RECODE_FUZZ_CASES={{cases}} cargo test --release --locked --lib -- {{targets}}

# Time rewards, judging and the decoder against the published implementations
bench *arguments:
    cargo bench --locked --bench reward "$@"
    {{just_executable()}} bench-judging
    {{just_executable()}} bench-model

# Time judging on the reference data: just bench-judging --rounds 1 (RECODE_PYTHON may name an interpreter with datasets/python/pinned.txt and benches/judging-requirements.txt installed)
bench-judging *arguments: build
    ${RECODE_PYTHON:-python3} benches/judging.py --recode "${CARGO_TARGET_DIR:-target}/release/recode" --shared "${RECODE_SHARED:-../shared}" "$@"

# Time the decoder against PyTorch and transformers (RECODE_PYTHON names an interpreter that has them)
bench-model *arguments:
    cargo bench --locked --bench model -- "$@"

# Time 1,000 jobs submitted to Slurm, the scheduler of 10,000, and a training of one process against two: [submit] [scheduler] [ranks]
bench-scale *arguments: build
    ${RECODE_PYTHON:-python3} benches/scale.py "${CARGO_TARGET_DIR:-target}/release/recode" "$@"

# Measure the peak memory of loading and of training a model: [load] [train]
bench-memory *arguments: build
    ${RECODE_PYTHON:-python3} benches/memory.py "${CARGO_TARGET_DIR:-target}/release/recode" "$@"

# Compare digits, speed and memory on a GPU with transformers and PEFT: [correct] [ceilings] [products] [choices] [logits] [parts] [decode] [train] [grpo]
gpu-bench *arguments:
    benches/gpu_build.sh .gpu
    ${RECODE_PYTHON:-python3} benches/gpu.py --program .gpu/gpu --recode .gpu/recode --tests .gpu/tests "$@"

# Pack what gpu-bench runs into .gpu, for a machine with a GPU that cannot build: benches/gpu_packed.sh runs it there
gpu-pack:
    benches/gpu_build.sh .gpu --pack

# Make a wheel with the program in it, in dist/: just wheel [--glibc 2.28], which links again for that version of glibc
wheel *arguments: build
    #!/usr/bin/env bash
    set -euo pipefail
    program=${CARGO_TARGET_DIR:-target}/release/recode
    options=()
    if [ "${1:-}" = --glibc ]; then
        options=(--newest-glibc "$2")
        if [ -z "${RECODE_ZIG:-}" ]; then
            # Zig comes with the symbols of all versions of glibc.
            tools=$PWD/.just/zig
            [ -d "$tools/ziglang" ] || PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet \
                --disable-pip-version-check --target "$tools" ziglang==0.17.1
            export RECODE_ZIG="$tools/ziglang/zig"
        fi
        # Only the last step of the build is done again.
        RECODE_GLIBC=$2 cargo rustc --release --locked --quiet --bin recode -- -C "linker=$PWD/packaging/zig_cc"
    fi
    # The container files take the wheel that is there.
    rm -f dist/recode-*.whl
    packaging/wheel.py "$program" dist "${options[@]}"

# Install the wheel into a fresh environment and run the quickstart there: just test-wheel [--glibc 2.28]
test-wheel *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    tests/wheel/run.py "$({{ just_executable() }} wheel "$@" | tail -1)"

# Make the files of a release in dist/: wheel, source archive, changes and checksums. Nothing is published: just release [--draft]
release *arguments:
    rm -rf dist
    @{{ just_executable() }} wheel --glibc 2.28
    packaging/release.py dist "$@"

# Make the virtual environment that judges CodeUpdateArena: [--torch] [--newest]
python-setup *arguments: build
    @cargo run --release --locked --quiet -- python --setup "$@"

# Refresh the pinned versions and hashes of the environment of python-setup (needs uv)
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

# Make the data of the tiny world: just tiny-world datasets/tiny [--check] [--corpus TEXTS]
tiny-world *arguments:
    @cargo run --release --locked --quiet --example tiny_world -- "$@"

# Rewrite generated files (defaults.toml, docs/settings.md, docs/spec.schema.json, the list of shipped files, ARCHITECTURE.md's import table), and accept changed snapshots in tests
snapshots:
    #!/usr/bin/env bash
    set -euo pipefail
    # Only `cargo insta` can write snapshots into sources; this package has its program.
    tools=$PWD/.just/insta
    [ -x "$tools/bin/cargo-insta" ] || PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet \
        --disable-pip-version-check --target "$tools" astral-dev-toolchain-cargo-insta==1.49.0
    export INSTA_UPDATE=always PATH="$tools/bin:$PATH"
    # The defaults first: the program has that file built in, and other texts show it.
    cargo test --release --locked --quiet --lib the_file_of_defaults
    cargo test --release --locked --quiet --no-run
    cargo test --release --locked --quiet --no-fail-fast || echo "accepting what changed; now run the tests again" >&2
    cargo insta accept
