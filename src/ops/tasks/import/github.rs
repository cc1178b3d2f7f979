//! GitHub issues, as `gh issue list --json` prints them.

use std::path::Path;

use serde_json::{Map, Value};

use super::foreign::{Found, Item, Standing, Tool};
use super::read::{self, priority, word};
use crate::base::{Refusal, Result};
use crate::hub::Hub;
use crate::hub::git::gh;

const TOOL: Tool = Tool::GithubIssues;
const FIELDS: &str = "number,title,body,state,labels,url";
/// A field that gh has since 2.51; before, the issues that it tells of are searched for.
const REASON: &str = "stateReason";
/// How many issues gh lists, the newest.
const MOST: usize = 1000;

/// The issues of a file that gh wrote, or of the hub's repository.
pub fn find(hub: &Hub, path: Option<&Path>) -> Result<Found> {
    match path {
        Some(path) => {
            let text = read::file(TOOL, path)?;
            let issues = serde_json::from_str(&text).map_err(|e| read::odd(TOOL, path, &e.to_string()))?;
            Ok(of(issues, &[]))
        }
        None => list(hub, None, &[]),
    }
}

/// Asks gh for the issues of a repository (`owner/name`; `None`: the hub's) that have all these labels.
pub fn list(hub: &Hub, repository: Option<&str>, labels: &[String]) -> Result<Found> {
    let otherwise = format!(
        "import a file: gh issue list --state all --limit {MOST} --json {FIELDS} > issues.json && \
         teof import github-issues issues.json"
    );
    let ask = |args: &[&str]| -> Result<Vec<Map<String, Value>>> {
        let mut command = gh::command(hub.git(), &hub.root, &hub.settings()?.git.remote)?;
        command.args(["issue", "list", "--limit", &MOST.to_string()]).args(args);
        command.args(repository.map(|name| format!("--repo={name}")));
        let printed = read::output(TOOL, &mut command, &otherwise)?;
        serde_json::from_slice(&printed).map_err(|e| read::odd(TOOL, Path::new("gh issue list"), &e.to_string()))
    };
    let issues = match ask(&["--state", "all", "--json", &format!("{FIELDS},{REASON}")]) {
        Err(e) if lacks_reason(&e) => {
            let search = ["--state", "closed", "--search", "reason:\"not planned\"", "--json", "number"];
            with_reasons(ask(&["--state", "all", "--json", FIELDS])?, &ask(&search)?)
        }
        asked => asked?,
    };
    let is_cut = issues.len() >= MOST;
    let mut found = of(issues, labels);
    if is_cut {
        found.skip("older issues", format!("gh lists the newest {MOST}; import a file of all of them"));
    }
    Ok(found)
}

fn lacks_reason(error: &anyhow::Error) -> bool {
    let reason = Refusal::of(error).and_then(|refusal| refusal.reason.as_deref());
    reason.is_some_and(|reason| reason.contains("Unknown JSON field"))
}

/// The issues; those that are among the dropped ones were not planned.
fn with_reasons(mut issues: Vec<Map<String, Value>>, dropped: &[Map<String, Value>]) -> Vec<Map<String, Value>> {
    for issue in &mut issues {
        if dropped.iter().any(|one| one.get("number") == issue.get("number")) {
            issue.insert(REASON.to_owned(), "NOT_PLANNED".into());
        }
    }
    issues
}

fn of(issues: Vec<Map<String, Value>>, wanted: &[String]) -> Found {
    let mut found = Found::default();
    for issue in &issues {
        let number = word(issue, "number");
        let labels = issue.get("labels").and_then(Value::as_array).into_iter().flatten();
        let labels: Vec<String> =
            labels.filter_map(Value::as_object).map(|label| word(label, "name").trim().to_lowercase()).collect();
        if let Some(label) = wanted.iter().find(|label| !labels.contains(&label.trim().to_lowercase())) {
            found.skip(format!("#{number}"), format!("it lacks the label {label}"));
            continue;
        }
        let is_closed = word(issue, "state").eq_ignore_ascii_case("closed");
        let item = Item {
            standing: if is_closed { Standing::Done } else { Standing::Open },
            priority: labels.iter().find_map(|label| of_label(label)),
            notes: word(issue, "body").replace("\r\n", "\n").trim().to_owned(),
            link: Some(word(issue, "url")).filter(|url| !url.is_empty()),
            ..Item::new(format!("#{number}"), format!("gh-{number}"), word(issue, "title"))
        };
        found.items.push(match word(issue, REASON).to_lowercase().as_str() {
            "not_planned" if is_closed => item.dropped("it is not planned"),
            "duplicate" if is_closed => item.dropped("it is a duplicate"),
            _ => item,
        });
    }
    found
}

/// `P1`, `priority: high`, `high-priority`, `urgent`.
fn of_label(label: &str) -> Option<&'static str> {
    match label {
        "p0" => return Some("urgent"),
        "p1" => return Some("high"),
        "p2" => return Some("medium"),
        "p3" | "p4" => return Some("low"),
        _ => {}
    }
    let names_priority =
        label.contains("priority") || label.contains("prio") || label == "urgent" || label == "critical";
    let mut parts = label.split(|c: char| !c.is_alphanumeric());
    names_priority.then(|| parts.find_map(priority)).flatten()
}
