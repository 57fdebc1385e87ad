#compdef vmux
# Completions of vmux for zsh.
_vmux() {
    local line tab=$'\t'
    local -a answer values shown
    answer=("${(@f)$(command vmux complete zsh "${(@Q)words[1,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    case ${answer[1]-} in
        files) _files ;;
        dirs) _files -/ ;;
        words)
            for line in "${(@)answer[2,-1]}"; do
                values+=("${line%%$tab*}")
                shown+=("${line/$tab/  -- }")
            done
            compadd -l -V vmux -d shown -a values
            ;;
    esac
}
if [ "$funcstack[1]" = _vmux ]; then
    _vmux "$@"
else
    compdef _vmux vmux
fi
