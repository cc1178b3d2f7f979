//! Passes on what workers reported to the bus: an agent gives no sign of life, or does what a rule is about.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::base::{Result, Stamp, jsonl};
use crate::bus::log;
use crate::coordinator::process::shell::Shell;
use crate::coordinator::state::input::Input;
use crate::foreman::reporting::alert;
use crate::hub::Hub;
use crate::hub::settings::notify::Topic;

/// How much of the event log is searched for alerts of workers, in bytes.
const MOST: u64 = 8 << 20;
/// Older alerts are not news: an urgent notification is not retried for longer either.
const NEWS: Duration = Duration::from_secs(24 * 3600);

impl Shell<'_> {
    /// Passes on the alerts since the last time, also those from while no coordinator ran.
    pub(in crate::coordinator::process) fn tell_alerts(&mut self) {
        // It notifies nobody, so the next coordinator passes them on.
        if self.options.one_shot {
            return;
        }
        match read(&self.hub, self.state.alerts_until) {
            Ok((_, until)) if self.state.alerts_until == Some(until) => {}
            Ok((found, until)) => {
                found.into_iter().for_each(|alert| self.feed(alert));
                self.feed(Input::AlertsUntil(until));
            }
            Err(e) => tracing::debug!("cannot read alerts: {e:#}"),
        }
    }
}

/// The alerts after the byte `known` of the event log, and where it ends. Sealing moves lines into another file, so the
/// bytes of all its files count, oldest first.
fn read(hub: &Hub, known: Option<u64>) -> Result<(Vec<Input>, u64)> {
    let logs = log::logs(hub)?;
    let paths = logs.iter().map(|path| hub.path(path)).collect::<Result<Vec<_>>>()?;
    let sizes: Vec<u64> = paths.iter().map(|path| fs::symlink_metadata(path).map_or(0, |found| found.len())).collect();
    let total: u64 = sizes.iter().sum();
    // What was there before the first coordinator is history. A shorter log is another one.
    let from = known.unwrap_or(total).min(total).max(total.saturating_sub(MOST));
    let oldest = hub.now().minus(NEWS);
    let (mut found, mut begin, mut until) = (Vec::new(), 0, from);
    for (path, size) in paths.iter().zip(sizes) {
        if begin + size > from {
            // In the middle of a line, which is none then, when there is too much.
            let read = jsonl::for_each_line(path, from.saturating_sub(begin), |_, _, line| {
                found.extend(alert_of(line, oldest));
                Ok(true)
            })?;
            until = begin + read;
        }
        begin += size;
    }
    Ok((found, until))
}

/// What a line of the event log tells people of, if it is a worker's alert that is not older than `oldest`.
fn alert_of(line: &[u8], oldest: Stamp) -> Option<Input> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let topic = match text("/meta/kind")? {
        alert::STUCK => Topic::Stuck,
        alert::NOTICED => Topic::Problem,
        _ => return None,
    };
    let is_news = text("/event") == Some("alert") && text("/ts").and_then(Stamp::parse)? >= oldest;
    let job = text("/meta/job").map(str::to_owned);
    is_news.then(|| Input::Noticed { topic, job, text: text("/summary").unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;
    use crate::bus::testing::repository;
    use crate::hub::paths;

    #[test]
    fn alerts_are_read_once_each_also_when_the_log_is_sealed_in_between() {
        let (_dir, hub) = repository();
        let log = hub.root.join(paths::EVENTS);
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        let alert = |job: &str| {
            let line = serde_json::json!({"ts": hub.now(), "event": "alert", "summary": "no sign of life",
                "meta": {"kind": alert::STUCK, "job": job}});
            let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
            writeln!(file, "{line}").unwrap();
        };
        let jobs = |known| {
            let (found, until) = read(&hub, known).unwrap();
            let job = |found: Input| match found {
                Input::Noticed { job, .. } => job.unwrap(),
                other => panic!("{other:?}"),
            };
            (found.into_iter().map(job).collect::<Vec<_>>(), Some(until))
        };
        alert("history");
        let (found, until) = jobs(None);
        assert!(found.is_empty());
        alert("j1");
        fs::rename(&log, log.with_file_name("events-20260105T100000Z.jsonl")).unwrap();
        // Longer than the sealed one was at the time.
        ["j2", "j3", "j4"].into_iter().for_each(alert);
        let (found, until) = jobs(until);
        assert_eq!(found, ["j1", "j2", "j3", "j4"]);
        assert_eq!(jobs(until), (Vec::new(), until));
        fs::rename(&log, log.with_file_name("events-20260106T100000Z.jsonl")).unwrap();
        assert_eq!(jobs(until), (Vec::new(), until), "sealing alone is no news");
        // Git took lines back: another log.
        fs::remove_file(log.with_file_name("events-20260106T100000Z.jsonl")).unwrap();
        let (found, until) = jobs(until);
        assert!(found.is_empty());
        alert("j5");
        assert_eq!(jobs(until).0, ["j5"]);
    }
}
