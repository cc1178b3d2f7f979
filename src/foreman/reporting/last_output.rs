//! Finds the last output of the agent or command that made a run fail, so that nobody has to search its file.

use super::report::Report;
use crate::foreman::results::call_record::CallRecord;
use crate::foreman::results::command_result::{CommandResult, Output};
use crate::model::run::outcome::LastOutput;

/// How much of it is shown with the outcome: lines and characters.
const LINES: usize = 12;
const CHARACTERS: usize = 1200;

/// What made a run fail.
pub enum Culprit<'a> {
    Command(&'a CommandResult),
    /// The last call of an agent, and its stage.
    Call(&'a str, &'a CallRecord),
}

/// The failed command, else the last agent call.
pub fn culprit<'a>(report: &'a Report) -> Option<Culprit<'a>> {
    let stage = report.stages.last();
    let stage_runs = stage.into_iter().flat_map(|stage| stage.commands.iter().chain(&stage.tests));
    let failed = |done: &&CommandResult| !done.succeeded() && !done.was_cancelled();
    let command = report.setup.iter().chain(stage_runs).chain(&report.tests).rfind(failed);
    let last_call =
        || report.stages.iter().rev().find_map(|stage| Some(Culprit::Call(&stage.name, stage.calls.last()?)));
    command.map(Culprit::Command).or_else(last_call)
}

/// The last lines of what made the run fail.
pub fn find(report: &Report) -> Option<LastOutput> {
    Some(match culprit(report)? {
        Culprit::Command(command) => last_output(command.label.clone(), &command.tail, &command.output),
        Culprit::Call(stage, called) => of_call(stage, called),
    })
}

/// The end of an agent's output, or of its stderr when it said nothing else. Without any text, the file that has its
/// stream.
fn of_call(stage: &str, called: &CallRecord) -> LastOutput {
    let of = format!("{stage} ({})", called.agent);
    let errors = called.errors.as_ref().filter(|_| !called.errors_tail.trim().is_empty());
    match errors.filter(|_| called.tail.trim().is_empty()) {
        Some(errors) => last_output(of, &called.errors_tail, errors),
        None => last_output(of, &called.tail, &called.output),
    }
}

fn last_output(of: String, tail: &str, output: &Output) -> LastOutput {
    LastOutput { of, text: end_of(tail), file: output.file.clone() }
}

/// As many of the last lines of a text as fit.
fn end_of(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    let kept = lines[lines.len().saturating_sub(LINES)..].join("\n");
    let excess = kept.chars().count().saturating_sub(CHARACTERS);
    kept.chars().skip(excess).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_output_is_kept_and_bounded() {
        let long: String = (1..=40).map(|n| format!("line {n}\n")).collect();
        let kept = end_of(&long);
        assert!(kept.starts_with("line 29\n") && kept.ends_with("line 40"), "{kept}");
        assert_eq!(end_of(&"x".repeat(5_000)).len(), CHARACTERS);
        assert_eq!(end_of(""), "");
    }
}
