//! Actions that take long and run beside the loop, so that people's commands are answered meanwhile.

use std::sync::mpsc::Sender;

use serde_json::Value;

use super::refusals::answer;
use crate::base::{Exit, Result};
use crate::coordinator::message::Message;
use crate::coordinator::state::input::Reply;
use crate::exec;
use crate::hub::Hub;
use crate::ops::record::{self, Recorded};

/// Commits the record beside the loop: in a large one it takes seconds, and people's commands are answered meanwhile.
pub fn commit_beside(hub: &Hub, id: u64, queue: Sender<Message>) {
    let (root, clock) = (hub.root.clone(), hub.clock);
    in_background(id, queue, move || {
        let done = Hub::find(Some(&root), clock).and_then(|hub| record::commit(&hub));
        match done {
            Ok(Recorded::Skipped(why)) => Reply::NotNow { why },
            Ok(Recorded::Clean) => Reply::Unchanged,
            Ok(Recorded::Committed(_)) => Reply::Done,
            Err(e) => answer(&e),
        }
    });
}

/// Performs an action in a thread and answers it whatever happens there: the loop waits for that.
fn in_background(id: u64, queue: Sender<Message>, act: impl FnOnce() -> Reply + Send + 'static) {
    let failed = queue.clone();
    let begun = std::thread::Builder::new().spawn(move || {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        let reply = done.unwrap_or_else(|_| Reply::Broken { why: "a fault of teof ended it".into() });
        // When the loop has ended, the next process performs it again.
        let _ = queue.send(Message::Done { id, reply });
    });
    if let Err(e) = begun {
        let _ = failed.send(Message::Done { id, reply: Reply::Failed { why: format!("cannot start a thread: {e}") } });
    }
}

/// Merges a job's result by the granted policy, in a process of its own like that of a person: it runs tests. It goes
/// on when this process ends, and does nothing when the result is decided.
pub fn approve_beside(hub: &Hub, job: &str, id: u64, queue: Sender<Message>) {
    let (root, job) = (hub.root.clone(), job.to_owned());
    in_background(id, queue, move || {
        let root = root.display().to_string();
        let arguments = ["--root", &root, "--json", "review", "approve", &job, "--by-policy"];
        approve(&arguments).unwrap_or_else(|e| Reply::Failed { why: format!("{e:#}") })
    });
}

fn approve(arguments: &[&str]) -> Result<Reply> {
    let ended = exec::detached(arguments)?.stdin(std::process::Stdio::null()).output()?;
    if ended.status.success() {
        return Ok(Reply::Done);
    }
    let said: Value = serde_json::from_slice(&ended.stderr).unwrap_or_default();
    let part = |name: &str| said["error"][name].as_str().unwrap_or_default().to_owned();
    let why =
        [part("message"), part("reason")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let code = ended.status.code();
    let is = |exits: &[Exit]| exits.iter().any(|exit| code == Some(*exit as i32));
    Ok(match () {
        // Another approval runs.
        () if is(&[Exit::Held]) => Reply::NotNow { why },
        () if code.is_none() || is(&[Exit::TimedOut, Exit::Fault]) => Reply::Failed { why },
        () => Reply::Refused { why },
    })
}
