# Completions of vmux for fish.
function __vmux_complete
    set -l answer (command vmux complete fish (commandline -opc) (commandline -ct) 2>/dev/null)
    switch "$answer[1]"
        case words
            string join -- \n $answer[2..-1]
        case files
            __fish_complete_path (commandline -ct)
        case dirs
            __fish_complete_directories (commandline -ct)
    end
end
complete --command vmux --no-files --keep-order --arguments '(__vmux_complete)'
