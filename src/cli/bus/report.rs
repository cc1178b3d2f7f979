//! How a change of a claim is told.

use serde_json::{Map, Value, json};

use crate::base::text;
use crate::cli::App;
use crate::ops::claim::Done;

/// Prints what was done: `verb` is what happened to the task ("claimed").
pub fn show(app: &App, done: &Done, verb: &str) {
    for remark in &done.remarks {
        app.say(format!("note: {}", text::safe(remark)));
    }
    app.result(&document(done), || words(done, verb));
}

/// `{claim: {…}, path, event, from?, remarks}`; `event` is null when nothing had to be written.
pub fn document(done: &Done) -> Value {
    let fields = done.claim.fields().into_iter().filter(|(_, value)| !value.is_null());
    let claim: Map<String, Value> = fields.map(|(key, value)| (key.to_owned(), value)).collect();
    let from = done
        .from
        .as_ref()
        .map(|from| json!({"agent_id": from.agent_id, "status": from.status.as_str(), "epoch": from.epoch}));
    json!({"claim": claim, "path": done.path(), "event": done.event, "from": from, "remarks": done.remarks})
}

fn words(done: &Done, verb: &str) -> String {
    let claim = &done.claim;
    let mut line = match done.event {
        Some(_) => format!("{verb} {} for {}", claim.task_id, claim.agent_id),
        None => format!("{} is {} for {} already", claim.task_id, claim.status, claim.agent_id),
    };
    line += &format!(" (epoch {}, {}, {})", claim.epoch, claim.branch, done.path());
    if let Some(from) = &done.from {
        line += &format!("; {} had it ({})", from.agent_id, from.status);
    }
    if let Some(at) = claim.lease_expires_at {
        line += &format!("; lease until {at}");
    }
    text::safe(&line)
}
