#!/bin/bash
# run.sh BASE_URL: sends generated requests, sound and broken, to every operation of the server's OpenAPI document. Nothing may
# answer with a server error, or with something that the document does not promise. EXAMPLES: how many per operation.
# The last line is "N passed, N failed".
set -eu
bin=${TRAMONTANE_CLIENTS:-$HOME/.cache/tramontane-clients}/schemathesis/bin
url=${1:?usage: run.sh BASE_URL}; url=${url%/}; url=${url%/v2}
[ -x "$bin/schemathesis" ] || { echo "run install.sh first" >&2; exit 2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Event streams do not end, and so are left out.
code=0
"$bin/schemathesis" run "$url/openapi.json" --wait-for-schema=60 --request-timeout 60 --phases fuzzing \
    --max-examples "${EXAMPLES:-20}" --exclude-path-regex 'stream$|/v2/events$' \
    --checks not_a_server_error,response_schema_conformance,content_type_conformance > "$log" 2>&1 || code=$?
cases=$(sed -nE 's/^ *([0-9]+) generated.*/\1/p' "$log" | tail -n 1)
if [ "$code" = 0 ] && [ -n "$cases" ]; then
    echo "$cases passed, 0 failed"
else
    tail -n 150 "$log"
    echo "0 passed, 1 failed"
fi
exit "$code"
