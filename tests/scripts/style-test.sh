#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each rule of scripts/style fires on a file that breaks it, and on no other.
. "$(dirname "$0")/tap.sh"

LICENCE='/* SPDX-License-Identifier: GPL-2.0-or-later */'

# A repository of one file, PATH, with the licence and what is on stdin.
repository() {
    mkdir -p scripts "$(dirname "$1")"
    cp "$REPO/scripts/style" scripts/
    { echo "$LICENCE"; cat; } >"$1"
}

# broken RULE: only this one, and the file is named.
broken() {
    fails scripts/style
    equal 1 "$(printf '%s\n' "$said" | grep -c '^not ok')"
    matches "^not ok [0-9]* - $1" "$said"
    matches '^# .*a\.[ch]' "$said"
}

good_file() {
    echo 'int a;' | repository hw/a.c
    scripts/style
}

no_licence() {
    echo 'int a;' | repository hw/a.c
    sed -i 1d hw/a.c
    broken 'every file names its licence'
}

long_line() {
    printf '%081d\n' 0 | repository hw/a.c
    broken 'no line of C over 80'
}

tab() {
    printf '\tint a;\n' | repository hw/a.h
    broken 'no tab'
}

long_file() {
    seq 600 | repository hw/a.c
    broken 'no file over 600'
}

long_function() {
    { echo '{'; seq 61; echo '}'; } | repository hw/a.c
    broken 'no function over 60'
}

model_with_qemu_header() {
    echo '#include "qemu/osdep.h"' | repository target-models/rac/a.c
    broken 'target-models include no QEMU'
}

model_with_system_header() {
    echo '#include <unistd.h>' | repository target-models/rac/a.c
    broken 'target-models include no QEMU'
}

mirror() {
    echo '/* ftp.de.debian''.org */' | repository hw/a.c
    broken 'no host or folder'
}

leftover() {
    echo '/* TO''DO: more */' | repository hw/a.c
    broken 'nothing is left'
}

check 'a good file passes' good_file
check 'a missing licence is found' no_licence
check 'a long line is found' long_line
check 'a tab is found' tab
check 'a long file is found' long_file
check 'a long function is found' long_function
check 'a model that includes QEMU is found' model_with_qemu_header
check 'a model that includes the system is found' model_with_system_header
check 'a mirror'\''s name is found' mirror
check 'work left over is found' leftover
finish
