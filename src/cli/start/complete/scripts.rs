//! The scripts that make a shell ask `teof __complete`.
//!
//! They hold no command of teof, so that they never fall behind the binary: everything is asked for.

use clap_complete::Shell;

/// The script of a shell; `None` for shells that are given a list of commands and flags only.
pub fn of(shell: Shell) -> Option<&'static str> {
    match shell {
        Shell::Bash => Some(BASH),
        Shell::Zsh => Some(ZSH),
        Shell::Fish => Some(FISH),
        _ => None,
    }
}

const BASH: &str = r#"_teof() {
    local line out word=$2
    COMPREPLY=()
    [[ $word == = ]] && word=
    out=$(command teof __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$word" 2>/dev/null </dev/null) || {
        compopt -o default 2>/dev/null
        return 0
    }
    while IFS= read -r line; do
        [[ -n $line ]] && COMPREPLY+=("${line%%$'\t'*}")
    done <<< "$out"
    return 0
}
complete -o nosort -F _teof teof 2>/dev/null || complete -F _teof teof
"#;

const ZSH: &str = r#"#compdef teof
_teof() {
    local out line
    local -a found
    out="$(command teof __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)words[CURRENT]}" 2>/dev/null </dev/null)" || {
        _files
        return
    }
    for line in "${(@f)out}"; do
        [[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe -V 'teof' found
}
if [[ ${funcstack[1]} == _teof ]]; then
    _teof "$@"
else
    compdef _teof teof
fi
"#;

const FISH: &str = r#"function __teof_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    command teof __complete $words "$current" 2>/dev/null </dev/null
    or __fish_complete_path "$current"
end
complete -c teof -f -k -a '(__teof_complete)'
"#;
