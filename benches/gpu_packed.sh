#!/bin/sh
# Measures a GPU with what `just gpu-pack` has packed, and writes the report to OUT too if that is set:
#   benches/gpu_packed.sh [ARGUMENTS OF gpu.py]
# Correctness comes first. The default ends before ten minutes have passed; the parts that are left out
# then are run by their names: benches/gpu_packed.sh train grpo
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
programs=$(mktemp -d)
tar -C "$programs" -xJf "$here/.gpu/programs.tar.xz" || exit 1
# CUDA's libraries as PyTorch's packages bring them, where the system has none.
packages=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for folder in "$packages"/nvidia/*/lib; do
    [ -d "$folder" ] && LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
done
export LD_LIBRARY_PATH
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
"$programs/recode" doctor | sed -n '/^backends/,/^disk/p'
cd "$here" || exit 1
python3 benches/gpu.py --program "$programs/gpu" --recode "$programs/recode" --tests "$programs/tests" \
    --limit 480 "$@" 2>&1 | tee "${OUT:-$programs}/report.txt"
