//! Switches the seat of a worktree: another manifest becomes `AGENT_MANIFEST.json`, and the previous one is kept.
//!
//! Manifests belong to a worktree, not to the record: they are written as plain files, atomically, and the previous
//! ones are kept machine-local.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::known;
use super::manifest::{self, Manifest};
use crate::base::{Refusal, Result, digest, files, json, names};
use crate::hub::{Hub, Worktree};
use crate::model::seat::{MANIFEST, variant};

/// A change of the seat. Nothing is written before [`Swap::perform`].
#[derive(Clone, Debug)]
pub struct Swap {
    pub agent: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    /// A link to another manifest in the same folder, where the worktree has a link already.
    Link(String),
}

/// A manifest for a new seat, with the fields that the playbook's have.
pub fn template(agent: &str, roles: &[&str]) -> Map<String, Value> {
    let fields = [
        ("agent_id", json!(agent)),
        ("owner", json!(agent)),
        ("agent_type", json!("")),
        ("capabilities", json!([])),
        ("desired_roles", json!(roles)),
        ("max_prs_per_day", json!(0)),
        ("branch_prefix", json!(format!("agent/{agent}/"))),
        ("contact", json!("")),
        ("notes", json!("")),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The swap to a seat with its own manifest, here or in the hub; `None` without one.
pub fn to_variant(hub: &Hub, agent: &str) -> Result<Option<Swap>> {
    let Some(found) = manifest::of(hub, agent)? else { return Ok(None) };
    let beside = found.path == hub.here.root.join(variant(agent));
    let linked = hub.here.root.join(MANIFEST).is_symlink();
    let content = match beside && linked {
        true => Content::Link(variant(agent)),
        false => Content::Bytes(read(&found)?),
    };
    Ok(Some(Swap { agent: agent.to_owned(), content }))
}

/// The swap back to a seat whose manifest an earlier swap replaced.
pub fn to_kept(hub: &Hub, agent: &str) -> Option<Swap> {
    kept(hub).into_iter().rev().find_map(|(_, path)| {
        let bytes = files::read(&path, files::MAX_DOCUMENT).ok()??;
        let raw = json::parse_object(&bytes, &path).ok()?;
        (crate::model::text(&raw, "agent_id") == Some(agent)).then(|| Swap::to_bytes(agent, bytes))
    })
}

/// The role of a new seat: `manager` for the coordinator's seat, else `engineer`. A name gives no role.
pub fn role(hub: &Hub, agent: &str) -> Result<&'static str> {
    let is_manager = agent == hub.settings()?.coordinator.manager;
    Ok(if is_manager { "manager" } else { "engineer" })
}

/// The swap to a seat without a manifest.
pub fn to_new(hub: &Hub, agent: &str) -> Result<Swap> {
    names::check_id("agent", agent)?;
    let text = json::pretty(&template(agent, &[role(hub, agent)?])) + "\n";
    Ok(Swap { agent: agent.to_owned(), content: Content::Bytes(text.into_bytes()) })
}

/// The bytes of a manifest.
pub fn read(found: &Manifest) -> Result<Vec<u8>> {
    // A link was followed and checked when the manifest was found.
    let path = found.path.canonicalize().map_err(|e| files::io_refusal(e, "read", &found.path))?;
    Ok(files::read(&path, files::MAX_DOCUMENT)?.unwrap_or_default())
}

impl Swap {
    /// From bytes that were kept.
    pub fn to_bytes(agent: &str, bytes: Vec<u8>) -> Swap {
        Swap { agent: agent.to_owned(), content: Content::Bytes(bytes) }
    }

    /// Writes the manifest of the current worktree and saves the replaced one.
    ///
    /// # Errors
    /// As [`known::check_name`]; when a file cannot be written.
    pub fn perform(&self, hub: &Hub) -> Result<()> {
        known::check_name(hub, &self.agent)?;
        let target = hub.here.root.join(MANIFEST);
        if let Ok(Some(old)) = manifest::current(hub)
            && old.path == target
            && old.agent() != self.agent
        {
            keep(hub, &read(&old)?)?;
        }
        match &self.content {
            Content::Bytes(bytes) => {
                // A link is replaced, not written through.
                files::replace(&target, bytes)
            }
            Content::Link(name) => relink(&target, name),
        }
    }
}

fn relink(target: &Path, name: &str) -> Result<()> {
    let temporary = target.with_file_name(format!(".teof-{}-manifest.tmp", std::process::id()));
    let _ = fs::remove_file(&temporary);
    symlink(name, &temporary)
        .and_then(|()| fs::rename(&temporary, target))
        .map_err(|e| files::io_refusal(e, "link", target))
}

/// The folder of replaced manifests of one worktree.
fn kept_folder(hub: &Hub, worktree: &Worktree) -> PathBuf {
    let name = digest::sha256(worktree.root.to_string_lossy().as_bytes());
    hub.local(&format!("seats/kept/{}", &name[..16]))
}

fn keep(hub: &Hub, bytes: &[u8]) -> Result<()> {
    let folder = kept_folder(hub, &hub.here);
    let next = kept(hub).last().map_or(1, |(number, _)| number + 1);
    let path = folder.join(format!("{next:06}.json"));
    files::create_parent(&path)?;
    files::replace(&path, bytes)
}

fn kept(hub: &Hub) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(kept_folder(hub, &hub.here)).into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok()?;
        Some((number, entry.path()))
    });
    let mut kept: Vec<_> = numbered.collect();
    kept.sort();
    kept
}

/// The swap back to the seat before the last swap. It is a swap itself: going back twice returns to the start.
pub fn back(hub: &Hub) -> Result<Swap> {
    let last = kept(hub).pop().and_then(|(_, path)| Some((files::read(&path, files::MAX_DOCUMENT).ok()??, path)));
    let Some((bytes, path)) = last else {
        return Err(Refusal::not_found("manifest.none_kept", "no earlier manifest is saved for this worktree")
            .because("only 'agent use' and 'session-boot' save the manifest that they replace")
            .next("list the seats: teof agent list")
            .into());
    };
    let raw = json::parse_object(&bytes, &path)?;
    let agent = crate::model::text(&raw, "agent_id").unwrap_or_default().to_owned();
    Ok(Swap::to_bytes(&agent, bytes))
}

#[cfg(test)]
mod tests {
    use super::super::testing::repository;
    use super::*;

    fn agent(hub: &Hub) -> String {
        manifest::current(hub).unwrap().unwrap().agent().to_owned()
    }

    #[test]
    fn a_swap_keeps_what_it_replaces_and_can_go_back() {
        let (_dir, hub) = repository();
        fs::write(hub.root.join(MANIFEST), r#"{"agent_id": "a", "extra": 1}"#).unwrap();
        fs::write(hub.root.join(variant("b")), r#"{"agent_id": "b"}"#).unwrap();
        assert!(to_variant(&hub, "c").unwrap().is_none());
        to_variant(&hub, "b").unwrap().unwrap().perform(&hub).unwrap();
        assert_eq!(agent(&hub), "b");
        back(&hub).unwrap().perform(&hub).unwrap();
        assert_eq!(fs::read_to_string(hub.root.join(MANIFEST)).unwrap(), r#"{"agent_id": "a", "extra": 1}"#);
        back(&hub).unwrap().perform(&hub).unwrap();
        assert_eq!(agent(&hub), "b");
        to_new(&hub, "d").unwrap().perform(&hub).unwrap();
        assert_eq!(agent(&hub), "d");
    }

    #[test]
    fn a_worktree_that_links_its_manifest_goes_on_linking() {
        let (_dir, hub) = repository();
        for id in ["a", "b"] {
            fs::write(hub.root.join(variant(id)), format!("{{\"agent_id\": \"{id}\"}}")).unwrap();
        }
        symlink(variant("a"), hub.root.join(MANIFEST)).unwrap();
        to_variant(&hub, "b").unwrap().unwrap().perform(&hub).unwrap();
        assert_eq!(fs::read_link(hub.root.join(MANIFEST)).unwrap(), PathBuf::from(variant("b")));
        assert_eq!(fs::read_to_string(hub.root.join(variant("a"))).unwrap(), r#"{"agent_id": "a"}"#);
    }
}
