//! Which files a command line writes, by its words. Pure.
//!
//! It knows redirections and the usual programs, and follows `cd`. What a script or an interpreter writes stays
//! unknown, and a word may be taken for a file that is none: a caller asks whether git tracks it.

use crate::agents::monitor;

/// The files that a command line writes or removes, relative to where it starts.
pub fn of(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folder = String::new();
    for words in monitor::shell_commands(line) {
        let Some((program, rest)) = words.split_first() else { continue };
        let mut add = |path: &str| {
            if !path.is_empty() && !path.starts_with("/dev/") && !path.starts_with('&') {
                found.push(if path.starts_with('/') { path.to_owned() } else { format!("{folder}{path}") });
            }
        };
        redirected(&words).for_each(&mut add);
        written(program, rest).into_iter().for_each(&mut add);
        if program == "cd"
            && let Some(to) = rest.first()
        {
            folder = if to.starts_with('/') { format!("{to}/") } else { format!("{folder}{to}/") };
        }
    }
    found
}

/// The files after `>` and `>>`.
fn redirected(words: &[String]) -> impl Iterator<Item = &str> {
    words.iter().enumerate().filter_map(|(at, word)| {
        let target = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&').strip_prefix('>')?;
        let target = target.trim_start_matches(['>', '|']);
        match target {
            "" => words.get(at + 1).map(String::as_str),
            target => Some(target),
        }
    })
}

/// The files that a program changes by its own arguments.
fn written<'w>(program: &str, rest: &'w [String]) -> Vec<&'w str> {
    let plain = || rest.iter().map(String::as_str).filter(|word| !word.starts_with('-') && !word.starts_with('>'));
    let edits_in_place = || rest.iter().any(|word| word.starts_with("-i") || word.starts_with("--in-place"));
    match program {
        "tee" | "rm" | "unlink" | "mv" | "truncate" | "touch" => plain().collect(),
        "cp" | "install" | "ln" => plain().next_back().into_iter().collect(),
        "sed" | "perl" | "ruby" if edits_in_place() => plain().collect(),
        "dd" => plain().filter_map(|word| word.strip_prefix("of=")).collect(),
        "git" => match plain().next() {
            Some("rm" | "mv" | "restore") => plain().skip(1).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_a_command_line_writes_are_found() {
        for (line, wanted) in [
            ("echo x > a && echo y >>b", vec!["a", "b"]),
            ("make 2>&1 | tee out.log >/dev/null", vec!["out.log"]),
            ("sed -i 's/a/b/' src/x.rs", vec!["s/a/b/", "src/x.rs"]),
            ("sed 's/a/b/' src/x.rs", vec![]),
            ("cd src && rm -rf x.rs", vec!["src/x.rs"]),
            ("bash -lc 'cp a /w/b'", vec!["/w/b"]),
            ("git rm a; git commit -m 'b > c'", vec!["a"]),
            ("cat > a <<'EOF'\nrm README.md\necho > b\nEOF\nmv c d", vec!["a", "c", "d"]),
            ("make &>log; echo x >|y", vec!["log", "y"]),
            ("n=$((1<<4))\nsed -i s/a/b/ c", vec!["s/a/b/", "c"]),
            ("echo 'a <<EOF'\nrm c", vec!["c"]),
            ("bash <<EOF\nrm c\nEOF", vec!["c"]),
            ("dd if=a of=b", vec!["b"]),
            ("cargo test -- x", vec![]),
        ] {
            assert_eq!(of(line), wanted, "{line}");
        }
    }
}
