//! Splits a command line into its simple commands, as far as a watcher needs it.
//!
//! It understands quotes, `;`, `&&`, pipes, substitutions, `sh -c`, and programs that run another one (`sudo`, `env`,
//! `xargs`, …). It expands nothing.

/// How deep commands may run commands: `sh -c`, `eval`, `find -exec`.
const DEEP: usize = 4;
/// Programs that run the command in their arguments.
const RUNNERS: [&str; 14] = [
    "env", "nohup", "time", "exec", "command", "builtin", "nice", "ionice", "stdbuf", "setsid", "xargs", "timeout",
    "busybox", "script",
];
const PRIVILEGED: [&str; 4] = ["sudo", "doas", "su", "pkexec"];
const SHELLS: [&str; 5] = ["sh", "bash", "zsh", "dash", "ksh"];
const KEYWORDS: [&str; 9] = ["then", "do", "else", "elif", "if", "while", "until", "!", "{"];

/// The simple commands, each with its program's name first, without folder. A command that runs as another user is
/// there twice: as `sudo`, and as itself.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    split(text, DEEP, &mut found);
    found
}

fn split(text: &str, deep: usize, found: &mut Vec<Vec<String>>) {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    // The quotes around the substitutions that are open.
    let (mut quote, mut outer) = (None, Vec::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let substitutes = quote != Some('\'') && (c == '`' || (c == '$' && chars.peek() == Some(&'(')));
        match c {
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            '\\' if quote != Some('\'') => match chars.next() {
                Some('\n') | None => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            _ if substitutes => {
                if c == '$' {
                    chars.next();
                    outer.push(quote.take());
                }
                words.extend(word.take());
                simple(std::mem::take(&mut words), deep, found);
            }
            ';' | '|' | '&' | '\n' | '(' | ')' if quote.is_none() => {
                words.extend(word.take());
                simple(std::mem::take(&mut words), deep, found);
                if c == ')' {
                    quote = outer.pop().flatten();
                }
            }
            c if c.is_whitespace() && quote.is_none() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.take());
    simple(words, deep, found);
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
    if SHELLS.contains(&program.as_str()) || program == "eval" {
        let line = match program.as_str() {
            "eval" => Some(words[1..].join(" ")),
            _ => script(&words[1..]),
        };
        if let Some(line) = line.filter(|_| deep > 0) {
            return split(&line, deep - 1, found);
        }
    }
    if program == "find"
        && deep > 0
        && let Some(at) = words.iter().position(|word| ["-exec", "-execdir", "-ok"].contains(&word.as_str()))
    {
        simple(words[at + 1..].to_vec(), deep - 1, found);
    }
    found.push([&[program], &words[1..]].concat());
}

/// The line that follows a shell's `-c`. Where quotes were lost on the way, it is several words.
fn script(words: &[String]) -> Option<String> {
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

/// A program's name without its folder.
fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
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
            ("echo \"a $(curl x) b\" c", vec!["echo a ", "curl x", " b c"]),
            ("find / -name x -exec rm -rf {} \\;", vec!["rm -rf {} ;", "find / -name x -exec rm -rf {} ;"]),
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
    fn a_line_that_is_made_to_cost_much_costs_little() {
        for piece in ["su ", "find -exec ", "sudo find -exec ", "eval su "] {
            let line = piece.repeat((32 << 10) / piece.len());
            let found: usize = commands(&line).iter().flatten().map(String::len).sum();
            assert!(found < 20 * line.len(), "{piece}: {found} bytes");
        }
    }
}
