//! What the programs of one job may use: `[worker.limits]`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory of all programs of a job, such as `4g`; empty means no limit.
    pub memory: String,
    /// How many processors they may use, such as `1.5`; empty means all. Needs a cgroup.
    pub cpus: String,
    /// How many processes and threads they may have; 0 means no limit.
    pub pids: u64,
    /// Disk space of a job's worktree and temporary folder, such as `10g`; empty means no limit.
    pub disk: String,
}

impl Limits {
    /// Refuses what is no size or number.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, value) in [("memory", &self.memory), ("disk", &self.disk)] {
            if !value.is_empty() && bytes(value).is_none() {
                return Err(format!("[worker.limits] {name}: {value:?} is no size; valid: 512m, 4g, 1.5g"));
            }
        }
        match self.cpus.is_empty() || thousandths(&self.cpus).is_some() {
            true => Ok(()),
            false => Err(format!("[worker.limits] cpus: {:?} is no number of processors; valid: 2, 1.5", self.cpus)),
        }
    }
}

/// A size as docker writes it: a number with `b`, `k`, `m` or `g`, in bytes; `None` when it is none, or 0.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "" | "b" => 1.0,
        "k" | "kb" => 1024.0,
        "m" | "mb" => 1024.0 * 1024.0,
        "g" | "gb" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    positive(number).map(|number| (number * unit) as u64).filter(|bytes| *bytes > 0)
}

/// Thousandths of a processor.
pub fn thousandths(text: &str) -> Option<u64> {
    positive(text).map(|number| (number * 1000.0).round() as u64).filter(|parts| *parts > 0)
}

fn positive(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them_and_others_are_refused() {
        for (text, wanted) in
            [("512m", 512 << 20), ("4G", 4 << 30), ("1.5g", 3 << 29), ("10k", 10 << 10), ("7", 7), ("1gb", 1 << 30)]
        {
            assert_eq!(bytes(text), Some(wanted), "{text}");
        }
        for text in ["", "g", "4x", "-1g", "0", "inf", "1 2g"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!((thousandths("1.5"), thousandths("0"), thousandths("two")), (Some(1500), None, None));
        let limits =
            |memory: &str, cpus: &str| Limits { memory: memory.into(), cpus: cpus.into(), ..Limits::default() };
        assert_eq!(limits("4g", "2").check(), Ok(()));
        assert!(limits("4x", "").check().unwrap_err().contains("\"4x\" is no size"));
        assert!(limits("", "two").check().unwrap_err().contains("no number of processors"));
    }
}
