//! The simple commands of a text, with those that its commands run in turn. Pure.

use super::words::{self, KEYWORDS, Piece, is_shell, program};

/// How deep commands may run commands: `sh -c`, `eval`, `find -exec`.
const DEEP: usize = 4;
/// Programs that run the command in their arguments.
const RUNNERS: [&str; 14] = [
    "env", "nohup", "time", "exec", "command", "builtin", "nice", "ionice", "stdbuf", "setsid", "xargs", "timeout",
    "busybox", "script",
];
/// Options of `find` that run the command behind them.
const RUN: [&str; 4] = ["-exec", "-execdir", "-ok", "-okdir"];
const PRIVILEGED: [&str; 4] = ["sudo", "doas", "su", "pkexec"];

/// The simple commands, each with its program's name first, without folder. A command that runs as another user is
/// there twice: as `sudo`, and as itself.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    split(text, DEEP, &mut found);
    found
}

fn split(text: &str, deep: usize, found: &mut Vec<Vec<String>>) {
    for piece in words::pieces(text) {
        match piece {
            Piece::Command(words) => simple(words, deep, found),
            Piece::Script(text) if deep > 0 => split(&text, deep - 1, found),
            Piece::Script(_) => {}
        }
    }
}

/// Adds one command, and those that it runs.
fn simple(words: Vec<String>, deep: usize, found: &mut Vec<Vec<String>>) {
    let mut words = words.as_slice();
    let mut is_privileged = false;
    while let Some(first) = words.first() {
        let program = program(first);
        if PRIVILEGED.contains(&program) {
            // Once is enough: a line of a thousand would be copied a thousand times.
            if !std::mem::replace(&mut is_privileged, true) {
                found.push([&[program.to_owned()], &words[1..]].concat());
            }
            words = after_flags(&words[1..]);
        } else if RUNNERS.contains(&program) {
            words = after_flags(&words[1..]);
        } else if KEYWORDS.contains(&first.as_str()) || is_assignment(first) {
            words = &words[1..];
        } else {
            break;
        }
    }
    let Some(first) = words.first() else { return };
    let program = program(first).to_owned();
    if is_shell(&program) || program == "eval" {
        let line = match program.as_str() {
            "eval" => Some(words[1..].join(" ")),
            _ => script(&words[1..]),
        };
        if let Some(line) = line.filter(|_| deep > 0) {
            return split(&line, deep - 1, found);
        }
    }
    if program == "find" && deep > 0 {
        executed(&words[1..]).into_iter().for_each(|words| simple(words, deep - 1, found));
    }
    found.push([&[program], &words[1..]].concat());
}

/// The folders that `find` searches.
pub fn searched(words: &[String]) -> &[String] {
    let is_option = |word: &String| ["-H", "-L", "-P"].contains(&word.as_str());
    let from = words.iter().position(|word| !is_option(word)).unwrap_or(words.len());
    let rest = &words[from..];
    let to = rest.iter().position(|word| word.starts_with(['-', '(', '!'])).unwrap_or(rest.len());
    &rest[..to]
}

/// The commands that `find` runs, for the folders that it searches. Of several `{}`, only the first is replaced: a line
/// of a thousand of each would make a million words.
fn executed(words: &[String]) -> Vec<Vec<String>> {
    let here = [".".to_owned()];
    let folders = match searched(words) {
        [] => &here,
        folders => folders,
    };
    let mut found = Vec::new();
    let mut rest = words;
    while let Some(at) = rest.iter().position(|word| RUN.contains(&word.as_str())) {
        let command = &rest[at + 1..];
        let to = command.iter().position(|word| word == ";" || word == "+").unwrap_or(command.len());
        let command = &command[..to];
        rest = &rest[at + 1 + to..];
        let Some(place) = command.iter().position(|word| word.contains("{}")) else {
            found.push(command.to_vec());
            continue;
        };
        let named = folders.iter().map(|folder| command[place].replacen("{}", folder, 1));
        found.push(command[..place].iter().cloned().chain(named).chain(command[place + 1..].iter().cloned()).collect());
    }
    found
}

/// The line that follows a shell's `-c` or `<<<`. Where quotes were lost on the way, it is several words.
fn script(words: &[String]) -> Option<String> {
    if let Some(at) = words.iter().position(|word| word == "<<<") {
        return words.get(at + 1).cloned();
    }
    let is_c = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    let at = words.iter().position(is_c)?;
    Some(words[at + 1..].join(" "))
}

/// What follows the options of a program that runs another one, and values such as `30s` or `NAME=value`.
fn after_flags(words: &[String]) -> &[String] {
    let mut rest = words;
    while let [first, after @ ..] = rest {
        let is_value = first.starts_with(|c: char| c.is_ascii_digit());
        if first.starts_with('-') {
            // Options with a value of their own.
            let has_value = ["-u", "-g", "-n", "-I", "-C", "-P", "-L", "-s", "-k"].contains(&first.as_str());
            rest = if has_value && !after.is_empty() { &after[1..] } else { after };
        } else if is_value || is_assignment(first) {
            rest = after;
        } else {
            break;
        }
    }
    rest
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.as_bytes()[0].is_ascii_digit()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        commands(text).into_iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn a_line_is_split_into_the_commands_that_it_runs() {
        for (line, found) in [
            ("cd a && rm -rf b; ls|wc", vec!["cd a", "rm -rf b", "ls", "wc"]),
            ("git commit -m \"a; sudo rm\" 'b|c'", vec!["git commit -m a; sudo rm b|c"]),
            ("bash -lc 'git push --force && echo \"x y\"'", vec!["git push --force", "echo x y"]),
            ("bash -lc git push", vec!["git push"]),
            ("sudo -u root /bin/rm -r x", vec!["sudo -u root /bin/rm -r x", "rm -r x"]),
            ("A=1 env B=2 timeout 30s xargs -n 1 rm -f", vec!["rm -f"]),
            ("echo \"a $(curl x) b\" c", vec!["curl x", "echo a $(…) b c"]),
            ("find / -name x -exec rm -rf {} \\;", vec!["rm -rf /", "find / -name x -exec rm -rf {} ;"]),
            ("if true; then rm x; fi", vec!["true", "rm x", "fi"]),
            ("echo it\\'s; ls", vec!["echo it's", "ls"]),
            ("'unclosed; rm", vec!["unclosed; rm"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line), found, "{line}");
        }
        let nested = "sh -c ".repeat(50) + "ls";
        assert_eq!(split(&nested).len(), 1);
    }

    #[test]
    fn quotes_comments_and_brackets_hide_no_command() {
        for (text, found) in [
            ("make # don't stop\nrm -rf x", vec!["make", "rm -rf x"]),
            ("# it's\nrm a#b '#c' ${x#y} $#", vec!["rm a#b #c ${x#y} $#"]),
            ("echo \"a `rm -rf x` b\" c", vec!["rm -rf x", "echo a (…) b c"]),
            ("echo `echo \\`rm x\\` # don't`; rm y", vec!["echo", "rm x", "echo (…)", "rm y"]),
            ("git push \"$(x)\" --force", vec!["x", "git push $(…) --force"]),
            ("echo $'it\\'s'; rm x", vec!["echo it's", "rm x"]),
            ("echo \"${x:-it's}\"; rm x", vec!["echo ${x:-it's}", "rm x"]),
            ("echo ${x:-a # }; rm x", vec!["echo ${x:-a # }", "rm x"]),
            (
                "echo \"$(case x in a) rm a;; *) rm b;; esac)\" c",
                vec!["case x in a", "rm a", "*", "rm b", "esac", "echo $(…) c"],
            ),
            ("git push x 2>&1 --force &>log; rm x", vec!["git push x 2>&1 --force &>log", "rm x"]),
            ("echo \\>& rm x", vec!["echo >", "rm x"]),
            ("diff <(rm a) <(rm b) --x", vec!["rm a", "rm b", "diff <(…) <(…) --x"]),
            ("(cd a; rm b) || rm c", vec!["cd a", "rm b", "rm c"]),
        ] {
            assert_eq!(split(text), found, "{text}");
        }
    }

    #[test]
    fn here_documents_are_data_unless_a_shell_reads_them() {
        for (text, found) in [
            ("cat > a <<'E'\nrm -rf x it's\nE\nrm b", vec!["cat > a", "rm b"]),
            ("cat <<-\"E F\" && ls\n\trm x\n\tE F\nrm b", vec!["cat", "ls", "rm b"]),
            ("cat <<A <<B\nrm x\nA\nrm y\nB\nrm z", vec!["cat", "rm z"]),
            ("cat <<E\nit's $(rm x) `rm y` rm z\nE\n", vec!["cat", "rm x", "rm y"]),
            ("bash <<E\nrm x\nE\nls", vec!["bash", "rm x", "ls"]),
            ("sudo sh -s <<'E'\nrm x\nE", vec!["sudo sh -s", "sh -s", "rm x"]),
            ("cat <<E | bash\nrm x\nE", vec!["cat", "bash", "rm x"]),
            ("cat <<E; bash y\nrm x\nE", vec!["cat", "bash y"]),
            ("eval \"$(cat <<E\nrm x\nE\n)\"", vec!["cat", "rm x", "…", "$(…)"]),
            ("while read l; do eval $l; done <<E\nrm x\nE", vec!["read l", "$l", "done", "rm x"]),
            ("(bash) <<E\nrm x\nE", vec!["bash", "rm x"]),
            ("bash <<< 'rm x'", vec!["rm x"]),
            ("cat <<< x\nrm y", vec!["cat <<< x", "rm y"]),
            ("echo $((1 << 2))\nrm x\n2", vec!["1 << 2", "echo $(…)", "rm x", "2"]),
            ("cat <<E\nrm x", vec!["cat", "rm x"]),
            ("cat << ", vec!["cat"]),
        ] {
            assert_eq!(split(text), found, "{text}");
        }
    }

    #[test]
    fn find_runs_its_commands_for_the_folders_that_it_searches() {
        for (line, found) in [
            ("find -L / ~ -exec rm -rf {} +", vec!["rm -rf / ~"]),
            ("find -exec rm {}/x \\; -execdir sh -c 'rm a' \\;", vec!["rm ./x", "rm a"]),
            ("find / -delete", vec![]),
        ] {
            let of_find: Vec<_> = split(line).into_iter().filter(|command| !command.starts_with("find")).collect();
            assert_eq!(of_find, found, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_made_to_cost_much_costs_little() {
        let pieces = [
            "su ",
            "find -exec ",
            "sudo find -exec ",
            "eval su ",
            "find / -exec {} ; ",
            "$(",
            "(",
            "`",
            "\"$(`",
            "${",
            "\"${",
            "<<a\n",
            "<<a ",
            "cat <<a\n$(",
            "bash <<a\n",
            "a\nbash <<a\n",
            "case x in a)",
            "$((",
            "#\n",
            "<<<",
            "$'",
            "{} ",
        ];
        for piece in pieces {
            let line = piece.repeat((32 << 10) / piece.len());
            let found: usize = commands(&line).iter().flatten().map(String::len).sum();
            assert!(found < 20 * line.len(), "{piece}: {found} bytes");
        }
    }
}
