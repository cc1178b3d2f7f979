//! Records and compares what a person owns and a worker could reach: trust, operator tokens, the person's git and
//! teof configuration, and the hub's pin.
//!
//! When a person changes what is trusted, an event in the log says so. A change without an event is revoked.

use std::path::{Path, PathBuf};

use super::surroundings::{PERSON, Surroundings, TRUST, record_config};
use crate::base::{Result, digest, env, files, jsonl};
use crate::bus::events;
use crate::guard::Finding;
use crate::guard::operator::{OPERATOR, token};
use crate::guard::trust::{self, Trust};
use crate::hub::{Hub, settings};
use crate::model::event::EventView;

/// In the place of a digest: a person has to say again which remotes are trusted.
const NONE: &str = "none";

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
    let mut found = Vec::new();
    for (digest, what) in entries(&trust::read(hub)?) {
        if before.contains_key(&format!("{TRUST}{digest} {what}")) || has_event(hub, &digest)? {
            continue;
        }
        let message = format!("{what} became trusted while the worker ran, without a person's event");
        let finding = Finding::high("trust.forged", "", message)
            .hint("trust was revoked; if it was you, grant it again: teof consent grant, or teof plan approve <id>");
        found.push((digest, finding));
    }
    Ok(found)
}

/// Removes trust that no person granted.
pub fn revoke(hub: &Hub, digests: &[String]) -> Result<()> {
    trust::update(hub, |trust| {
        trust.grant.take_if(|grant| digests.contains(&grant.consent_sha256));
        trust.git_programs_sha256.take_if(|known| digests.contains(known));
        // Without a digest any remote could be used.
        trust
            .git_remotes_sha256
            .iter_mut()
            .filter(|known| digests.contains(known))
            .for_each(|known| NONE.clone_into(known));
        trust.approvals.retain(|approval| !digests.contains(&approval.digest));
    })
}

/// Whether an event of a person names the digest.
fn has_event(hub: &Hub, digest: &str) -> Result<bool> {
    let mut found = false;
    for log in events::logs(hub)?.iter().rev() {
        jsonl::for_each_line(&hub.path(log)?, 0, |_, _, line| {
            // Most lines do not contain it and need not be parsed.
            let names = line.windows(digest.len()).any(|part| part == digest.as_bytes());
            found |= names && EventView::parse(line).is_ok_and(|event| event.agent_id.as_deref() == Some(OPERATOR));
            Ok(!found)
        })?;
        if found {
            break;
        }
    }
    Ok(found)
}
