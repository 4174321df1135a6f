# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for sunder(1).  What depends on this host (machines,
# snapshots, fault points) is asked of sunder itself.

_sunder_verbs='run list status console log exec stop qmp fault rac iommu
    balloon net snap scenario completion version help'

# The first word of each line that a verb prints.
_sunder_ask() {
    "${COMP_WORDS[0]}" "$@" 2>/dev/null | while read -r word _; do
        printf '%s\n' "$word"
    done
}

# The options that a verb's own --help shows.
_sunder_options() {
    "${COMP_WORDS[0]}" "$@" --help 2>/dev/null | grep -oE -- '--[a-z-]+'
}

_sunder_running() {
    _sunder_ask list --running
}

# The outcomes of the points that begin with the one given.
_sunder_outcomes() {
    "${COMP_WORDS[0]}" fault points "$1" "$2" 2>/dev/null |
        sed -n 's/^  \([a-z-]*\) .*/\1/p'
}

# Words without options behind the verb: how many stand before the cursor.
_sunder_position() {
    local i count=0
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -*) ;;
        *) count=$((count + 1)) ;;
        esac
    done
    printf '%s\n' "$count"
}

_sunder_fault_words() {
    case $(_sunder_position) in
    0) printf '%s\n' add list remove points ;;
    1) _sunder_running ;;
    2) case ${COMP_WORDS[2]} in
       add|points) _sunder_ask fault points "${COMP_WORDS[3]}" |
           grep -v '^(' ;;
       remove) _sunder_ask fault list "${COMP_WORDS[3]}" ;;
       esac ;;
    3) [ "${COMP_WORDS[2]}" != add ] ||
           _sunder_outcomes "${COMP_WORDS[3]}" "${COMP_WORDS[4]}" ;;
    esac
}

_sunder_snap_words() {
    case $(_sunder_position),${COMP_WORDS[2]} in
    0,*) printf '%s\n' save restore list remove prune ;;
    1,save) _sunder_running ;;
    1,restore | *,remove) _sunder_ask snap list ;;
    esac
}

_sunder_rac_words() {
    case $(_sunder_position) in
    0) _sunder_running ;;
    1) printf '%s\n' label clear ;;
    2) _sunder_ask fault points "${COMP_WORDS[2]}" | grep -v '^(' ;;
    esac
}

_sunder_balloon_words() {
    case $(_sunder_position) in
    0) _sunder_running ;;
    1) printf '%s\n' set sweep map ;;
    esac
}

_sunder_iommu_words() {
    case $(_sunder_position) in
    0) _sunder_running ;;
    1) printf 'mode\n' ;;
    2) printf '%s\n' stock report enforce coherent ;;
    esac
}

_sunder_net_words() {
    case $(_sunder_position) in
    0) _sunder_running ;;
    1) printf 'policy\n' ;;
    *) printf '%s\n' l2 l3 l4 l2l3 l2l4 l3l4 l2l3l4 round-robin buckets ;;
    esac
}

_sunder_words() {
    case ${COMP_WORDS[1]} in
    run) _sunder_ask list --machines ;;
    status | console | log | exec | stop | qmp) _sunder_running ;;
    fault) _sunder_fault_words ;;
    snap) _sunder_snap_words ;;
    rac) _sunder_rac_words ;;
    iommu) _sunder_iommu_words ;;
    balloon) _sunder_balloon_words ;;
    net) _sunder_net_words ;;
    scenario) [ "$(_sunder_position)" != 0 ] || printf 'run\n' ;;
    completion) printf 'bash\n' ;;
    esac
}

_sunder() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local verb=("${COMP_WORDS[1]}")

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$_sunder_verbs" -- "$word")
        return
    fi
    case ${verb[0]} in
    fault | snap | scenario) verb+=("${COMP_WORDS[2]}") ;;
    esac
    case $previous in
    --restore)
        mapfile -t COMPREPLY < <(compgen -W "$(_sunder_ask snap list)" \
            -- "$word")
        return ;;
    --accel)
        mapfile -t COMPREPLY < <(compgen -W 'tcg kvm auto' -- "$word")
        return ;;
    --fake)
        mapfile -t COMPREPLY < <(compgen -W 'ones zero constant last' \
            -- "$word")
        return ;;
    --mode)
        mapfile -t COMPREPLY < <(compgen -W 'count super-pages all' \
            -- "$word")
        return ;;
    --bounce | --adaptive)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$word")
        return ;;
    --kernel | --initrd | --junit)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return ;;
    esac
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W \
            "$(_sunder_options "${verb[@]}")" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(_sunder_words)" -- "$word") ;;
    esac
    if [ "${verb[0]}" = scenario ]; then
        compopt -o default 2>/dev/null || true
    fi
}

complete -F _sunder sunder
