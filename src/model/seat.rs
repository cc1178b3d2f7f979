//! A seat: an agent's identity, `AGENT_MANIFEST.json` or `AGENT_MANIFEST.<id>.json`.

use serde_json::{Map, Value};

use super::{text, texts};

/// The author of what people do; no seat has this name.
pub const OPERATOR: &str = "operator";

/// The manifest of the worktree's current seat.
pub const MANIFEST: &str = "AGENT_MANIFEST.json";

/// The file name of a seat's own manifest.
pub fn variant(agent: &str) -> String {
    format!("AGENT_MANIFEST.{agent}.json")
}

/// The fields of a manifest, for its JSON Schema. Others are kept.
#[derive(Debug, schemars::JsonSchema)]
pub struct SeatFields {
    pub agent_id: String,
    /// The beginning of its branches: `agent/<id>/`.
    pub branch_prefix: Option<String>,
    #[schemars(default)]
    pub capabilities: Vec<String>,
    /// `manager` makes it a manager.
    #[schemars(default)]
    pub desired_roles: Vec<String>,
    /// How many branches it may finish in a UTC day; 0 means no limit.
    #[schemars(default)]
    pub max_prs_per_day: u64,
}

/// A manifest as found.
#[derive(Clone, Debug)]
pub struct Seat {
    pub raw: Map<String, Value>,
}

impl Seat {
    pub fn agent_id(&self) -> Option<&str> {
        text(&self.raw, "agent_id")
    }

    pub fn branch_prefix(&self) -> Option<&str> {
        text(&self.raw, "branch_prefix")
    }

    pub fn capabilities(&self) -> Vec<&str> {
        texts(&self.raw, "capabilities")
    }

    pub fn desired_roles(&self) -> Vec<&str> {
        texts(&self.raw, "desired_roles")
    }

    pub fn is_manager(&self) -> bool {
        self.desired_roles().contains(&"manager")
    }

    /// How many branches the seat may finish in a UTC day; 0 and absent mean no limit.
    pub fn daily_limit(&self) -> u64 {
        self.raw.get("max_prs_per_day").and_then(Value::as_u64).unwrap_or(0)
    }
}
