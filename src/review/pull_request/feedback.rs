//! Sends a result back to the coder for failing checks and review comments of its open pull request.
//!
//! Each failed check of a commit and each comment does so once: the decision names them. It takes one of the coder's
//! passes; when none is left the job is blocked, and a person decides. Only what people with write access say counts,
//! and never what the account says that opened the pull request, unless the settings name it: that may be an agent's.
//! Texts become findings, which prompts quote as data.

use std::collections::HashSet;

use super::forge::{self, Check, Comment, Said, State, Writers};
use super::memory;
use crate::base::{Result, text};
use crate::guard::operator::Recognised;
use crate::guard::secrets;
use crate::hub::settings::Feedback;
use crate::hub::{Hub, Transaction};
use crate::model::run::outcome::Finding;
use crate::review::bundles;
use crate::review::decision::{self, Decision, Kind};
use crate::review::input::{JobState, NewerCommits, ReviewInput};
use crate::review::lock;

/// How many comments go back at once, and how long each may be, in characters; the rest follows the next time.
const MOST: usize = 20;
const LONGEST: usize = 2000;
/// The code of a finding that a person wrote.
pub const COMMENT: &str = "pr.comment";
/// Of how many failed checks the log is read.
const LOGS: usize = 3;

/// Looks at the pull request of a bundle that waits; the decision that sends it back, if something new says so.
///
/// # Errors
/// `remote.*`, with gh's output, and [`lock::BUSY`] while somebody decides; nothing is recorded then.
pub fn take(hub: &Hub, bundle: &str) -> Result<Option<Decision>> {
    let settings = &hub.settings()?.review;
    let job = bundles::unverified(hub, bundle)?.job;
    let Some(ours) = memory::read(hub, &job)?.filter(|ours| ours.number > 0) else { return Ok(None) };
    if settings.feedback == Feedback::Off {
        return Ok(None);
    }
    let number = ours.number;
    let said = forge::read(hub, number, settings.feedback == Feedback::All)?;
    // Somebody pushed other commits: the coder would not continue from them.
    if said.head != ours.commit {
        return Ok(None);
    }
    let entry = bundles::at(hub, bundle)?;
    if entry.verify().is_err() || entry.bundle.job != job || !entry.is_pending() {
        return Ok(None);
    }
    let decided = decision::Files::list(hub)?.of_job(hub, &job)?;
    let handled: HashSet<String> = decided.into_iter().flat_map(|decision| decision.handled).collect();
    let mut writers = Writers::default();
    let counts = |login: &str| counts(login, &said.author, &settings.feedback_from) && writers.has(hub, login);
    let (checks, comments) = new(&said, &handled, counts);
    if checks.is_empty() && comments.is_empty() {
        return Ok(None);
    }
    let by = format!("checks and reviewers of pull request {number}");
    let (recognised, newer) = (Recognised::Neither, NewerCommits::Leave);
    let input = ReviewInput { by, recognised, note: None, job: JobState::Open, redo: false, newer, policy: None };
    let mut decision = entry.decide(Kind::Feedback, &input, hub.now());
    decision.pr = Some(number);
    decision.handled = checks.iter().map(|check| id_of(&said.head, check)).collect();
    decision.handled.extend(comments.iter().map(|comment| comment.id.clone()));
    let logs = checks.iter().enumerate().map(|(at, check)| (at < LOGS).then(|| forge::log(hub, check)).flatten());
    decision.findings = checks.iter().zip(logs).map(|(check, log)| of_check(check, log)).collect();
    decision.findings.extend(comments.iter().map(|comment| of_comment(comment)));
    // Not while an approval tests it.
    let _lock = lock::acquire(hub, "take feedback of a pull request")?;
    let mut writer = hub.lock("take feedback of a pull request")?;
    if decision::of_bundle(hub, &job, bundle)?.is_some() {
        return Ok(None);
    }
    let transaction = Transaction::new(format!("review feedback {}", decision.job));
    decision::record(&mut writer, transaction, &decision)?;
    Ok(Some(decision))
}

/// Whether an account's comments may count: the one that opened the pull request may be an agent's.
fn counts(login: &str, author: &str, named: &[String]) -> bool {
    match named {
        [] => login != author && !login.ends_with("[bot]"),
        named => named.iter().any(|name| name == login),
    }
}

/// What is new: failed checks once all have ended or somebody commented, and comments that count.
fn new<'s>(
    said: &'s Said,
    handled: &HashSet<String>,
    mut counts: impl FnMut(&str) -> bool,
) -> (Vec<&'s Check>, Vec<&'s Comment>) {
    let fresh = said.comments.iter().filter(|comment| !handled.contains(&comment.id));
    let comments: Vec<_> = fresh.filter(|comment| counts(&comment.login)).take(MOST).collect();
    let failed = said.checks.iter().filter(|check| check.state == State::Failed);
    let mut checks: Vec<_> = failed.filter(|check| !handled.contains(&id_of(&said.head, check))).take(MOST).collect();
    let is_running = said.checks.iter().any(|check| check.state == State::Running);
    if is_running && comments.is_empty() {
        checks.clear();
    }
    (checks, comments)
}

fn id_of(head: &str, check: &Check) -> String {
    format!("check:{head}:{}", text::clip(&text::safe(&check.name), 200))
}

fn of_check(check: &Check, log: Option<String>) -> Finding {
    let name = text::clip(&text::safe(&check.name), 200);
    let log = log.map(|log| format!("; the end of its log:\n{}", secrets::redact(&log))).unwrap_or_default();
    let finding = Finding::high("pr.check_failed", "", format!("the check {name} failed{log}"));
    match check.url.is_empty() {
        true => finding,
        false => finding.hint(text::clip(&text::safe(&check.url), 200)),
    }
}

fn of_comment(comment: &Comment) -> Finding {
    let body = text::clip(&secrets::redact(&text::safe_block(&comment.body)), LONGEST);
    let path = text::clip(&text::safe(comment.path.as_deref().unwrap_or_default()), 200);
    let message = format!("{} says: {body}", text::safe(&comment.login));
    let finding = Finding::high(COMMENT, path, message);
    match comment.line {
        Some(line) => finding.at(line),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(states: &[State], logins: &[&str]) -> Said {
        let check = |(at, state): (usize, &State)| Check { name: format!("c{at}"), state: *state, url: String::new() };
        let comment = |(at, login): (usize, &&str)| Comment {
            id: format!("comment:{at}"),
            login: (*login).to_owned(),
            path: None,
            line: None,
            body: "b".into(),
        };
        Said {
            head: "h".into(),
            author: "teof".into(),
            checks: states.iter().enumerate().map(check).collect(),
            comments: logins.iter().enumerate().map(comment).collect(),
        }
    }

    fn count(said: &Said, handled: &[&str]) -> (usize, usize) {
        let handled = handled.iter().map(|id| (*id).to_owned()).collect();
        let (checks, comments) = new(said, &handled, |login| counts(login, &said.author, &[]));
        (checks.len(), comments.len())
    }

    #[test]
    fn failed_checks_wait_for_the_others_unless_somebody_comments() {
        assert_eq!(count(&said(&[State::Failed, State::Passed], &[]), &[]), (1, 0));
        assert_eq!(count(&said(&[State::Failed, State::Running], &[]), &[]), (0, 0));
        assert_eq!(count(&said(&[State::Failed, State::Running], &["ann"]), &[]), (1, 1));
        assert_eq!(count(&said(&[State::Failed], &["ann"]), &["check:h:c0", "comment:0"]), (0, 0), "each once");
    }

    #[test]
    fn the_account_that_opened_it_and_bots_count_only_when_named() {
        assert_eq!(count(&said(&[], &["teof", "helper[bot]", "ann"]), &[]), (0, 1));
        let named = ["teof".to_owned()];
        assert!(counts("teof", "teof", &named) && !counts("ann", "teof", &named));
    }

    #[test]
    fn what_a_forge_says_becomes_bounded_text() {
        let comment = Comment {
            id: "1".into(),
            login: "ann".into(),
            path: Some("a\u{1b}[31m.rs".into()),
            line: Some(3),
            body: "x\u{1b}[2J".repeat(5_000),
        };
        let finding = of_comment(&comment);
        assert!(finding.message.chars().count() <= LONGEST + 20 && !finding.message.contains('\u{1b}'));
        assert!(!finding.path.unwrap().contains('\u{1b}'));
    }
}
