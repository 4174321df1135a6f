# SPDX-License-Identifier: GPL-2.0-or-later
# What every script of ours uses: messages, the cache, free space.
# Sourced, never run.

# One line on stderr, and the end.  The last command's output, when there is
# any to see, has gone to a log that the line names.
die() {
    printf '%s: error: %s\n' "${PROG:-sunder}" "$*" >&2
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

# Run a command with its output in a log; show the log's end if it fails.
# logged LOG COMMAND...
logged() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null && return 0
    tail -n 15 "$log" >&2
    return 1
}
