//! Holds: a `hold` message in a task's channel blocks choosing, claiming, completing, releasing and merging the task
//! until a `lift` by another seat than the holder of the task. `ops::held` enforces them.

use crate::base::{Refusal, Result, Stamp, jsonl, time};
use crate::hub::{Hub, paths};
use crate::model::message::{HOLD, LIFT, MessageLine};

/// An active hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub by: String,
    pub at: Option<Stamp>,
    pub summary: String,
}

/// The hold on a task, if any: the latest `hold` or `lift` decides. A union merge may have reordered lines, so times
/// come first and the order breaks ties. A message dated in the future counts as sent together with the latest one
/// before it.
pub fn on(hub: &Hub, task: &str) -> Result<Option<Hold>> {
    let mut latest: Option<(Option<Stamp>, MessageLine)> = None;
    let horizon = hub.now().plus(time::SKEW);
    jsonl::for_each_line(&hub.path(&paths::channel(task))?, 0, |_, _, line| {
        if let Some(message) = MessageLine::parse(line).filter(|m| matches!(m.kind(), Some(HOLD | LIFT))) {
            let known = latest.as_ref().and_then(|(known, _)| *known);
            let at = message.at().filter(|at| *at <= horizon).or(known);
            if latest.as_ref().is_none_or(|(before, _)| at >= *before) {
                latest = Some((at, message));
            }
        }
        Ok(true)
    })?;
    let hold = latest.filter(|(_, message)| message.kind() == Some(HOLD));
    Ok(hold.map(|(at, message)| Hold {
        by: message.from().unwrap_or("somebody").to_owned(),
        at,
        summary: message.summary().unwrap_or_default().to_owned(),
    }))
}

/// Refusal for a task whose work is on hold, in the channel of `held_as`; `what` is the refused action: "release".
pub fn refusal(task: &str, held_as: &str, hold: Hold, what: &str) -> Refusal {
    let since = hold.at.map(|at| format!(" since {at}")).unwrap_or_default();
    Refusal::guard("task.on_hold", format!("{task} is on hold{}: no {what}", other_name(task, held_as)))
        .because(format!("{} holds it{since}: {}", hold.by, hold.summary))
        .next(format!("when the reason no longer applies: teof bus message --task {held_as} --type {LIFT} --summary …"))
        .with("task_id", task)
        .with("held_as", held_as)
        .with("held_by", hold.by)
        .with("summary", hold.summary)
}

/// Refusal for a seat that holds the work, as `held_as`, and wants to lift the hold: another seat must lift it, even
/// if the last hold is its own.
pub fn own_hold(task: &str, held_as: &str, agent: &str) -> Refusal {
    let other = other_name(task, held_as);
    Refusal::guard("task.own_hold", format!("{agent} holds {task}{other}, so it cannot lift the hold"))
        .because("a hold stops the seat that holds the task, so another seat must lift it")
        .next("ask the manager: teof bus message --task manager-report --type request --summary …")
        .with("task_id", task)
        .with("held_as", held_as)
}

fn other_name(task: &str, held_as: &str) -> String {
    if task == held_as { String::new() } else { format!(", as {held_as}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    #[test]
    fn the_latest_hold_or_lift_counts_in_any_line_order() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert!(std::process::Command::new("git").args(["init", "-q"]).arg(&root).status().unwrap().success());
        for folder in ["_bus/messages", "_plans", "_report"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let hub = Hub::find(Some(&root), Clock::Machine).unwrap();
        assert_eq!(on(&hub, "A").unwrap(), None);
        let line = |hour, kind| {
            format!("{{\"ts\":\"2026-01-05T{hour}:00:00Z\",\"from\":\"m\",\"type\":\"{kind}\",\"summary\":\"wait\"}}\n")
        };
        let after = |lines: &[String]| {
            std::fs::write(root.join("_bus/messages/A.jsonl"), lines.concat()).unwrap();
            on(&hub, "A").unwrap().is_some()
        };
        assert!(after(&[line("10", "hold"), line("11", "status")]));
        assert!(!after(&[line("10", "hold"), line("11", "lift")]));
        assert!(after(&[line("12", "hold"), line("10", "hold"), line("11", "lift")]));
        let tomorrow = line("10", "hold").replace("2026", "2999");
        assert!(after(&[line("10", "lift"), tomorrow.clone()]));
        assert!(!after(&[line("10", "lift"), tomorrow, line("11", "lift")]), "nothing is held until the year 2999");
        assert!(!after(&[line("12", "hold"), "not json\n".to_owned(), line("12", "lift")]));
    }
}
