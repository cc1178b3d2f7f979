//! Records and compares what a person owns and a worker could reach: trust, operator tokens, the person's git and
//! teof configuration, and the hub's pin.
//!
//! When a person changes what is trusted, an event in the log says so. A change without an event is revoked.

use std::path::{Path, PathBuf};

use super::surroundings::{ACTS, PERSON, Surroundings, TRUST, record_config};
use crate::base::{Result, digest, env, files, jsonl};
use crate::bus::events;
use crate::guard::Finding;
use crate::guard::operator::{OPERATOR, token};
use crate::guard::trust::{self, Grant, Trust};
use crate::hub::{Hub, paths, settings};
use crate::model::event::EventView;

/// In the place of a digest: a person has to say again which remotes are trusted.
const NONE: &str = "none";
/// Recorded when a person has said which remotes are trusted.
const LIMITED: &str = "trust limits remotes";
/// An event is written a moment before what it says is trusted, in seconds.
const SLACK: i64 = 60;

/// Records all of it.
pub(super) fn record(common_dir: &Path, found: &mut Surroundings) {
    let local = common_dir.join("teof");
    let mut file = |label: &str, path: &Path| {
        let content = match files::read(path, files::MAX_DOCUMENT) {
            Ok(None) => return,
            Ok(Some(bytes)) => digest::sha256(&bytes),
            Err(_) => "not a regular file".to_owned(),
        };
        found.insert(format!("{PERSON}{label}"), content);
    };
    file("choice of the hub (.git/teof/hub)", &local.join("hub"));
    if let Some(path) = settings::load::user_file() {
        file("settings of teof", &path);
    }
    if let Ok(path) = token::file() {
        file("operator tokens", &path);
    }
    for path in git_configs() {
        record_config(&format!("{PERSON}git configuration"), &path, found);
    }
    let known = files::read(&local.join(paths::TRUST), files::MAX_DOCUMENT).ok().flatten();
    let known: Option<Trust> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    for (digest, what) in known.iter().flat_map(entries) {
        found.insert(format!("{TRUST}{digest} {what}"), String::new());
    }
    if known.is_some_and(|known| known.git_remotes_sha256.is_some()) {
        found.insert(LIMITED.to_owned(), String::new());
    }
}

/// Records from when on a person's events count: the time, and how long each log is, as the clock may be set back.
///
/// # Errors
/// When the logs cannot be listed.
pub fn record_acts(hub: &Hub, found: &mut Surroundings) -> Result<()> {
    found.insert(ACTS.to_owned(), hub.now().unix().to_string());
    for log in events::logs(hub)? {
        let length = std::fs::symlink_metadata(hub.path(&log)?).map_or(0, |meta| meta.len());
        found.insert(format!("{ACTS} {log}"), length.to_string());
    }
    Ok(())
}

/// Everything that is trusted: the digest that a person's event names, and what it is.
fn entries(trust: &Trust) -> Vec<(String, String)> {
    let grant = trust.grant.iter().map(|grant| (grant.digest(), "consent, with its settings and tasks,".to_owned()));
    let approvals =
        trust.approvals.iter().map(|approval| (approval.digest.clone(), format!("commands of {}", approval.plan_id)));
    let programs = trust.git_programs_sha256.iter();
    let programs = programs.map(|digest| (digest.clone(), "programs of git's configuration".to_owned()));
    let remotes = trust.git_remotes_sha256.iter().filter(|digest| *digest != NONE);
    let remotes = remotes.map(|digest| (digest.clone(), "remotes of git's configuration".to_owned()));
    grant.chain(approvals).chain(programs).chain(remotes).collect()
}

/// Where git looks for the person's own configuration.
fn git_configs() -> Vec<PathBuf> {
    let home = env::var("HOME").map(PathBuf::from);
    let own = env::var(env::XDG_CONFIG_HOME).map(PathBuf::from).or_else(|| Some(home.clone()?.join(".config")));
    home.map(|home| home.join(".gitconfig")).into_iter().chain(own.map(|own| own.join("git/config"))).collect()
}

/// Grants of trust since `before` without a person's event: digest and finding. The caller revokes them with
/// [`revoke`].
pub fn forged(hub: &Hub, before: &Surroundings) -> Result<Vec<(String, Finding)>> {
    let trust = trust::read(hub)?;
    let mut found = Vec::new();
    for (digest, what) in entries(&trust) {
        let known = before.contains_key(&format!("{TRUST}{digest} {what}")) || has_event(hub, &digest, before)?;
        let grant = trust.grant.as_ref().filter(|grant| grant.digest() == digest);
        if !known && !grant.map_or(Ok(false), |grant| is_of_older_version(hub, grant, before))? {
            found.push((digest, finding(&what)));
        }
    }
    // Without a digest any remote could be used.
    if trust.git_remotes_sha256.is_none() && before.contains_key(LIMITED) {
        found.push((NONE.to_owned(), finding("every remote of git's configuration")));
    }
    Ok(found)
}

fn finding(what: &str) -> Finding {
    let message = format!("{what} became trusted while the worker ran, without a person's event");
    Finding::high("trust.forged", "", message).hint(
        "trust was revoked; if it was you, grant it again: teof consent grant, teof plan approve <id> or teof trust git",
    )
}

/// Removes trust that no person granted.
pub fn revoke(hub: &Hub, digests: &[String]) -> Result<()> {
    trust::update(hub, |trust| {
        trust.grant.take_if(|grant| digests.contains(&grant.digest()));
        trust.git_programs_sha256.take_if(|known| digests.contains(known));
        if digests.iter().any(|digest| trust.git_remotes_sha256.as_ref().map_or(NONE, String::as_str) == digest) {
            trust.git_remotes_sha256 = Some(NONE.to_owned());
        }
        trust.approvals.retain(|approval| !digests.contains(&approval.digest));
    })
}

/// Whether a grant is one that an older version recorded, or took, while a job that goes on with this one worked: it
/// named the consent file's digest alone.
fn is_of_older_version(hub: &Hub, grant: &Grant, before: &Surroundings) -> Result<bool> {
    let recorded = format!("{TRUST}{} consent with settings ", grant.consent_sha256);
    let is_older = !before.contains_key(ACTS);
    Ok(is_older
        && (before.keys().any(|key| key.starts_with(&recorded)) || has_event(hub, &grant.consent_sha256, before)?))
}

/// Whether an event that a person wrote since `before` names the digest. An older one may be of something that was
/// revoked. It is later by the clock, or stands in a part of the log that is new.
fn has_event(hub: &Hub, digest: &str, before: &Surroundings) -> Result<bool> {
    let number = |key: &str| before.get(key).and_then(|value| value.parse::<i64>().ok());
    let since = number(ACTS).map_or(i64::MIN, |since| since - SLACK);
    let mut found = false;
    for log in events::logs(hub)?.iter().rev() {
        let length = number(&format!("{ACTS} {log}")).and_then(|length| u64::try_from(length).ok());
        jsonl::for_each_line(&hub.path(log)?, 0, |_, at, line| {
            // Most lines do not contain it and need not be parsed.
            let names = line.windows(digest.len()).any(|part| part == digest.as_bytes());
            let is_new = |event: &EventView| {
                length.is_some_and(|length| at >= length) || event.at().is_some_and(|at| at.unix() >= since)
            };
            let is_persons = |event: &EventView| event.agent_id.as_deref() == Some(OPERATOR) && is_new(event);
            found |= names && EventView::parse(line).is_ok_and(|event| is_persons(&event));
            Ok(!found)
        })?;
        if found {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, Stamp};
    use crate::guard::trust::{Approval, Only};
    use crate::model::event::Event;

    const LOG: &str = "_bus/events/events.jsonl";

    fn only(tasks: &[&str]) -> Option<Only> {
        let tasks: Vec<String> = tasks.iter().map(|task| (*task).to_owned()).collect();
        Some(Only { jobs: tasks.len() as u64, tasks, going_on: Vec::new() })
    }

    fn hub() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert!(std::process::Command::new("git").args(["init", "-q"]).arg(&root).status().unwrap().success());
        for folder in ["_bus/events", "_plans", "_report"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let mut hub = Hub::find(Some(&root), Clock::Machine).unwrap();
        hub.clock = Clock::Fixed(Stamp::from_unix(1_767_600_000));
        let grant = Grant {
            by: "Ann".into(),
            at: hub.now(),
            consent_sha256: "c".repeat(64),
            settings_sha256: Some("5".repeat(64)),
            recognised: Default::default(),
            only: only(&["A"]),
        };
        trust::update(&hub, |trust| {
            *trust = Trust { grant: Some(grant), git_remotes_sha256: Some("a".repeat(64)), ..Trust::default() };
        })
        .unwrap();
        (dir, hub)
    }

    /// A person's event that names everything that is trusted now, some seconds after the work started.
    fn act(hub: &Hub, seconds: i64) {
        let trust = trust::read(hub).unwrap();
        let named: Vec<_> = entries(&trust).into_iter().map(|(digest, _)| digest).collect();
        let event = Event::new(OPERATOR, "consent", "granted").meta("named", named);
        let (line, _) = event.line(Stamp::from_unix(hub.now().unix() + seconds), None);
        std::fs::write(hub.path(LOG).unwrap(), line).unwrap();
    }

    fn grant(trust: &mut Trust) -> &mut Grant {
        trust.grant.as_mut().unwrap()
    }

    #[test]
    fn every_change_of_what_is_trusted_needs_an_event_of_a_person_since_the_work_started() {
        let changes: [fn(&mut Trust); 7] = [
            |trust| grant(trust).consent_sha256 = "d".repeat(64),
            |trust| grant(trust).settings_sha256 = Some("d".repeat(64)),
            |trust| grant(trust).at = grant(trust).at.plus(std::time::Duration::from_secs(1)),
            |trust| grant(trust).only = only(&["A", "B"]),
            |trust| grant(trust).only = None,
            |trust| trust.git_remotes_sha256 = Some("d".repeat(64)),
            |trust| {
                let at = Stamp::from_unix(0);
                let (plan_id, digest) = ("p".to_owned(), "d".repeat(64));
                trust.approvals =
                    vec![Approval { plan_id, digest, by: "Ann".into(), at, recognised: Default::default() }];
            },
        ];
        for (i, change) in changes.into_iter().enumerate() {
            let (_dir, hub) = hub();
            let mut before = Surroundings::new();
            record(&hub.common_dir, &mut before);
            // As long as the event that comes in its place.
            std::fs::write(hub.path(LOG).unwrap(), "x".repeat(2000) + "\n").unwrap();
            record_acts(&hub, &mut before).unwrap();
            assert_eq!(forged(&hub, &before).unwrap(), [], "{i}");
            trust::update(&hub, change).unwrap();
            act(&hub, 1);
            assert_eq!(forged(&hub, &before).unwrap(), [], "{i}: a person did it");
            act(&hub, -3600);
            let found = forged(&hub, &before).unwrap();
            assert_eq!(found.len(), 1, "{i}: {found:?}");
            revoke(&hub, &[found[0].0.clone()]).unwrap();
            assert_eq!(forged(&hub, &before).unwrap(), [], "{i}");
            assert_ne!(trust::read(&hub).unwrap().git_remotes_sha256, None, "{i}");
        }
    }

    #[test]
    fn an_act_counts_though_the_clock_was_set_back_since() {
        let (_dir, hub) = hub();
        let mut before = Surroundings::new();
        record(&hub.common_dir, &mut before);
        record_acts(&hub, &mut before).unwrap();
        trust::update(&hub, |trust| grant(trust).only = None).unwrap();
        act(&hub, -3600);
        assert_eq!(forged(&hub, &before).unwrap(), []);
    }

    #[test]
    fn a_grant_that_an_older_version_recorded_is_not_forged() {
        let (_dir, hub) = hub();
        let consent = "c".repeat(64);
        let older = |key: String| Surroundings::from([(key, String::new())]);
        let mut remotes = older(format!("{TRUST}{consent} consent with settings {}", "5".repeat(64)));
        remotes.insert(format!("{TRUST}{} git's remotes", "a".repeat(64)), String::new());
        let of_grant =
            |found: Vec<(String, Finding)>| found.iter().filter(|one| one.1.message.contains("consent")).count();
        assert_eq!(of_grant(forged(&hub, &remotes).unwrap()), 0);
        assert_eq!(of_grant(forged(&hub, &Surroundings::new()).unwrap()), 1);
    }

    #[test]
    fn remotes_stay_limited_when_what_is_trusted_is_removed() {
        let (_dir, hub) = hub();
        let mut before = Surroundings::new();
        record(&hub.common_dir, &mut before);
        std::fs::remove_file(hub.local(paths::TRUST)).unwrap();
        let found = forged(&hub, &before).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        revoke(&hub, &[found[0].0.clone()]).unwrap();
        assert_eq!(trust::read(&hub).unwrap().git_remotes_sha256.as_deref(), Some(NONE));
    }
}
