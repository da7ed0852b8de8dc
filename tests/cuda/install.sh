#!/bin/sh
# Installs NVIDIA's compiler from PyPI into RECODE_CUDA_TOOLS, or into the cache folder (about 350 MB):
#   python3 -m venv FOLDER && FOLDER/bin/pip install --no-deps -r tests/cuda/requirements.txt
# Exit code 77: it cannot be installed here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${RECODE_CUDA_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/recode/cuda-tools}
stamp="$venv/installed-$(cksum <"$here/requirements.txt" | cut -d' ' -f1)"
[ ! -e "$stamp" ] || exit 0
echo "check-cuda: installing tests/cuda/requirements.txt into $venv" >&2
if ! { python3 -m venv "$venv" &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 --no-deps \
        --requirement "$here/requirements.txt" >&2 && touch "$stamp"; }; then
    echo "check-cuda: SKIPPED, the packages of tests/cuda/requirements.txt cannot be installed here" >&2
    exit 77
fi
