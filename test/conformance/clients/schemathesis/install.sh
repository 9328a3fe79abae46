#!/bin/bash
# Makes a virtual environment with schemathesis (pinned versions).
set -eu
dir=${TRAMONTANE_CLIENTS:-$HOME/.cache/tramontane-clients}/schemathesis
python=${PYTHON:-python3}
[ -x "$dir/bin/python" ] || "$python" -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check -r "$(cd "$(dirname "$0")" && pwd)/requirements.txt"
"$dir/bin/schemathesis" --version
