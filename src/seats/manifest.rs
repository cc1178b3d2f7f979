//! Finds and reads manifests: first the current worktree's, then the hub's.
//!
//! A manifest may be a link to another file in the same folder (the playbook: "symlinks/swaps it before running");
//! any other link is refused.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::base::{Refusal, Result, files, json, names};
use crate::hub::Hub;
use crate::model::seat::{MANIFEST, Seat, variant};

/// A manifest that names a seat.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it was found; the link itself when it is one.
    pub path: PathBuf,
    pub seat: Seat,
    agent: String,
}

impl Manifest {
    /// The seat's id; safe as a file name.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Whether this is the worktree's `AGENT_MANIFEST.json`, and not a seat's own variant of it.
    pub fn is_current(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == MANIFEST)
    }
}

/// The folders that manifests are looked for in, in order.
pub fn folders(hub: &Hub) -> Vec<&Path> {
    let mut folders = vec![hub.here.root.as_path()];
    if hub.root != hub.here.root {
        folders.push(&hub.root);
    }
    folders
}

/// The manifest of the seat that works here. A manifest without an `agent_id` names nobody.
///
/// # Errors
/// When the manifest is unreadable: the acting seat must not be guessed.
pub fn current(hub: &Hub) -> Result<Option<Manifest>> {
    first(hub, MANIFEST)
}

/// A seat's manifest: its own variant, or the current one when that is the seat's.
pub fn of(hub: &Hub, agent: &str) -> Result<Option<Manifest>> {
    names::check_id("agent", agent)?;
    match first(hub, &variant(agent))? {
        Some(found) if found.agent == agent => Ok(Some(found)),
        Some(other) => Err(Refusal::guard(
            "manifest.mismatch",
            format!("{} names {}, not {agent}", other.path.display(), other.agent),
        )
        .because("a seat's manifest must be named after the seat")
        .next("correct its agent_id, or rename the file")
        .into()),
        None => Ok(current(hub)?.filter(|found| found.agent == agent)),
    }
}

/// Every seat that has a manifest here or in the hub, by id, the first found of each. Manifests that
/// cannot be read are skipped with a warning; `teof doctor` names them.
pub fn all(hub: &Hub) -> Result<Vec<Manifest>> {
    let mut seats: Vec<Manifest> = Vec::new();
    for (path, found) in scan(hub)? {
        match found {
            Ok(Some(found)) if seats.iter().all(|seat| seat.agent != found.agent) => seats.push(found),
            Ok(_) => {}
            Err(e) => tracing::warn!("skipping {}: {e:#}", path.display()),
        }
    }
    seats.sort_by(|a, b| a.agent.cmp(&b.agent));
    Ok(seats)
}

/// Every manifest file here and in the hub: variants before the current one, as a seat's own file
/// says more about it.
pub fn scan(hub: &Hub) -> Result<Vec<(PathBuf, Result<Option<Manifest>>)>> {
    let mut found = Vec::new();
    for folder in folders(hub) {
        let mut files: Vec<String> = fs::read_dir(folder)
            .map_err(|e| files::io_refusal(e, "list", folder))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name != MANIFEST && name.starts_with("AGENT_MANIFEST.") && name.ends_with(".json"))
            .collect();
        files.sort();
        files.push(MANIFEST.to_owned());
        found.extend(files.into_iter().map(|name| (folder.join(&name), read(folder, &name))));
    }
    Ok(found)
}

fn first(hub: &Hub, name: &str) -> Result<Option<Manifest>> {
    for folder in folders(hub) {
        if let Some(found) = read(folder, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// One manifest file; `None` when it is not there or names nobody.
fn read(folder: &Path, name: &str) -> Result<Option<Manifest>> {
    let path = folder.join(name);
    let Some(raw) = json::read_object(&follow(&path)?)? else { return Ok(None) };
    let seat = Seat { raw };
    let Some(agent) = seat.agent_id().map(str::to_owned) else { return Ok(None) };
    names::check_id("agent", &agent).map_err(|_| {
        Refusal::guard("manifest.invalid", format!("{} has no valid agent_id", path.display()))
            .because("agent_id becomes a file name: use letters, digits, '.', '_' and '-', at most 128")
            .next("correct its agent_id")
    })?;
    Ok(Some(Manifest { path, seat, agent }))
}

/// The file that holds a manifest: itself, or what it links to in the same folder.
fn follow(path: &Path) -> Result<PathBuf> {
    let Ok(target) = fs::read_link(path) else { return Ok(path.to_owned()) };
    let mut parts = target.components();
    match (parts.next(), parts.next(), path.parent()) {
        (Some(Component::Normal(name)), None, Some(folder)) => Ok(folder.join(name)),
        _ => Err(Refusal::guard("manifest.link", format!("{} links out of its folder", path.display()))
            .because("a manifest may only link to another one in its folder")
            .next("link it to AGENT_MANIFEST.<id>.json in the same folder, or: teof agent use <id>")
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::repository;
    use super::*;
    use std::os::unix::fs::symlink;

    fn code(error: anyhow::Error) -> &'static str {
        Refusal::of(&error).unwrap_or_else(|| panic!("{error:#}")).code
    }

    #[test]
    fn a_manifest_may_be_a_link_beside_it_and_nowhere_else() {
        let (_dir, hub) = repository();
        let root = &hub.root;
        fs::write(root.join("AGENT_MANIFEST.codex-1.json"), r#"{"agent_id": " codex-1 "}"#).unwrap();
        symlink("AGENT_MANIFEST.codex-1.json", root.join(MANIFEST)).unwrap();
        let found = current(&hub).unwrap().unwrap();
        assert_eq!((found.agent(), found.is_current()), ("codex-1", true));
        for target in ["/etc/passwd", "../x.json", "sub/x.json"] {
            fs::remove_file(root.join(MANIFEST)).unwrap();
            symlink(target, root.join(MANIFEST)).unwrap();
            assert_eq!(code(current(&hub).unwrap_err()), "manifest.link", "{target}");
        }
    }

    #[test]
    fn damaged_manifests_are_refused_when_asked_for_and_passed_over_in_lists() {
        let (_dir, hub) = repository();
        fs::write(hub.root.join("AGENT_MANIFEST.codex-2.json"), r#"{"agent_id": "codex-2"}"#).unwrap();
        fs::write(hub.root.join("AGENT_MANIFEST.codex-3.json"), r#"{"agent_id": "codex-9"}"#).unwrap();
        for (text, wrong) in [("{", "json.invalid"), (r#"{"agent_id": "../x"}"#, "manifest.invalid")] {
            fs::write(hub.root.join(MANIFEST), text).unwrap();
            assert_eq!(code(current(&hub).unwrap_err()), wrong);
        }
        let seats: Vec<_> = all(&hub).unwrap().iter().map(|seat| seat.agent().to_owned()).collect();
        assert_eq!(seats, ["codex-2", "codex-9"]);
        assert_eq!(code(of(&hub, "codex-3").unwrap_err()), "manifest.mismatch");
        assert!(of(&hub, "codex-2").unwrap().is_some());
        fs::write(hub.root.join(MANIFEST), "{}").unwrap();
        assert!(current(&hub).unwrap().is_none(), "a manifest without agent_id names nobody");
        assert!(of(&hub, "codex-1").unwrap().is_none());
    }
}
