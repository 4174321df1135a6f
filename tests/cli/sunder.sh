# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the command line share.  Sourced.

. "$(dirname "$0")/../scripts/tap.sh"
SUNDER=${SUNDER:-$REPO/build/tools/sunder}
FAKE_MACHINE=$(cd "$(dirname "$0")" && pwd)/fake-machine.py

# Short, because Unix sockets lie below it; and apart from the user's own.
XDG_RUNTIME_DIR=$(mktemp -d /tmp/sundertest.XXXXXX)
export XDG_RUNTIME_DIR
trap 'leave' EXIT

leave() {
    "$SUNDER" stop --all --force >/dev/null 2>&1
    rm -rf "$XDG_RUNTIME_DIR"
}

sunder() {
    "$SUNDER" "$@"
}

# status EXPECTED COMMAND...: it must end so; its output is left in $said.
status() {
    local expected=$1 got=0
    shift
    said=$("$@" 2>&1 </dev/null) || got=$?
    [ "$got" -eq "$expected" ] || {
        printf 'exit status %s, expected %s: %s\n%s\n' "$got" "$expected" \
            "$*" "$said"
        return 1
    }
}

# absent PATTERN TEXT
absent() {
    ! printf '%s\n' "$2" | grep -e "$1"
}

# fake_machine [NAME]: a machine, "lab", that answers from the file "answers"
# for as long as this subshell lives
fake_machine() {
    local i name=${1:-lab}
    rm -rf "$XDG_RUNTIME_DIR/sunder/$name"
    python3 -I "$FAKE_MACHINE" "$name" answers &
    trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
    for i in $(seq 200); do
        [ ! -S "$XDG_RUNTIME_DIR/sunder/$name/qmp.sock" ] || return 0
        sleep 0.05
    done
    return 1
}

# Skip the whole program unless guest 6.1 can be run.
need_guest() {
    local why
    why=$("$SUNDER" run faultlab --dry-run 2>&1 >/dev/null) && return
    printf '1..0 # SKIP %s\n' "$(printf '%s\n' "$why" | tail -n 1)"
    exit 0
}

# A snapshot of a booted faultlab for tests that need no boot of their own.
need_booted() {
    need_guest
    BOOTED=test-$$
    trap 'leave; "$SUNDER" snap remove "$BOOTED" 2>/dev/null' EXIT
    "$SUNDER" run faultlab --name boot --detach --wait >/dev/null &&
        "$SUNDER" snap save boot "$BOOTED" --stop || {
        printf 'Bail out! faultlab cannot be booted and saved\n'
        exit 1
    }
}

# restored NAME OPTION...: a machine from that snapshot
restored() {
    local name=$1
    shift
    "$SUNDER" run --restore "$BOOTED" --name "$name" "$@"
}
