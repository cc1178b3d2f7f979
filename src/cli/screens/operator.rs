//! Carries out operator commands that are given on a screen or a page, as the command line does.

use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::cli::review::{approve, reject, retry};
use crate::cli::session::note;
use crate::cli::support::app::Global;
use crate::cli::support::failure;
use crate::cli::unattended::coordinator::{commands, send};
use crate::faces::operator::{Command, Operator};

/// Does what the commands of the same names do, and prints nothing.
pub struct Commands {
    global: Global,
}

impl Commands {
    /// For the hub of `app`.
    ///
    /// # Errors
    /// When there is no hub.
    pub fn of(app: &App) -> Result<Commands> {
        let root = Some(app.hub()?.root.clone());
        Ok(Commands { global: Global { root, json: false, quiet: true } })
    }

    fn carry_out(&self, command: &Command, progress: &dyn Fn(&str)) -> Result<Vec<String>> {
        let app = &App::new(&self.global)?;
        match command.clone() {
            Command::Approve { job } => approve::decide(app, &job, progress),
            Command::Retry { job, note } => retry::decide(app, &job, note),
            Command::Reject { job, note } => reject::decide(app, &job, note),
            Command::Answer { job, text } => send::told(app, commands::allowed_answer(job, &text)?, None),
            Command::Note { job, text } => note::send_for_screen(app, &job, &text),
            Command::Cancel { job } => send::told(app, commands::allowed_cancel(job, false)?, None),
            Command::Pause => send::told(app, commands::allowed_pause()?, None),
            Command::Resume => send::told(app, commands::allowed_resume(None)?, None),
        }
    }
}

impl Operator for Commands {
    fn perform(&self, command: &Command, progress: &dyn Fn(&str)) -> Result<Vec<String>, Refusal> {
        self.carry_out(command, progress).map_err(|e| failure::refusal(&e))
    }
}
