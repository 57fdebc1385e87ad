# Completions of vmux for elvish.
use str
set edit:completion:arg-completer[vmux] = {|@words|
    var @answer = (try { (external vmux) complete elvish $@words 2>/dev/null | from-lines } catch { })
    if (== 0 (count $answer)) {
        nop
    } elif (eq words $answer[0]) {
        each {|line|
            var @parts = (str:split &max=2 "\t" $line)
            edit:complex-candidate $parts[0] &display=(str:join '  ' $parts)
        } $answer[1..]
    } else {
        edit:complete-filename $@words
    }
}
