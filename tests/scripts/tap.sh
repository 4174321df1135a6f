# SPDX-License-Identifier: GPL-2.0-or-later
# The few words that our shell tests are written in.  Sourced.
#
# A test is a function; it runs in a shell and a folder of its own, and
# passes if no command in it fails.  Its output is shown when it does.

REPO=$(cd "$(dirname "$0")/../.." && pwd)
TAP_COUNT=0
TAP_FAILED=0

# check NAME FUNCTION
check() {
    local folder status
    folder=$(mktemp -d)
    TAP_COUNT=$((TAP_COUNT + 1))
    # In a condition, bash would not heed "set -e".
    (set -eu; cd "$folder"; "$2") >"$folder.log" 2>&1
    status=$?
    if [ "$status" -eq 0 ]; then
        printf 'ok %d - %s\n' "$TAP_COUNT" "$1"
    else
        printf 'not ok %d - %s\n' "$TAP_COUNT" "$1"
        sed 's/^/# /' "$folder.log"
        TAP_FAILED=1
    fi
    rm -rf "$folder" "$folder.log"
}

finish() {
    printf '1..%d\n' "$TAP_COUNT"
    exit "$TAP_FAILED"
}

# equal EXPECTED GOT
equal() {
    [ "$1" = "$2" ] || {
        printf 'expected: %s\n     got: %s\n' "$1" "$2"
        return 1
    }
}

# matches PATTERN TEXT
matches() {
    printf '%s\n' "$2" | grep -q -e "$1" || {
        printf 'expected: %s\n     got: %s\n' "$1" "$2"
        return 1
    }
}

# fails COMMAND...: it must fail; what it says is left in $said.
fails() {
    if said=$("$@" 2>&1 </dev/null); then
        printf 'succeeded: %s\n' "$*"
        return 1
    fi
}
