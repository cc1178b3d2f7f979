//! Gives one decision about several jobs: each is decided on its own, and a summary ends the answer.
//!
//! A job that is refused does not stop the others. One job that is named alone is answered as if this file did not
//! exist: its own document, its own exit code.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::failure;
use crate::cli::support::terminal::style;

/// How many refused jobs a summary names.
const NAMED: usize = 20;

/// What came of a decision about one job.
#[derive(Debug)]
pub struct Done {
    /// The answer with `--json`.
    pub document: Value,
    /// What happened; its first line stands for all of it.
    pub lines: Vec<String>,
    /// What can be done about it, where one job alone was asked for.
    pub hint: Option<String>,
}

impl Done {
    /// What happened, and what can be done about it.
    pub fn all_lines(self) -> Vec<String> {
        self.lines.into_iter().chain(self.hint).collect()
    }
}

/// The words of a command's messages.
#[derive(Debug)]
pub struct Words {
    /// `Approving`
    pub doing: &'static str,
    /// `Approved`
    pub done: &'static str,
}

/// Prints what came of a decision about the one job that is named.
pub fn single(app: &App, done: Done) -> ExitCode {
    let document = done.document.clone();
    app.result(&document, || done.all_lines().join("\n"));
    ExitCode::SUCCESS
}

/// Decides about each of `names` in turn; the exit code is the highest of theirs.
pub fn several(app: &App, names: &[String], words: &Words, mut one: impl FnMut(&str) -> Result<Done>) -> ExitCode {
    let (mut documents, mut refused, mut code) = (Vec::new(), Vec::new(), 0);
    for (at, name) in names.iter().enumerate() {
        let shown = text::clip(&text::safe(name), 60);
        if !app.json() {
            app.say(format!("{} {shown} ({} of {})", words.doing, at + 1, names.len()));
        }
        match one(name) {
            Ok(Done { mut document, lines, .. }) => {
                if !app.json() {
                    let is_named = lines.first().is_some_and(|line| is_named_in(name, line));
                    let name = if is_named { String::new() } else { format!("{shown}: ") };
                    app.out(style::wrap(&format!("{name}{}", lines.join("\n  ")), style::columns(), 2));
                }
                document["name"] = json!(name);
                document["ok"] = json!(true);
                documents.push(document);
            }
            Err(error) => {
                let mut refusal = failure::refusal(&error);
                code = code.max(refusal.exit as u8);
                let mut document = json!(failure::document(&refusal));
                if !app.json() {
                    if !is_named_in(name, &refusal.message) {
                        refusal.message = format!("{shown}: {}", refusal.message);
                    }
                    failure::show(&refusal, false);
                }
                document["name"] = json!(name);
                document["ok"] = json!(false);
                documents.push(document);
                refused.push(shown);
            }
        }
    }
    app.result(&documents, || summary(words.done, names.len(), &refused));
    ExitCode::from(code)
}

/// Whether a text names something: `j1`, which is not in a text about `j12`.
fn is_named_in(name: &str, text: &str) -> bool {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(is_in_word) && !text[at + name.len()..].starts_with(is_in_word))
}

/// The names in their order, each once.
pub fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// `Approved 3 of 5: j2 and j7 were refused`
fn summary(done: &str, of: usize, refused: &[String]) -> String {
    let head = format!("{done} {} of {of}", of - refused.len());
    match refused.len() {
        0 => head,
        1 => format!("{head}: {} was refused", listed(refused)),
        _ => format!("{head}: {} were refused", listed(refused)),
    }
}

/// `j1`, `j1 and j2`, `j1, j2 and j3`.
pub fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut shown: Vec<String> = names.iter().take(NAMED).cloned().collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    match shown.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_another_job_does_not_name_this_one() {
        assert!(is_named_in("j1", "j1 is in conflict with main") && is_named_in("j1", "no result of j1."));
        assert!(!is_named_in("j1", "j12 comes first") && !is_named_in("docs", "merge docs-2 first"));
    }

    #[test]
    fn a_summary_counts_and_names_what_was_refused() {
        let refused = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(summary("Approved", 3, &[]), "Approved 3 of 3");
        assert_eq!(summary("Approved", 3, &refused(&["j2"])), "Approved 2 of 3: j2 was refused");
        assert_eq!(summary("Approved", 5, &refused(&["j2", "j7"])), "Approved 3 of 5: j2 and j7 were refused");
        assert_eq!(listed(&refused(&["j1", "j2", "j3"])), "j1, j2 and j3");
        let many: Vec<_> = (1..=22).map(|n| format!("j{n}")).collect();
        assert!(listed(&many).ends_with("j20 and 2 more"), "{}", listed(&many));
    }
}
