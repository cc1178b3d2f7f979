//! What the programs of a run may use, made from `[worker.limits]`, and what enforces each limit on this machine.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Result;
use crate::exec::{AfterDeath, Cgroup, CgroupBase, Limit, Limits, RunLimits};
use crate::hub::Hub;
use crate::hub::settings::{ExecutorKind, limits};

/// One limit as the record shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LimitReport {
    /// `memory`, `cpus`, `pids` or `disk`.
    pub what: &'static str,
    /// As in the settings.
    pub limit: String,
    /// What enforces it: `cgroup` (the kernel), `watch` (teof adds up what is used and stops the program), `docker`, or
    /// `none`.
    pub by: &'static str,
}

/// The limits of one run; its cgroup is removed when the last copy is dropped.
#[derive(Debug)]
pub(super) struct Limited {
    of_run: Option<RunLimits>,
    pub report: Vec<LimitReport>,
}

impl Limited {
    /// As the settings say. `folders` count for the disk space.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub fn new(hub: &Hub, folders: Vec<PathBuf>) -> Result<Self> {
        let worker = &hub.settings()?.worker;
        let limits = of_settings(&worker.limits);
        if limits.is_empty() {
            return Ok(Self { of_run: None, report: Vec::new() });
        }
        let group = match worker.executor {
            ExecutorKind::Process | ExecutorKind::Tmux => group(&limits),
            ExecutorKind::Docker => None,
        };
        let has = |what: &str| group.as_ref().is_some_and(|group| controls(group, what));
        let report = report(&worker.limits, worker.executor, has);
        // The container has its own.
        let limits = match worker.executor {
            ExecutorKind::Docker => Limits { disk: limits.disk, ..Limits::default() },
            ExecutorKind::Process | ExecutorKind::Tmux => limits,
        };
        let of_run = (!limits.is_empty()).then(|| RunLimits { limits, folders, group: group.map(Arc::new) });
        Ok(Self { of_run, report })
    }

    pub fn of_run(&self) -> Option<RunLimits> {
        self.of_run.clone()
    }

    pub fn after_death(&self) -> Option<AfterDeath> {
        self.of_run.as_ref()?.group.as_ref().map(|group| group.after_death())
    }
}

/// What enforces the limits of the settings here, and why no cgroup does; `None` without limits. `coordinator`: the
/// running one, whose workers share its cgroup; without one, they would share that of this process.
///
/// # Errors
/// When the settings cannot be read.
pub fn limits_here(hub: &Hub, coordinator: Option<i32>) -> Result<Option<(Vec<LimitReport>, Option<String>)>> {
    let worker = &hub.settings()?.worker;
    if of_settings(&worker.limits).is_empty() {
        return Ok(None);
    }
    let base = match worker.executor {
        ExecutorKind::Process | ExecutorKind::Tmux => {
            coordinator.map_or_else(CgroupBase::of_this_process, CgroupBase::of_process)
        }
        ExecutorKind::Docker => return Ok(Some((report(&worker.limits, worker.executor, |_| false), None))),
    };
    let has = |what: &str| base.as_ref().is_ok_and(|base| base.controls(if what == "cpus" { "cpu" } else { what }));
    Ok(Some((report(&worker.limits, worker.executor, has), base.as_ref().err().cloned())))
}

fn of_settings(own: &limits::Limits) -> Limits {
    let limit = |name: &str, value: &str, most: Option<u64>| {
        most.map(|most| Limit { most, setting: format!("worker.limits.{name} = {value:?}") })
    };
    Limits {
        memory: limit("memory", &own.memory, limits::bytes(&own.memory)),
        cpus: limit("cpus", &own.cpus, limits::thousandths(&own.cpus)),
        pids: (own.pids > 0).then(|| Limit { most: own.pids, setting: format!("worker.limits.pids = {}", own.pids) }),
        disk: limit("disk", &own.disk, limits::bytes(&own.disk)),
    }
}

/// `None` when the kernel offers none; then teof watches.
fn group(limits: &Limits) -> Option<Cgroup> {
    let made = CgroupBase::of_this_process().and_then(|base| base.group(limits).map_err(|e| e.to_string()));
    made.map_err(|why| tracing::debug!("no cgroup for the run: {why}")).ok()
}

fn controls(group: &Cgroup, what: &str) -> bool {
    match what {
        "memory" => group.limits_memory(),
        "cpus" => group.limits_cpus(),
        _ => group.limits_pids(),
    }
}

fn report(own: &limits::Limits, executor: ExecutorKind, has: impl Fn(&str) -> bool) -> Vec<LimitReport> {
    let pids = if own.pids > 0 { own.pids.to_string() } else { String::new() };
    let all = [("memory", &own.memory), ("cpus", &own.cpus), ("pids", &pids), ("disk", &own.disk)];
    let set = all.into_iter().filter(|(_, limit)| !limit.is_empty());
    set.map(|(what, limit)| {
        let by = match what {
            "disk" => "watch",
            _ if executor == ExecutorKind::Docker => "docker",
            _ if has(what) => "cgroup",
            // There is nothing to add up: who uses a processor alone uses all of it.
            "cpus" => "none",
            _ => "watch",
        };
        LimitReport { what, limit: limit.clone(), by }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_reported_with_what_enforces_it() {
        let own = limits::Limits { memory: "4g".into(), cpus: "1.5".into(), pids: 64, disk: "10g".into() };
        let by = |executor, has: &dyn Fn(&str) -> bool| {
            report(&own, executor, has).into_iter().map(|one| one.by).collect::<Vec<_>>()
        };
        assert_eq!(by(ExecutorKind::Process, &|what| what != "cpus"), ["cgroup", "none", "cgroup", "watch"]);
        assert_eq!(by(ExecutorKind::Tmux, &|_| true), ["cgroup", "cgroup", "cgroup", "watch"]);
        assert_eq!(by(ExecutorKind::Tmux, &|_| false), ["watch", "none", "watch", "watch"]);
        assert_eq!(by(ExecutorKind::Docker, &|_| false), ["docker", "docker", "docker", "watch"]);
        assert_eq!(report(&limits::Limits::default(), ExecutorKind::Process, |_| true), []);
        assert_eq!(of_settings(&own).memory.unwrap().setting, "worker.limits.memory = \"4g\"");
    }
}
