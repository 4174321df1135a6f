# SPDX-License-Identifier: GPL-2.0-or-later
# Long jobs in steps: each is announced, timed and logged.
# Sourced after common.sh.

STEPS_LOGS=
STEPS_TIMES=

# steps_begin FOLDER: where the logs go.
steps_begin() {
    STEPS_LOGS=$1
    mkdir -p "$STEPS_LOGS" || die "$STEPS_LOGS: cannot be made"
}

# step_may_fail NAME COMMAND...: what it says is shown and logged.
step_may_fail() {
    local name=$1 began=$SECONDS status took
    shift
    printf '==> %s: %s\n' "$name" "$*"
    "$@" 2>&1 | tee "$STEPS_LOGS/$name.log"
    status=${PIPESTATUS[0]}
    took=$((SECONDS - began))
    STEPS_TIMES="$STEPS_TIMES$(printf '\n  %-10s %5d s' "$name" "$took")"
    printf '==> %s: %d s\n' "$name" "$took"
    return "$status"
}

step() {
    step_may_fail "$@" ||
        die "$1 failed (log: $STEPS_LOGS/$1.log)"
}

steps_end() {
    printf '==> all: %d s%s\n' "$SECONDS" "$STEPS_TIMES"
}

# configure_build FOLDER OPTION...: meson setup, anew or again.
configure_build() {
    local folder=$1
    shift
    if [ -e "$folder/meson-private/coredata.dat" ]; then
        meson configure "$folder" "$@"
    else
        meson setup "$folder" "$@"
    fi
}
