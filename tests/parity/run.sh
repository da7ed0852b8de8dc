#!/bin/sh
# Compares this program with transformers and PEFT: tests/parity/run.sh PROGRAM [PART...]
# Makes an environment of Python below RECODE_PARITY_VENV, or the folder of caches, the first time
# (about 1 GB with PyTorch for processors alone, 6 GB where only PyPI can be reached).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${RECODE_PARITY_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/recode/parity-venv}
stamp="$venv/installed-$(cksum <"$here/requirements.txt" | cut -d' ' -f1)"
if [ ! -e "$stamp" ]; then
    echo "parity: installing torch, transformers and peft into $venv" >&2
    if ! { python3 -m venv "$venv" &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 \
            --requirement "$here/requirements.txt" >&2 && touch "$stamp"; }; then
        echo "parity: SKIPPED, the packages of tests/parity/requirements.txt cannot be installed here" >&2
        exit 77
    fi
fi
exec "$venv/bin/python" "$here/parity.py" "$@"
