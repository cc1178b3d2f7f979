//! Shared by the review commands: who decides, and how progress is printed.

use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::coordinator::state::{Ending, Phase, store};
use crate::foreman::calls::notes;
use crate::guard::operator;
use crate::guard::operator::Recognised;
use crate::hub::Hub;
use crate::model::priority::Priority;
use crate::review::{Entry, JobState, NewerCommits, ReviewInput, bundles, lock, policy};

/// Tells what a decision does: a line for each thing done, and the time that the current one takes. With `--json`
/// stderr is kept for the one document of an error.
pub(super) fn progress<'a>(app: &'a App, doing: &str) -> impl Fn(&str) + 'a {
    let shown = app.progress(doing);
    move |line| {
        shown.stage(line);
        print_progress(app, line);
    }
}

/// Progress; with `--json` stderr is kept for the one document of an error.
pub(super) fn print_progress(app: &App, line: &str) {
    if !app.json() {
        app.say(line);
    }
}

/// Takes a person's decision once no other process decides.
///
/// # Errors
/// As `decide`; `review.busy` when another process does not finish in time.
pub(super) fn when_free<T>(app: &App, decide: impl Fn() -> Result<T>) -> Result<T> {
    lock::when_free(app.hub()?, &|line| print_progress(app, line), decide)
}

/// Who says it: `--by`, else the name that git knows the person by.
pub(super) fn input(app: &App, by: Option<String>, note: Option<String>) -> Result<ReviewInput> {
    let recognised = operator::require("decide about work")?;
    let by = operator::name(app.hub()?, by.as_deref())?;
    let note = note.filter(|note| !note.trim().is_empty());
    notes::check("note", note.as_deref().unwrap_or_default())?;
    Ok(ReviewInput {
        by,
        recognised,
        note,
        job: JobState::Finished,
        redo: false,
        newer: NewerCommits::Ask,
        policy: None,
    })
}

/// The policy that decides about work of a priority.
pub(super) fn policy(hub: &Hub, priority: Priority) -> Result<ReviewInput> {
    let policy = policy::in_force(hub, priority)?;
    let by = format!("policy granted by {}", policy.granted_by);
    let (recognised, newer) = (Recognised::Policy, NewerCommits::Ask);
    Ok(ReviewInput { by, recognised, note: None, job: JobState::Open, redo: false, newer, policy: Some(policy) })
}

/// `j1 Document the parser`, safe to print.
pub(super) fn name(entry: &Entry) -> String {
    text::safe(&format!("{} {}", entry.bundle.short(), text::clip(&entry.bundle.goal.title, 60)))
}

/// The result that a name means.
///
/// # Errors
/// As [`bundles::find`]; for a job without a result the error says where the job stands.
pub(super) fn entry(hub: &Hub, name: &str) -> Result<Entry> {
    bundles::find(hub, name).map_err(|e| {
        let is_unknown = Refusal::of(&e).is_some_and(|refusal| refusal.code == "review.not_found");
        let explained = if is_unknown { no_result(hub, name) } else { None };
        explained.map_or(e, Into::into)
    })
}

fn no_result(hub: &Hub, name: &str) -> Option<Refusal> {
    let state = store::load(hub).ok()?;
    let job = state.find(name).ok().filter(|job| job.is_called(name))?;
    let (short, standing) = (job.short(), job.label());
    let what = format!("{short} has no result to decide about ({standing})");
    let mut refusal = Refusal::not_found("review.not_found", what).with("phase", standing);
    if let Some(last) = &job.last {
        refusal = refusal.because(text::safe(&last.reason));
    }
    let logs = format!("see what happened: teof logs {short}");
    Some(match job.phase {
        Phase::Question { .. } => {
            refusal.next(answer_it(&short)).next(format!("or stop it: teof coordinator cancel {short}"))
        }
        Phase::Over { ending: Ending::Blocked, .. } => {
            refusal.next(logs).next(format!("try again: teof review retry {short}"))
        }
        _ => refusal.next(logs),
    })
}

/// What answers the question of a job.
pub(super) fn answer_it(short: &str) -> String {
    format!("answer its question: teof coordinator answer {short} \"...\"")
}
