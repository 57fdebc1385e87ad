# Completions of vmux for bash 4 and later.
_vmux() {
    # Who completes for another command may set the words only.
    local answer line=${COMP_LINE-${COMP_WORDS[*]}}
    COMPREPLY=()
    line=${line:0:${COMP_POINT-${#line}}}
    mapfile -t answer < <(command vmux complete bash "$line" "$2" "${COMP_TYPE-}" 2>/dev/null)
    case ${answer[0]-} in
        words) COMPREPLY=("${answer[@]:1}") ;;
        files) compopt -o default ;;
        dirs) compopt -o dirnames -o filenames ;;
    esac
}
complete -o nosort -F _vmux vmux 2>/dev/null || complete -F _vmux vmux
