# SPDX-License-Identifier: GPL-2.0-or-later
# What every script of ours uses: messages, the cache, free space.
# Sourced, never run.

# One line on stderr, and the end.  If the last command that was run with
# logged failed, the line ends with its own words.
die() {
    printf '%s: error: %s%s\n' "${PROG:-sunder}" "$*" \
        "${LOGGED_REASON:+: $LOGGED_REASON}" >&2
    exit 1
}

note() {
    printf '%s: %s\n' "${PROG:-sunder}" "$*" >&2
}

# Where downloads are kept, so that a second clone builds with no network.
cache_dir() {
    local base=${XDG_CACHE_HOME:-}
    if [ -z "$base" ]; then
        base=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache
    fi
    printf '%s/sunder\n' "$base"
}

# need_space FOLDER MEBIBYTES WHAT-FOR
need_space() {
    local free
    free=$(df -Pm "$1" 2>/dev/null | awk 'NR == 2 { print $4 }')
    [ -n "$free" ] || die "$1: cannot tell how much space is free there"
    [ "$free" -ge "$2" ] ||
        die "$1: $free MiB free, $3 needs $2 MiB: make room there"
}

need_command() {
    command -v "$1" >/dev/null ||
        die "$1: command not found; scripts/setup installs it"
}

# logged LOG COMMAND...: run a command with its output in a log.
logged() {
    local log=$1
    shift
    LOGGED_REASON=
    "$@" >"$log" 2>&1 </dev/null && return 0
    LOGGED_REASON=$(grep -m 1 -E '^(E|ERROR): |error: ' "$log" ||
        tail -n 1 "$log")
    return 1
}
