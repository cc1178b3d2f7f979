//! A claim: the exclusive right to a task, a lease with a fencing number (the epoch).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::plan::id_of;
use super::text;
use crate::base::{Refusal, Result, Stamp, time};

/// The statuses that a claim may legally hold (the playbook: bus_claim).
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum ClaimStatus {
    Active,
    Paused,
    Released,
    Done,
}

impl ClaimStatus {
    pub const ALL: [ClaimStatus; 4] = [Self::Active, Self::Paused, Self::Released, Self::Done];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Released => "released",
            Self::Done => "done",
        }
    }

    /// Active or paused: a seat holds the task.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Paused)
    }
}

impl fmt::Display for ClaimStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A claim file as found: lenient accessors for lists, [`ClaimFile::strict`] for decisions.
#[derive(Clone, Debug)]
pub struct ClaimFile {
    pub raw: Map<String, Value>,
}

impl ClaimFile {
    pub fn task_id(&self) -> Option<&str> {
        text(&self.raw, "task_id")
    }

    pub fn agent_id(&self) -> Option<&str> {
        text(&self.raw, "agent_id")
    }

    /// The text of `status`, valid or not.
    pub fn status_text(&self) -> Option<&str> {
        text(&self.raw, "status")
    }

    pub fn status(&self) -> Option<ClaimStatus> {
        self.status_text().and_then(ClaimStatus::parse)
    }

    /// Active or paused.
    pub fn is_live(&self) -> bool {
        self.status().is_some_and(ClaimStatus::is_live)
    }

    /// A final status, after which anyone may write to the task (the playbook: claim_guard).
    pub fn is_terminal(&self) -> bool {
        matches!(self.status_text(), Some("done" | "released" | "closed" | "cancelled" | "abandoned"))
    }

    /// The plan's id; the field may hold its path.
    pub fn plan_id(&self) -> Option<&str> {
        text(&self.raw, "plan_id").map(id_of).filter(|id| !id.is_empty())
    }

    pub fn branch(&self) -> Option<&str> {
        text(&self.raw, "branch")
    }

    pub fn notes(&self) -> Option<&str> {
        text(&self.raw, "notes")
    }

    pub fn claimed_at(&self) -> Option<Stamp> {
        text(&self.raw, "claimed_at").and_then(Stamp::parse)
    }

    pub fn lease_expires_at(&self) -> Option<Stamp> {
        text(&self.raw, "lease_expires_at").and_then(Stamp::parse)
    }

    /// The fencing number; claims of other tools have none, which counts as 0.
    pub fn epoch(&self) -> u64 {
        self.raw.get("epoch").and_then(Value::as_u64).unwrap_or(0)
    }

    /// How far the claim is: its epoch and, within it, from active over paused to ended. Going back raises the epoch, so
    /// of two copies the one with the higher progress is later.
    pub fn progress(&self) -> (u64, u8) {
        let status = match self.status() {
            Some(ClaimStatus::Active) => 0,
            Some(ClaimStatus::Paused) => 1,
            // Status words of other tools for ended claims.
            Some(ClaimStatus::Released | ClaimStatus::Done) | None => 2,
        };
        (self.epoch(), status)
    }

    /// The claim with every required field present and valid.
    ///
    /// # Errors
    /// A refusal that names the file and the first missing or invalid field.
    pub fn strict(&self, path: &Path) -> Result<Claim> {
        let refuse = |field: &str, why: String| {
            Refusal::guard("claim.invalid", format!("{} is not a complete claim", path.display()))
                .because(format!("{field} {why}"))
                .next("fix the file by hand, or restore it: teof bus restore")
        };
        let need = |field: &str| {
            text(&self.raw, field).map(str::to_owned).ok_or_else(|| refuse(field, "is missing or not a string".into()))
        };
        let time = |field: &str| match text(&self.raw, field) {
            None => Ok(None),
            Some(at) => Stamp::parse(at).map(Some).ok_or_else(|| refuse(field, format!("is {at:?}, not a UTC time"))),
        };
        let status = need("status")?;
        Ok(Claim {
            task_id: need("task_id")?,
            agent_id: need("agent_id")?,
            branch: need("branch")?,
            status: ClaimStatus::parse(&status)
                .ok_or_else(|| refuse("status", format!("is {status:?}, not active, done, paused or released")))?,
            claimed_at: time("claimed_at")?.ok_or_else(|| refuse("claimed_at", "is missing".into()))?,
            plan_id: self.plan_id().map(str::to_owned),
            notes: self.notes().map(str::to_owned),
            released_at: time("released_at")?,
            epoch: self.epoch(),
            lease_expires_at: time("lease_expires_at")?,
        })
    }
}

/// A complete, valid claim.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema)]
pub struct Claim {
    pub task_id: String,
    pub agent_id: String,
    pub branch: String,
    pub status: ClaimStatus,
    pub claimed_at: Stamp,
    pub plan_id: Option<String>,
    pub notes: Option<String>,
    pub released_at: Option<Stamp>,
    /// Raised by every change of ownership; a write that shows an older one is refused.
    #[schemars(default)]
    pub epoch: u64,
    pub lease_expires_at: Option<Stamp>,
}

impl Claim {
    /// Every field that teof writes, with its value; `null` stands for "not in the file".
    pub fn fields(&self) -> [(&'static str, Value); 10] {
        [
            ("agent_id", json!(self.agent_id)),
            ("branch", json!(self.branch)),
            ("claimed_at", json!(self.claimed_at)),
            ("epoch", json!(self.epoch)),
            ("lease_expires_at", json!(self.lease_expires_at)),
            ("notes", json!(self.notes)),
            ("plan_id", json!(self.plan_id)),
            ("released_at", json!(self.released_at)),
            ("status", json!(self.status.as_str())),
            ("task_id", json!(self.task_id)),
        ]
    }

    /// A new claim file: pretty, keys sorted, ASCII, final newline.
    pub fn to_new_file(&self) -> String {
        let map: Map<_, _> =
            self.fields().into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)).collect();
        crate::base::json::pretty_sorted_ascii(&map.into())
    }
}

/// The longest lease that is given or accepted. A file could contain any year and block its task.
pub const MAX_LEASE: Duration = Duration::from_secs(30 * 24 * 3600);

/// When a lease ends; `None` without one, and for one longer than allowed.
pub fn believed_lease(lease: Option<Stamp>, now: Stamp) -> Option<Stamp> {
    lease.filter(|end| *end <= now.plus(MAX_LEASE).plus(time::SKEW))
}

/// The playbook's branch for a task: `agent/<seat>/<task in lower case, spaces to '-'>`.
pub fn default_branch(agent: &str, task: &str) -> String {
    format!("agent/{agent}/{}", task.to_lowercase().replace(' ', "-"))
}
