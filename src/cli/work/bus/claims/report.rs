//! Output of the commands that change a claim.

use serde_json::{Value, json};

use crate::base::{Stamp, text};
use crate::cli::App;
use crate::cli::support::terminal::Times;
use crate::ops::Answer;

/// Prints an answer: its document with `repeated` and `remarks`, or its text.
pub fn show(app: &App, answer: &Answer, render: impl FnOnce(&Value) -> String) {
    for remark in &answer.remarks {
        app.warn(remark);
    }
    let mut document = answer.document.clone();
    document["repeated"] = json!(answer.repeated);
    document["remarks"] = json!(answer.remarks);
    app.result(&document, || {
        let before = if answer.repeated { "Already done: " } else { "" };
        text::safe(&format!("{before}{}", render(&answer.document)))
    });
}

/// The text for a claim: `verb` is what happened to the task ("Claimed").
pub fn claim<'a>(verb: &'a str, times: Times) -> impl FnOnce(&Value) -> String + 'a {
    move |document| {
        let claim = &document["claim"];
        let part = |key: &str| claim[key].as_str().unwrap_or_default();
        let (task, agent) = (part("task_id"), part("agent_id"));
        let mut line = match document["event"].is_null() {
            true => format!("{task} is {} for {agent} already", part("status")),
            false => format!("{verb} {task} for {agent}"),
        };
        line += &format!(" (epoch {}", claim["epoch"]);
        if let Some(at) = claim["lease_expires_at"].as_str() {
            let shown = Stamp::parse(at).map_or_else(|| at.to_owned(), |at| times.at(at));
            line += &format!(", lease until {shown}");
        }
        line += &format!(", branch {})", part("branch"));
        if let Some(former) = document["from"]["agent_id"].as_str() {
            line += &format!("; previous owner {former} ({})", document["from"]["status"].as_str().unwrap_or_default());
        }
        line
    }
}
