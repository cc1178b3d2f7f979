//! The numbers: how much of each thing.

/// What the programs of a run may use together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In bytes.
    pub memory: Option<Limit>,
    /// In thousandths of a processor.
    pub cpus: Option<Limit>,
    /// Processes and threads.
    pub pids: Option<Limit>,
    /// In bytes.
    pub disk: Option<Limit>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub most: u64,
    /// As the settings have it: `memory = "4g"`.
    pub setting: String,
}

impl Limits {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
