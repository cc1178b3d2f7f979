//! Appends to the event log: `_bus/events/events.jsonl`, with its sealed parts `events-<first ts>.jsonl`.
//!
//! The log is a set of lines. The lines of one agent form a chain: each contains the id of the one before it.

use std::fs;

use super::line;
use super::log::Log;
pub use super::log::logs;
use super::summary::chain_id;
use crate::base::{Result, jsonl, names};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::event::{Event, EventView};

/// Stages an event in a transaction, chained to the same agent's last one (in the log, or before it in the
/// transaction). Returns its id.
///
/// # Errors
/// When a name cannot be used or a text is empty or too long; nothing is staged then.
pub fn stage(writer: &Writer<'_>, transaction: &mut Transaction, event: &Event) -> Result<String> {
    check(event)?;
    let hub = writer.hub();
    let prev =
        match transaction.pending_lines(paths::EVENTS).and_then(|lines| head_in(lines.as_bytes(), &event.agent_id)) {
            Some(id) => Some(id),
            None => Log::read(hub)?.head(&event.agent_id).map(str::to_owned),
        };
    let (line, id) = event.line(hub.now(), prev.as_deref());
    line::check_line(&line)?;
    seal_if_large(hub, transaction)?;
    transaction.append(paths::EVENTS, &line);
    Ok(id)
}

fn check(event: &Event) -> Result<()> {
    names::check_id("agent", &event.agent_id)?;
    line::check_word("event", &event.event)?;
    line::check_text("summary", &event.summary)?;
    if let Some(task) = &event.task_id {
        names::check_id("task", task)?;
    }
    Ok(())
}

/// Beyond `log.seal_at` bytes the log is renamed after its first line's time in the same transaction, and a new one
/// starts.
fn seal_if_large(hub: &Hub, transaction: &mut Transaction) -> Result<()> {
    let path = hub.path(paths::EVENTS)?;
    let size = fs::symlink_metadata(&path).map_or(0, |meta| meta.len());
    if size < hub.settings()?.log.seal_at.max(1) || transaction.renamed().any(|path| path == paths::EVENTS) {
        return Ok(());
    }
    let mut first = None;
    jsonl::for_each_line(&path, 0, |_, _, line| {
        first = EventView::parse(line).ok().and_then(|view| view.at());
        Ok(false)
    })?;
    let stem = format!("{}{}", paths::SEALED, first.unwrap_or(hub.now()).compact());
    for n in 1.. {
        let name = if n == 1 { format!("{stem}.jsonl") } else { format!("{stem}-{n}.jsonl") };
        if fs::symlink_metadata(hub.path(&name)?).is_err() {
            transaction.rename(paths::EVENTS, name);
            break;
        }
    }
    Ok(())
}

fn head_in(lines: &[u8], agent: &str) -> Option<String> {
    lines.rsplit(|&b| b == b'\n').find_map(|line| id_of(line, agent))
}

/// The id of a line, when the line is this agent's.
fn id_of(line: &[u8], agent: &str) -> Option<String> {
    let view = EventView::parse(line).ok().filter(|view| view.agent_id.as_deref() == Some(agent))?;
    chain_id(&view).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::testing::repository;
    use crate::model::event::{Seal, check_seal};

    #[test]
    fn events_of_one_agent_chain_within_and_across_transactions() {
        let (_dir, hub) = repository();
        let mut ids = Vec::new();
        for _ in 0..2 {
            let mut writer = hub.lock("test").unwrap();
            let mut transaction = Transaction::new("test");
            for agent in ["a", "b", "a"] {
                ids.push(stage(&writer, &mut transaction, &Event::new(agent, "status", "x")).unwrap());
            }
            writer.commit(transaction).unwrap();
        }
        let text = fs::read_to_string(hub.root.join(paths::EVENTS)).unwrap();
        let lines: Vec<_> = text.lines().map(|line| EventView::parse(line.as_bytes()).unwrap()).collect();
        let prevs: Vec<_> = lines.iter().map(|line| line.prev.as_deref()).collect();
        let id = |i: usize| Some(ids[i].as_str());
        assert_eq!(prevs, [None, None, id(0), id(2), id(1), id(3)]);
        assert!(text.lines().zip(&ids).all(|(line, id)| check_seal(line.as_bytes()) == Seal::Right(id)));
    }

    #[test]
    fn unreadable_lines_are_refused_before_staging() {
        let (_dir, hub) = repository();
        let writer = hub.lock("test").unwrap();
        let mut transaction = Transaction::new("test");
        for (event, code) in [
            (Event::new("../a", "status", "x"), "name.invalid"),
            (Event::new("a", "sta tus", "x"), "word.invalid"),
            (Event::new("a", "status", " \n"), "text.empty"),
            (Event::new("a", "status", "x".repeat(10 << 20)), "text.too_long"),
            (Event::new("a", "status", "x").meta("k", "y".repeat(100_000)), "text.too_long"),
            (Event::new("a", "status", "x").on_task("a/b"), "name.invalid"),
        ] {
            let error = stage(&writer, &mut transaction, &event).unwrap_err();
            assert_eq!(crate::base::Refusal::of(&error).unwrap().code, code);
        }
        assert!(transaction.is_empty());
    }
}
