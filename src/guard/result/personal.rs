//! What people own and a worker could reach: what is trusted, operator tokens, the person's git and teof
//! configuration, the hub's pin. Noted before the work and compared after it.
//!
//! A change of trust that a person made meanwhile has their event in the log; one without is nobody's.

use std::path::{Path, PathBuf};

use super::dotgit::{self, Surroundings};
use crate::base::{Result, digest, env, files, jsonl};
use crate::bus::events;
use crate::guard::Finding;
use crate::guard::operator::{OPERATOR, token};
use crate::guard::trust::{self, Trust};
use crate::hub::{Hub, settings};
use crate::model::event::EventView;

/// How the names of what is trusted begin: `trust <digest> <what>`.
pub(super) const TRUST: &str = "trust ";
/// How the names of what lies outside the repository begin.
pub(super) const PERSON: &str = "the person's ";

/// Notes all of it.
pub(super) fn note(common_dir: &Path, found: &mut Surroundings) {
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
        dotgit::watch_config(&format!("{PERSON}git configuration"), &path, found);
    }
    let known = files::read(&local.join(trust::FILE), files::MAX_DOCUMENT).ok().flatten();
    let known: Option<Trust> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    for (digest, what) in known.iter().flat_map(entries) {
        found.insert(format!("{TRUST}{digest} {what}"), String::new());
    }
}

/// Everything that is trusted: the digest that a person's event names, and what it is.
fn entries(trust: &Trust) -> Vec<(String, String)> {
    let grant = trust.grant.iter().map(|grant| {
        let settings = grant.settings_sha256.as_deref().unwrap_or("none");
        (grant.consent_sha256.clone(), format!("consent with settings {settings}"))
    });
    let approvals =
        trust.approvals.iter().map(|approval| (approval.digest.clone(), format!("commands of {}", approval.plan_id)));
    let programs = trust.git_programs_sha256.iter();
    let programs = programs.map(|digest| (digest.clone(), "programs of git's configuration".to_owned()));
    grant.chain(approvals).chain(programs).collect()
}

/// Where git looks for the person's own configuration.
fn git_configs() -> Vec<PathBuf> {
    let home = env::var("HOME").map(PathBuf::from);
    let own = env::var(env::XDG_CONFIG_HOME).map(PathBuf::from).or_else(|| Some(home.clone()?.join(".config")));
    home.map(|home| home.join(".gitconfig")).into_iter().chain(own.map(|own| own.join("git/config"))).collect()
}

/// What is trusted now, was not before, and has no person's event: each with its finding. The caller takes it
/// back ([`take_back`]).
pub fn forged(hub: &Hub, before: &Surroundings) -> Result<Vec<(String, Finding)>> {
    let mut found = Vec::new();
    for (digest, what) in entries(&trust::read(hub)?) {
        if before.contains_key(&format!("{TRUST}{digest} {what}")) || is_told(hub, &digest)? {
            continue;
        }
        let message = format!("{what} became trusted while the worker ran, and no person's event says so");
        let finding = Finding::high("trust.forged", "", message)
            .hint("it is not trusted any more; if it was you, say so again: teof consent grant, teof plan approve");
        found.push((digest, finding));
    }
    Ok(found)
}

/// Takes what nobody granted out of what is trusted.
pub fn take_back(hub: &Hub, digests: &[String]) -> Result<()> {
    trust::update(hub, |trust| {
        trust.grant.take_if(|grant| digests.contains(&grant.consent_sha256));
        trust.git_programs_sha256.take_if(|known| digests.contains(known));
        trust.approvals.retain(|approval| !digests.contains(&approval.digest));
    })
}

/// Whether an event of a person names the digest.
fn is_told(hub: &Hub, digest: &str) -> Result<bool> {
    let mut told = false;
    for log in events::logs(hub)?.iter().rev() {
        jsonl::for_each_line(&hub.path(log)?, 0, |_, _, line| {
            // Most lines are others', and need not be parsed.
            let names = line.windows(digest.len()).any(|part| part == digest.as_bytes());
            told |= names && EventView::parse(line).is_ok_and(|event| event.agent_id.as_deref() == Some(OPERATOR));
            Ok(!told)
        })?;
        if told {
            break;
        }
    }
    Ok(told)
}
