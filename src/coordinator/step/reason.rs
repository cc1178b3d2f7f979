//! Texts that explain why a job ended.

use crate::base::text;
use crate::coordinator::state::Job;
use crate::model::run::outcome::{Finding, LastOutput, Outcome};

/// The longest reason that is kept in the state, in characters.
pub(super) const MAX_REASON: usize = 300;
/// The longest last line shown, in characters.
const MAX_LINE: usize = 300;

/// The last output line of what made a job fail, as text that follows the reason.
pub(in crate::coordinator) fn said_last(job: &Job) -> String {
    let output = job.last.as_ref().and_then(|last| last.output.as_ref());
    output.map(last_line).unwrap_or_default()
}

fn last_line(output: &LastOutput) -> String {
    let line = output.text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let said = |line| {
        let of = text::clip(&text::safe(&output.of), 60);
        format!("; last output of {of}: {}", text::clip(&text::safe(line), MAX_LINE))
    };
    line.map(said).unwrap_or_default()
}

/// The findings missing from a refusal's reason, as text that follows it; without those that are only information.
pub(in crate::coordinator) fn beyond(outcome: &Outcome) -> String {
    let untold = outcome.findings.iter().filter(|found| found.stops() || found.needs_person());
    let untold = untold.filter(|found| !outcome.reason.contains(&found.message));
    summary(&untold.cloned().collect::<Vec<_>>())
}

/// The first findings, as text that follows a reason.
pub(in crate::coordinator) fn summary(findings: &[Finding]) -> String {
    let one = |found: &Finding| {
        let at = found.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = found.path.as_deref().map(|path| format!("{path}{at}: ")).unwrap_or_default();
        format!("{place}{}", text::clip(&text::safe(&found.message), 100))
    };
    let told: Vec<_> = findings.iter().take(3).map(one).collect();
    match told.is_empty() {
        true => String::new(),
        false => format!(": {}", told.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_without_text_is_not_told() {
        let said =
            |text: &str| last_line(&LastOutput { of: "coder (claude)".into(), text: text.into(), file: String::new() });
        assert_eq!(said("one\ntwo\n\n"), "; last output of coder (claude): two");
        assert_eq!(said(" \n"), "");
    }
}
