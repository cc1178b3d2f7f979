//! Decides which seat may boot in this worktree: free seat of a pool, manifest, branch.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, env, json, lock, names, text};
use crate::bus::claims;
use crate::guard::operator::{self, Recognised};
use crate::hub::{Hub, paths};
use crate::seats::freshness::{self, Freshness};
use crate::seats::pool::{self, Candidate};
use crate::seats::swap::{self, Swap};
use crate::seats::{self, known, manifest, retired, saved};

/// The seats to choose a free one from, and how long an unused one counts as taken.
#[derive(Clone, Debug)]
pub struct Auto {
    pub pool: Vec<String>,
    pub stale: Duration,
}

/// An unused seat of the pool.
pub fn free_seat(hub: &Hub, auto: &Auto) -> Result<String> {
    let claims = claims::list(hub)?.whole;
    let holds = |agent: &str| claims.iter().any(|(_, claim)| claim.is_live() && claim.agent_id() == Some(agent));
    let candidate = |agent: &String| {
        Ok(Candidate {
            agent: agent.clone(),
            claims: holds(agent),
            is_retired: retired::of(hub, agent)?.is_some(),
            last_session: freshness::captured_at(hub, agent)?,
        })
    };
    let pool: Vec<Candidate> = auto.pool.iter().map(candidate).collect::<Result<_>>()?;
    pool::choose(&pool, hub.now(), auto.stale).map(str::to_owned)
}

/// The caller's overrides.
#[derive(Clone, Copy)]
pub struct Allow {
    /// The seat was taken from a pool.
    pub any_seat: bool,
    pub manifest_mismatch: bool,
    pub branch_mismatch: bool,
}

/// A seat that may boot here, with its manifest swap and overrides.
pub struct Place {
    pub agent: String,
    pub swap: Option<Swap>,
    pub warnings: Vec<Warning>,
}

/// A recorded override.
pub struct Warning {
    code: &'static str,
    pub message: String,
    /// The mismatch: `manifest_agent` or `branch`.
    about: (&'static str, Value),
}

impl Warning {
    pub fn line(&self, hub: &Hub, agent: &str) -> Vec<u8> {
        let mut map = Map::new();
        map.insert("ts".into(), json!(hub.now()));
        map.insert("agent_id".into(), json!(agent));
        map.insert("code".into(), json!(self.code));
        map.insert("message".into(), json!(self.message));
        map.insert(self.about.0.into(), self.about.1.clone());
        (json::compact(&map) + "\n").into_bytes()
    }
}

/// Checks manifest and branch: they match, the manifest is swapped, an override is recorded, or the boot is refused.
///
/// # Errors
/// As [`known::check_name`] and [`check_not_at_work`]; what else the place refuses.
pub fn place(hub: &Hub, agent: &str, by_variable: bool, allow: Allow) -> Result<Place> {
    known::check_name(hub, agent)?;
    check_not_at_work(hub, agent)?;
    let mut place = Place { agent: agent.to_owned(), swap: None, warnings: Vec::new() };
    let declared = if by_variable { None } else { manifest::current(hub)? };
    match declared.filter(|found| found.agent() != agent) {
        None if allow.any_seat => place.swap = Some(seat_swap(hub, agent)?),
        None => {}
        Some(declared) if is_live(hub, &declared)? => match allow.manifest_mismatch {
            true => place.warnings.push(mismatch(agent, &declared)),
            false => {
                let own = format!("or use your own worktree: git worktree add -b agent/{agent}/work ../{agent}");
                return Err(folder_taken(agent, &declared).next(own).into());
            }
        },
        Some(declared) => match (swap::to_variant(hub, agent)?, allow.any_seat) {
            (Some(swap), _) => place.swap = Some(swap),
            (None, true) => place.swap = Some(swap::to_new(hub, agent)?),
            (None, false) if allow.manifest_mismatch => place.warnings.push(mismatch(agent, &declared)),
            (None, false) => return Err(manifest_mismatch(agent, &declared).into()),
        },
    }
    match check_branch(hub, agent)? {
        None => {}
        Some((warning, _)) if allow.branch_mismatch => place.warnings.push(warning),
        Some((_, refusal)) => return Err(refusal.into()),
    }
    Ok(place)
}

/// Refuses a seat whose job runs, except in a run, which has only its own seat: two agents with one name would share
/// its claims.
///
/// # Errors
/// `seat.at_work` (exit 3).
pub fn check_not_at_work(hub: &Hub, agent: &str) -> Result<()> {
    if operator::run::inside().is_some() {
        return Ok(());
    }
    for (task, claim) in claims::list(hub)?.whole {
        let is_own = claim.is_live() && claim.agent_id() == Some(agent) && names::is_id(&task);
        if is_own && lock::is_held(&hub.local(&paths::run_lock(&task)))? {
            return Err(Refusal::held("seat.at_work", format!("{agent} is working on the job {}", text::safe(&task)))
                .because("two agents with the name of one seat would share its claims and its log")
                .next("start as a free seat instead: teof session-boot --auto-agent")
                .next("or wait until the job ends: teof status --watch")
                .with("task_id", task)
                .into());
        }
    }
    Ok(())
}

/// Refuses another seat's manifest in a folder whose seat has a fresh session and was not saved since, unless a person
/// at a terminal or with a token asks for it.
///
/// # Errors
/// `session.folder_taken` (exit 1).
pub fn check_folder(hub: &Hub, agent: &str) -> Result<()> {
    let is_here = |found: &seats::Manifest| found.agent() != agent && found.path.starts_with(&hub.here.root);
    let Some(declared) = manifest::current(hub)?.filter(is_here) else { return Ok(()) };
    let other = declared.agent();
    let is_saved = freshness::captured_at(hub, other)? <= saved::latest_of(hub, other);
    let by_person = || matches!(operator::require("take a folder"), Ok(Recognised::Terminal | Recognised::Token));
    if is_saved || !is_live(hub, &declared)? || by_person() {
        return Ok(());
    }
    let hand_over = format!("or, as {other}, hand the folder over: teof agent save {other}");
    Err(folder_taken(agent, &declared).next(hand_over).into())
}

/// Whether the manifest's seat has a fresh session; without its manifest it would write under another name.
fn is_live(hub: &Hub, declared: &seats::Manifest) -> Result<bool> {
    Ok(matches!(freshness::check(hub, declared.agent(), None)?, Freshness::Fresh { .. }))
}

fn mismatch(agent: &str, declared: &seats::Manifest) -> Warning {
    Warning {
        code: "manifest_mismatch",
        message: format!("the manifest belongs to {}; continued as {agent} at the caller's request", declared.agent()),
        about: ("manifest_agent", json!(declared.agent())),
    }
}

fn folder_taken(agent: &str, declared: &seats::Manifest) -> Refusal {
    let other = declared.agent();
    Refusal::guard("session.folder_taken", format!("{other} has a session in this folder"))
        .because(format!("with {agent}'s manifest here, {other} would write as {agent}"))
        .with("manifest_agent", other)
        .next(format!("to work beside {other}: {}={agent} teof session-boot", env::AGENT))
}

fn seat_swap(hub: &Hub, agent: &str) -> Result<Swap> {
    Ok(match swap::to_variant(hub, agent)? {
        Some(swap) => swap,
        None => swap::to_new(hub, agent)?,
    })
}

/// The playbook: "stick to `agent/<id>/*` (or `main`)". The record's branch (in the hub) and the branch for finished
/// work are allowed like `main`.
fn check_branch(hub: &Hub, agent: &str) -> Result<Option<(Warning, Refusal)>> {
    if hub.here.root == hub.root {
        hub.check_branch()?;
    }
    let own = format!("agent/{agent}");
    let target = &hub.settings()?.git.target;
    let code = match hub.here.branch() {
        Some(branch)
            if branch == own
                || branch.starts_with(&format!("{own}/"))
                || ["main", "origin/main", target].contains(&branch.as_str())
                || (hub.here.root == hub.root && hub.branch().as_deref() == Some(&branch)) =>
        {
            return Ok(None);
        }
        Some(branch) => ("branch_mismatch", format!("this worktree is on {}", text::safe(&branch)), json!(branch)),
        None => ("branch_unknown", "this worktree is on no branch".to_owned(), Value::Null),
    };
    let (code, what, branch) = code;
    let go = match hub.here.operation() {
        Some(operation) => format!("{operation} is in progress here: finish it first"),
        None => format!("switch to a branch of the seat: git switch -c agent/{agent}/work"),
    };
    let refusal = Refusal::guard("session.branch", format!("{what}, which does not belong to {agent}"))
        .because(format!("{agent} may use agent/{agent}/* or main"))
        .next(go)
        .next("or continue anyway (recorded): --allow-branch-mismatch")
        .with("branch", branch.clone());
    let message = format!("{what}; continued as {agent} at the caller's request");
    Ok(Some((Warning { code, message, about: ("branch", branch) }, refusal)))
}

fn manifest_mismatch(agent: &str, declared: &seats::Manifest) -> Refusal {
    Refusal::guard("session.manifest", format!("the manifest here belongs to {}, not to {agent}", declared.agent()))
        .because(format!("see {}; no AGENT_MANIFEST.{agent}.json exists to swap to", declared.path.display()))
        .next(format!("use this seat here: teof agent use {agent}"))
        .next(format!("to work beside {} in this folder, set {}={agent}", declared.agent(), env::AGENT))
        .next("or continue anyway (recorded): --allow-manifest-mismatch")
        .with("manifest_agent", declared.agent())
}

/// Refuses `--auto-agent` together with a named seat.
pub fn named_and_auto(named: &str) -> Refusal {
    Refusal::usage("agent.named_and_auto", "--auto-agent chooses a seat, but one is already given")
        .because(format!("--agent or {} is {named}", env::AGENT))
        .next("omit one of them")
}
