//! Checks whether a seat's session is fresh enough to write to the bus (the playbook: session_guard).
//!
//! The age of a session is that of the `# captured_at=` line in `_report/session/<agent>/manager-report-tail.txt`,
//! which only `session-boot` writes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::time::{SKEW, show_span};
use crate::base::{Refusal, Result, Stamp, env, files, json};
use crate::hub::{Hub, Transaction, paths};

/// The oldest session accepted with `--session-max-age`; older ones need `--allow-stale-session`.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The flags of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rule {
    /// Overrides the hub's `session.max_age`: a shorter age applies; a longer one (up to 24 h) is recorded when it
    /// makes the difference; zero means not given.
    pub max_age: Option<Duration>,
    /// Proceed with a session that is missing, invalid or stale, and record it.
    pub allow_stale: bool,
}

/// The state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    Fresh { age: Duration },
    Missing,
    Invalid(&'static str),
    Stale { age: Duration, max_age: Duration },
}

/// The timestamp file of a seat's session, relative to the hub.
pub fn receipt(agent: &str) -> String {
    format!("{}/manager-report-tail.txt", paths::session(agent))
}

/// The seat's guard log, relative to the hub.
pub fn log(agent: &str) -> String {
    format!("{}/session_guard/events.jsonl", paths::agent(agent))
}

/// When the seat last started or renewed its session; `None` when unknown.
pub fn captured_at(hub: &Hub, agent: &str) -> Result<Option<Stamp>> {
    Ok(read(hub, agent)?.and_then(|text| header(&text)))
}

/// The line of the header that tells a session which the coordinator keeps fresh from one that somebody booted.
pub const UNATTENDED: (&str, &str) = ("purpose", "unattended");

/// Whether somebody booted the seat's session within `span`: a person, or an agent at a terminal, may be at work as it.
pub fn is_interactive(hub: &Hub, agent: &str, span: Duration) -> Result<bool> {
    let Some(text) = read(hub, agent)? else { return Ok(false) };
    let unattended = field(&text, UNATTENDED.0) == Some(UNATTENDED.1);
    let now = hub.now();
    let is_recent = |at: Stamp| now.since(at) <= span && at <= now.plus(SKEW);
    Ok(!unattended && header(&text).is_some_and(is_recent))
}

/// Only reads. `max_age` is what the caller asks for, see [`Rule::max_age`].
pub fn check(hub: &Hub, agent: &str, max_age: Option<Duration>) -> Result<Freshness> {
    let own = hub.settings()?.session.max_age;
    let max_age = match max_age.filter(|age| !age.is_zero()) {
        Some(age) => age.min(own.max(LONGEST)),
        None => own,
    };
    let Some(text) = read(hub, agent)? else { return Ok(Freshness::Missing) };
    let Some(at) = header(&text) else { return Ok(Freshness::Invalid("no readable '# captured_at=' line")) };
    let now = hub.now();
    if at > now.plus(SKEW) {
        return Ok(Freshness::Invalid("captured in the future"));
    }
    let age = now.since(at);
    Ok(if age <= max_age { Freshness::Fresh { age } } else { Freshness::Stale { age, max_age } })
}

/// Passes when the session is fresh. Otherwise refuses with `session.missing`, `session.invalid` or `session.stale`
/// and adds a line to the seat's guard log; or, if the rule allows it, passes with an [`Override`] that the caller
/// records in its transaction.
///
/// `context` is the command that asked, for the log. Call it before taking the bus lock: a refusal
/// takes the lock itself to write its line.
pub fn require(hub: &Hub, agent: &str, rule: Rule, context: &str) -> Result<Option<Override>> {
    let found = check(hub, agent, rule.max_age)?;
    let Some((code, refusal)) = refusal(agent, &found) else {
        return rule.max_age.map_or(Ok(None), |_| relaxed(hub, agent, context));
    };
    let mut lines = line(hub, agent, code, &refusal.message, context, &found);
    if rule.allow_stale {
        let message = format!("continued at the caller's request: {}", refusal.message);
        lines.extend(line(hub, agent, "session_override", &message, context, &found));
        return Ok(Some(Override { path: log(agent), lines, message: refusal.message }));
    }
    // The refusal stands even when its line cannot be written.
    let mut transaction = Transaction::new(format!("refuse {context}"));
    transaction.append(log(agent), &lines);
    if let Err(e) = hub.lock(context).and_then(|mut writer| writer.commit(transaction)) {
        tracing::debug!("cannot write the guard log: {e:#}");
    }
    Err(refusal.into())
}

/// A session that is fresh only by the caller's age passes and is recorded.
fn relaxed(hub: &Hub, agent: &str, context: &str) -> Result<Option<Override>> {
    let by_the_hub = check(hub, agent, None)?;
    let Some((_, refusal)) = refusal(agent, &by_the_hub) else { return Ok(None) };
    let message = format!("{}; continued because of --session-max-age or {}", refusal.message, env::SESSION_MAX_AGE);
    let lines = line(hub, agent, "session_max_age", &message, context, &by_the_hub);
    Ok(Some(Override { path: log(agent), lines, message }))
}

/// A stale session that the caller accepted.
#[derive(Clone, Debug)]
#[must_use = "an override that is not recorded did not happen"]
pub struct Override {
    path: String,
    lines: Vec<u8>,
    /// What was overridden, for a warning on stderr.
    pub message: String,
}

impl Override {
    /// Adds its lines to what the caller is about to write.
    pub fn record(&self, transaction: &mut Transaction) {
        transaction.append(self.path.as_str(), &self.lines);
    }
}

fn read(hub: &Hub, agent: &str) -> Result<Option<String>> {
    let bytes = files::read(&hub.path(&receipt(agent))?, files::MAX_DOCUMENT)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// `captured_at` from the header.
fn header(text: &str) -> Option<Stamp> {
    field(text, "captured_at").and_then(Stamp::parse)
}

/// A value of the header: the `# key=value` lines before the first other line.
fn field<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut lines = text.lines().take_while(|line| line.starts_with('#'));
    lines.find_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix('='))
}

/// The log's code (as the playbook's tools wrote it) and the refusal; `None` when fresh.
fn refusal(agent: &str, found: &Freshness) -> Option<(&'static str, Refusal)> {
    let (code, refusal) = match found {
        Freshness::Fresh { .. } => return None,
        Freshness::Missing => (
            "session_missing",
            Refusal::guard("session.missing", format!("{agent} has not booted a session"))
                .because(format!("{} does not exist", receipt(agent))),
        ),
        Freshness::Invalid(why) => (
            "session_invalid",
            Refusal::guard("session.invalid", format!("{agent}'s session has no valid time"))
                .because(format!("{}: {why}", receipt(agent))),
        ),
        Freshness::Stale { age, max_age } => (
            "session_stale",
            Refusal::guard("session.stale", format!("{agent}'s session is {} old", show_span(*age)))
                .because(format!("writing to the bus requires a session no older than {}", show_span(*max_age)))
                .with("age_seconds", age.as_secs())
                .with("max_age_seconds", max_age.as_secs()),
        ),
    };
    let refusal = refusal
        .next(format!("teof session-boot --agent {agent}"))
        .next("or continue anyway (recorded): --allow-stale-session")
        .with("agent_id", agent);
    Some((code, refusal))
}

fn line(hub: &Hub, agent: &str, code: &str, message: &str, context: &str, found: &Freshness) -> Vec<u8> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("ts", json!(hub.now()));
    put("agent_id", json!(agent));
    put("code", json!(code));
    put("message", json!(message));
    put("context", json!(context));
    put("receipt", json!(receipt(agent)));
    if let Freshness::Stale { age, max_age } = found {
        put("age_seconds", json!(age.as_secs()));
        put("max_age_seconds", json!(max_age.as_secs()));
    }
    (json::compact(&map) + "\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repository, write};
    use super::*;
    use crate::base::Clock;

    fn at(text: &str) -> Stamp {
        Stamp::parse(text).unwrap()
    }

    fn session(hub: &Hub, text: &str) {
        write(hub, &receipt("a"), text);
    }

    #[test]
    fn a_session_is_as_old_as_its_header_says() {
        let (_dir, mut hub) = repository();
        hub.clock = Clock::Fixed(at("2026-01-05T11:00:00Z"));
        let hour = Duration::from_secs(3600);
        assert_eq!(check(&hub, "a", None).unwrap(), Freshness::Missing);
        let cases = [
            ("# source=x\n# captured_at=2026-01-05T10:00:00Z\n{}\n", Freshness::Fresh { age: hour }),
            (
                "# captured_at=2026-01-05T09:59:59Z\n",
                Freshness::Stale { age: hour + Duration::from_secs(1), max_age: hour },
            ),
            ("# captured_at=2026-01-05T11:05:00Z\n", Freshness::Fresh { age: Duration::ZERO }),
            ("# captured_at=2026-01-05T11:05:01Z\n", Freshness::Invalid("captured in the future")),
            ("# captured_at=yesterday\n", Freshness::Invalid("no readable '# captured_at=' line")),
            (
                "# source=x\nbody\n# captured_at=2026-01-05T10:59:00Z\n",
                Freshness::Invalid("no readable '# captured_at=' line"),
            ),
            ("", Freshness::Invalid("no readable '# captured_at=' line")),
        ];
        for (text, wanted) in cases {
            session(&hub, text);
            assert_eq!(check(&hub, "a", None).unwrap(), wanted, "{text:?}");
        }
        session(&hub, "# captured_at=2026-01-05T10:59:00Z\n");
        assert!(matches!(check(&hub, "a", Some(Duration::from_secs(59))).unwrap(), Freshness::Stale { .. }));
        assert!(matches!(check(&hub, "a", Some(Duration::ZERO)).unwrap(), Freshness::Fresh { .. }));
    }

    #[test]
    fn a_longer_age_that_is_asked_for_is_recorded_and_bounded() {
        let (_dir, mut hub) = repository();
        hub.clock = Clock::Fixed(at("2026-01-05T11:00:00Z"));
        let week = Rule { max_age: Some(Duration::from_secs(7 * 24 * 3600)), allow_stale: false };
        session(&hub, "# captured_at=2026-01-05T10:30:00Z\n");
        assert!(require(&hub, "a", week, "bus event").unwrap().is_none(), "nothing was needed");
        session(&hub, "# captured_at=2026-01-05T08:00:00Z\n");
        let passed = require(&hub, "a", week, "bus event").unwrap().expect("an override");
        assert!(String::from_utf8_lossy(&passed.lines).contains("session_max_age"), "{passed:?}");
        session(&hub, "# captured_at=2026-01-03T08:00:00Z\n");
        let error = require(&hub, "a", week, "bus event").unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "session.stale");
    }

    #[test]
    fn refusals_and_overrides_leave_their_lines() {
        let (_dir, mut hub) = repository();
        hub.clock = Clock::Fixed(at("2026-01-05T11:00:00Z"));
        session(&hub, "# captured_at=2026-01-05T08:00:00Z\n");
        let error = require(&hub, "a", Rule::default(), "bus event").unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().code, "session.stale");
        let allowed = Rule { allow_stale: true, ..Rule::default() };
        let passed = require(&hub, "a", allowed, "bus event").unwrap().unwrap();
        let mut transaction = Transaction::new("x");
        passed.record(&mut transaction);
        hub.lock("x").unwrap().commit(transaction).unwrap();
        let text = std::fs::read_to_string(hub.root.join(log("a"))).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let codes: Vec<_> = lines.iter().map(|line| line["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["session_stale", "session_stale", "session_override"]);
        assert_eq!(lines[0]["age_seconds"], 10_800);
        session(&hub, "# captured_at=2026-01-05T10:30:00Z\n");
        assert!(require(&hub, "a", Rule::default(), "bus event").unwrap().is_none());
    }
}
