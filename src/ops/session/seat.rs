//! Uses, saves and restores seats in a worktree (the playbook: manifest_helper).

use serde::Serialize;

use crate::base::{Refusal, Result, Stamp, text};
use crate::bus::claims;
use crate::guard::claim::Author;
use crate::hub::Hub;
use crate::hub::git::{self, Git};
use crate::model::event::Event;
use crate::seats::freshness::{self, Freshness};
use crate::seats::saved::{self, Saved};
use crate::seats::swap::{self, Swap};
use crate::seats::{manifest, retired, session};

use super::{place, sync};
use crate::ops::publish::{self, Entry};

/// A seat and its state.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    pub agent_id: String,
    /// Whether it is this worktree's seat.
    pub current: bool,
    pub manifest: Option<String>,
    pub roles: Vec<String>,
    /// When its session was started or renewed.
    pub session_at: Option<Stamp>,
    /// fresh, stale, invalid or missing
    pub session: &'static str,
    /// Tasks of its active and paused claims.
    pub claims: Vec<String>,
    /// It can hold no task until it is revived.
    pub retired: bool,
}

/// Every seat that has a manifest or a session, by id.
pub fn overview(hub: &Hub) -> Result<Vec<Overview>> {
    let current = manifest::current(hub)?.map(|found| found.agent().to_owned());
    let manifests = manifest::all(hub)?;
    let claims = claims::list(hub)?.whole;
    let retired = retired::ids(hub);
    let mut ids: Vec<String> = manifests.iter().map(|seat| seat.agent().to_owned()).collect();
    ids.extend(session::agents(hub));
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .map(|agent_id| {
            let seat = manifests.iter().find(|seat| seat.agent() == agent_id);
            let held = claims.iter().filter(|(_, claim)| claim.is_live() && claim.agent_id() == Some(&agent_id));
            Ok(Overview {
                current: current.as_ref() == Some(&agent_id),
                manifest: seat.map(|seat| seat.path.display().to_string()),
                roles: seat.iter().flat_map(|seat| seat.seat.desired_roles()).map(str::to_owned).collect(),
                session_at: freshness::captured_at(hub, &agent_id)?,
                session: match freshness::check(hub, &agent_id, None)? {
                    Freshness::Fresh { .. } => "fresh",
                    Freshness::Stale { .. } => "stale",
                    Freshness::Invalid(_) => "invalid",
                    Freshness::Missing => "missing",
                },
                claims: held.map(|(task, _)| task.clone()).collect(),
                retired: retired.contains(&agent_id),
                agent_id,
            })
        })
        .collect()
}

/// How a worktree got its seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It had a manifest, here or saved by a swap.
    Known,
    /// A new manifest was created; `back` when it replaced another seat's.
    Made { back: bool },
}

/// Makes this the seat's worktree.
///
/// # Errors
/// As [`place::check_not_at_work`], [`place::check_folder`] and [`Swap::perform`].
pub fn take(hub: &Hub, agent: &str) -> Result<Taken> {
    place::check_not_at_work(hub, agent)?;
    place::check_folder(hub, agent)?;
    let known = match swap::to_variant(hub, agent)? {
        Some(swap) => Some(swap),
        None => swap::to_kept(hub, agent),
    };
    let back =
        manifest::current(hub).is_ok_and(|found| found.is_some_and(|found| found.path.starts_with(&hub.here.root)));
    match known {
        Some(swap) => swap.perform(hub).map(|()| Taken::Known),
        None => swap::to_new(hub, agent)?.perform(hub).map(|()| Taken::Made { back }),
    }
}

/// Saves this worktree's seat under a label and, by default, notifies the others.
///
/// # Errors
/// Without a manifest; in a dirty tree, whose changes would not be saved; when the label is taken. The heartbeat
/// comes first, so a stale session saves nothing.
pub fn save(hub: &Hub, label: &str, request: &SaveRequest<'_>) -> Result<Saved> {
    saved::check_label(hub, label, request.force)?;
    let Some(found) = manifest::current(hub)? else {
        return Err(Refusal::guard("seat.none", "this worktree has no seat")
            .because("no AGENT_MANIFEST.json with an agent_id exists")
            .next("use one: teof agent use <id>")
            .into());
    };
    if !request.allow_dirty {
        refuse_dirt(hub, "the changes would not be saved with the seat")?;
    }
    let head = Git::at(&hub.here.root).output(&["rev-parse", "-q", "--verify", "HEAD"])?;
    let saved = Saved {
        label: label.to_owned(),
        agent_id: found.agent().to_owned(),
        branch: hub.here.branch(),
        commit: head.status.success().then(|| String::from_utf8_lossy(&head.stdout).trim().to_owned()),
        created: hub.now(),
        manifest: String::from_utf8_lossy(&swap::read(&found)?).into_owned(),
    };
    if let Some(author) = request.heartbeat {
        let mut event = Event::new(&author.agent, "status", format!("{}: seat saved as {label}", author.agent));
        event = event.meta("label", label);
        event.meta.extend(request.meta.clone());
        publish::publish(hub, "agent save", author, &[Entry::event(event, None)], None)?;
    }
    saved::save(hub, &saved)?;
    Ok(saved)
}

#[derive(Clone, Debug)]
pub struct SaveRequest<'a> {
    pub allow_dirty: bool,
    pub force: bool,
    /// The author of the heartbeat; `None`: no heartbeat.
    pub heartbeat: Option<&'a Author>,
    pub meta: serde_json::Map<String, serde_json::Value>,
}

/// Restores a saved seat: its branch (unless `manifest_only`), then the manifest.
pub fn restore(hub: &Hub, label: &str, manifest_only: bool, allow_dirty: bool) -> Result<Saved> {
    let saved = saved::load(hub, label)?;
    place::check_folder(hub, &saved.agent_id)?;
    if let Some(branch) = saved.branch.as_deref().filter(|_| !manifest_only)
        && hub.here.branch().as_deref() != Some(branch)
    {
        if !allow_dirty {
            refuse_dirt(hub, "switching branches would carry the changes along")?;
        }
        switch(hub, branch)?;
    }
    Swap::to_bytes(&saved.agent_id, saved.manifest.clone().into_bytes()).perform(hub)?;
    Ok(saved)
}

/// Restores the manifest from before the last swap. Returns the seat.
pub fn back(hub: &Hub) -> Result<String> {
    let swap = swap::back(hub)?;
    swap.perform(hub)?;
    Ok(swap.agent)
}

fn switch(hub: &Hub, branch: &str) -> Result<()> {
    if hub.here.root == hub.root {
        return Err(Refusal::guard("hub.stays", format!("the hub must stay on {}", hub.branch().unwrap_or_default()))
            .because(format!("the seat was saved on {branch}, but the record is in this worktree"))
            .next("restore only the manifest: --manifest-only")
            .next("or restore it in its own worktree: git worktree add <path> <branch>")
            .into());
    }
    let output = Git::at(&hub.here.root).output(&["switch", "--quiet", branch])?;
    if output.status.success() {
        return Ok(());
    }
    Err(Refusal::guard("seat.branch", format!("could not switch to {}", text::safe(branch)))
        .because(git::complaint(&output))
        .next("restore only the manifest: --manifest-only")
        .into())
}

fn refuse_dirt(hub: &Hub, why: &str) -> Result<()> {
    let dirt = sync::dirt(hub, &hub.here)?;
    if dirt.is_empty() {
        return Ok(());
    }
    Err(Refusal::guard(
        "seat.dirty",
        format!("{} has {}", hub.here.root.display(), crate::base::text::counted(dirt.len(), "uncommitted change")),
    )
    .because(why)
    .next("commit them on your branch first")
    .next("or continue anyway: --allow-dirty")
    .into())
}
