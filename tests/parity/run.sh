#!/bin/sh
# Compares this program with transformers and PEFT, and its result files with EvalPlus:
# tests/parity/run.sh PROGRAM [PART...], where a part is one of parity.py, or `evalplus`.
# The first time, it makes Python environments in RECODE_PARITY_VENV, or in the cache folder (about 1 GB
# with PyTorch for CPUs only, 6 GB where only PyPI can be reached; 0.1 GB for EvalPlus).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$1
shift
cache=${XDG_CACHE_HOME:-$HOME/.cache}/recode
skipped=0 failed=0

# Runs a script in an environment of its own: FOLDER REQUIREMENTS OPTION-OF-PIP SCRIPT [ARGUMENT...]
compare() {
    venv=$1 requirements=$2 option=$3
    shift 3
    stamp="$venv/installed-$(cksum <"$here/$requirements" | cut -d' ' -f1)"
    if [ ! -e "$stamp" ]; then
        echo "parity: installing tests/parity/$requirements into $venv" >&2
        if ! { python3 -m venv "$venv" &&
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 $option \
                --requirement "$here/$requirements" >&2 && touch "$stamp"; }; then
            echo "parity: SKIPPED, the packages of tests/parity/$requirements cannot be installed here" >&2
            skipped=77
            return
        fi
    fi
    script=$1
    shift
    status=0
    "$venv/bin/python" "$here/$script" "$program" "$@" || status=$?
    case $status in
    0) ;;
    77) skipped=77 ;;
    *) failed=$status ;;
    esac
}

with_evalplus=$([ $# -eq 0 ] && echo yes || echo no)
with_others=$with_evalplus
others=
for part; do
    if [ "$part" = evalplus ]; then with_evalplus=yes; else with_others=yes others="$others $part"; fi
done
venv=${RECODE_PARITY_VENV:-$cache/parity-venv}
if [ $with_others = yes ]; then
    compare "$venv" requirements.txt "" parity.py $others
fi
if [ $with_evalplus = yes ]; then
    # Without the clients of model providers that it depends on.
    compare "$venv-evalplus" evalplus-requirements.txt --no-deps evalplus_results.py
fi
[ $failed -eq 0 ] || exit "$failed"
exit $skipped
