#!/usr/bin/env bash
# Builds the wheel, installs it outside the checkout, and trains, evaluates and generates with it
# there. The installation borrows the dependencies of the present environment: torch alone is 5 GB.
set -euo pipefail
cd "$(dirname "$0")/.."

checkout=$PWD
python=${PYTHON:-$checkout/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m hatchling build -t wheel -d "$work/dist" >/dev/null
"$python" -m venv --without-pip "$work/venv"
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -m pip --python "$work/venv/bin/python" install --quiet --disable-pip-version-check \
    --no-deps --no-index "$work"/dist/*.whl
# A path file lends the other packages. The path files in there (one names the checkout when the
# present installation is editable) are not read again for a borrowed folder.
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/borrowed.pth"

mkdir "$work/elsewhere"
cd "$work/elsewhere"
unset PYTHONPATH
found=$("$work/venv/bin/python" -c 'import wavestack; print(wavestack.__file__)')
case $found in
"$site"/*) ;;
*)
    echo "wheel: wavestack was imported from $found instead of the wheel" >&2
    exit 1
    ;;
esac

wavestack=$work/venv/bin/wavestack
"$wavestack" recipes
"$wavestack" train recipe=quickstart debug=smoke hydra.run.dir=run
"$wavestack" evaluate run=run
"$wavestack" generate run=run seconds=0.1 out=x.wav
test -s x.wav && test -s run/model.safetensors
if grep -rqF "$checkout" run; then
    echo "wheel: the run mentions the checkout:" >&2
    grep -rlF "$checkout" run >&2
    exit 1
fi
echo "wheel: installed from $(basename "$work"/dist/*.whl), it trains, evaluates and generates"
