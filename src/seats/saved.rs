//! Seats that were saved under a label, to be restored later (the playbook: session-save, session-restore). They are
//! machine-local, so they never make a tree dirty.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, Stamp, files, json, names};
use crate::hub::Hub;

/// A saved seat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    pub label: String,
    pub agent_id: String,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub created: Stamp,
    /// The manifest, byte for byte.
    pub manifest: String,
}

fn path(hub: &Hub, label: &str) -> PathBuf {
    hub.local(&format!("seats/saved/{label}.json"))
}

/// Refuses a label that is not a usable name, or that is taken unless `force`.
pub fn check_label(hub: &Hub, label: &str, force: bool) -> Result<()> {
    names::check_id("label", label)?;
    if !force && path(hub, label).exists() {
        return Err(Refusal::guard("seat.label_taken", format!("saved seat {label} already exists"))
            .next("choose another label, or replace it with --force")
            .into());
    }
    Ok(())
}

pub fn save(hub: &Hub, saved: &Saved) -> Result<()> {
    let path = path(hub, &saved.label);
    files::create_parent(&path)?;
    files::replace(&path, (json::pretty(saved) + "\n").as_bytes())
}

pub fn load(hub: &Hub, label: &str) -> Result<Saved> {
    names::check_id("label", label)?;
    let path = path(hub, label);
    let Some(raw) = json::read_object(&path)? else {
        let saved = labels(hub);
        let there = match saved.is_empty() {
            true => "no seat is saved".to_owned(),
            false => format!("saved labels: {}", saved.join(", ")),
        };
        let meant = names::did_you_mean(label, saved.iter().map(String::as_str));
        return Err(Refusal::not_found("seat.not_saved", format!("no such saved seat: {label}{meant}"))
            .because(there)
            .next("list all seats: teof agent list")
            .into());
    };
    serde_json::from_value(raw.into()).map_err(|e| {
        Refusal::guard("seat.invalid", format!("{} cannot be read", path.display()))
            .because(e.to_string())
            .next("save the seat again: teof agent save <label> --force")
            .into()
    })
}

/// When a seat was last saved, under any label. A damaged file says nothing.
pub fn latest_of(hub: &Hub, agent: &str) -> Option<Stamp> {
    let saved = labels(hub).into_iter().filter_map(|label| load(hub, &label).ok());
    saved.filter(|saved| saved.agent_id == agent).map(|saved| saved.created).max()
}

/// All labels, sorted.
pub fn labels(hub: &Hub) -> Vec<String> {
    let entries = fs::read_dir(hub.local("seats/saved")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
    let mut labels: Vec<_> = names.filter(|name| names::is_id(name)).collect();
    labels.sort();
    labels
}
