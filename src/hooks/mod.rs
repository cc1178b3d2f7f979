//! Answers the hooks of agent programs that teof did not start: Claude Code, Codex, Gemini CLI and Cursor.
//!
//! A program describes what happens as JSON ([`Call`]); [`answer`] decides, and [`Answer::render`] says it in the
//! program's form. The same rules hold for all programs: a session boots its seat, an edit needs a claim and an allowed
//! path, what is edited is noted, and an agent that wants to stop is told what its seat has not reported.
//!
//! An agent runs a hook for every tool call, so one must be fast: it starts no process (except to make a worktree),
//! reads no log before an agent stops, and takes the bus lock only to start or renew a session and to renew a lease.
//! What it finds dangerous is a warning to a person or an agent, not a wall: results are checked by `guard::result`,
//! whatever a hook saw.

mod answer;
mod call;
mod edits;
mod gate;
mod record;
mod shell_writes;
mod start;
mod stop;
mod task;
mod worktree;

use crate::base::Result;
use crate::hub::Hub;

pub use answer::Answer;
pub use call::{Call, Moment, Program};

/// Decides about one call, and keeps what it tells.
pub fn answer(hub: &Hub, moment: Moment, call: &Call) -> Result<Answer> {
    let seat = task::seat(hub)?;
    let seat = seat.as_deref();
    match moment {
        Moment::SessionStart => start::start(hub, call, seat),
        Moment::Prompt => start::prompt(hub, call, seat),
        Moment::BeforeTool => gate::before_tool(hub, call, seat),
        Moment::AfterTool => gate::after_tool(hub, call, seat),
        Moment::SubagentStart => start::subagent(hub, call, seat),
        Moment::SubagentStop => stop::subagent(hub, call, seat),
        Moment::Stop => stop::stop(hub, call, seat),
        Moment::SessionEnd => stop::end(hub, call),
        Moment::WorktreeCreate => worktree::create(hub, call, seat),
    }
}
