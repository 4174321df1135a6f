# SPDX-License-Identifier: GPL-2.0-or-later
# Lay our folders and the edits of overlay.conf over a QEMU source tree.
# Sourced after common.sh; $REPO is our repository.
#
# The original of each edited file is kept under .sunder/original in the tree.
# An edited file is always made from it, and replaced only where it differs,
# so that the overlay may be applied again at will and ninja sees no change
# where there is none.  All files are edited before the first is replaced.

overlay_files() {
    sed -n 's/^file|//p' "$1" | sort -u
}

# Write the edited files into $3/new.
overlay_edit() {
    local tree=$1 conf=$2 work=$3 file original
    while read -r file; do
        original=$tree/.sunder/original/$file
        if [ ! -e "$original" ]; then
            [ -f "$tree/$file" ] ||
                die "overlay: $file: no such file in this QEMU;" \
                    "expected 10.0.x"
            mkdir -p "${original%/*}"
            cp -p "$tree/$file" "$original"
        fi
        mkdir -p "$(dirname "$work/new/$file")"
        awk -v target="$file" -f "$REPO/scripts/lib/overlay.awk" \
            "$conf" "$original" >"$work/new/$file" 2>"$work/why" ||
            die "overlay: $(head -n 1 "$work/why")"
    done < <(overlay_files "$conf")
}

# Put the originals back of files that the table no longer names.
overlay_restore() {
    local tree=$1 work=$2 file
    (cd "$tree/.sunder/original" && find . -type f | sed 's|^\./||') |
        while read -r file; do
            [ ! -e "$work/new/$file" ] || continue
            mkdir -p "$(dirname "$work/new/$file")"
            cp -p "$tree/.sunder/original/$file" "$work/new/$file"
        done
}

overlay_install() {
    local tree=$1 work=$2 file
    (cd "$work/new" && find . -type f | sed 's|^\./||') |
        while read -r file; do
            cmp -s "$work/new/$file" "$tree/$file" ||
                { touch "$work/new/$file" && mv "$work/new/$file" "$tree/$file"; }
        done
}

# QEMU sees our folders as sunder/*; a link to the whole repository would
# hold the build folder and so itself.
overlay_link() {
    local tree=$1 folder file
    mkdir -p "$tree/sunder"
    for folder in block hw target-models tests tools; do
        ln -sfn "$REPO/$folder" "$tree/sunder/$folder"
    done
    for file in sunder sunder-block; do
        ln -sfn "$REPO/qapi/$file.json" "$tree/qapi/$file.json"
    done
}

# overlay_apply TREE TABLE
overlay_apply() {
    local tree=$1 conf=$2 work
    work=$tree/.sunder/work
    rm -rf "$work"
    mkdir -p "$work/new" "$tree/.sunder/original"
    overlay_edit "$tree" "$conf" "$work"
    overlay_restore "$tree" "$work"
    overlay_install "$tree" "$work"
    overlay_link "$tree"
    rm -rf "$work"
}
