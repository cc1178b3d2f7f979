//! Shared by the review commands: who decides, and how progress is printed.

use crate::base::Result;
use crate::cli::App;
use crate::guard::{operator, secrets};
use crate::review::{NewerCommits, ReviewInput};

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

/// Who says it: `--by`, else the name that git knows the person by.
pub(super) fn input(app: &App, by: Option<String>, note: Option<String>) -> Result<ReviewInput> {
    let recognised = operator::require("decide about work")?;
    let by = operator::name(app.hub()?, by.as_deref())?;
    let note = note.filter(|note| !note.trim().is_empty());
    secrets::check_text("note", note.as_deref().unwrap_or_default())?;
    Ok(ReviewInput { by, recognised, note, job_open: false, redo: false, newer: NewerCommits::Ask })
}
