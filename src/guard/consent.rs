//! Decides what may happen unattended, from the consent file and a person's grant of it.
//!
//! `docs/automation/autonomy-consent.json` alone is not sufficient: it counts only while its bytes and the covered
//! settings of `teof.toml` are the ones that a person granted on this machine ([`super::trust`]). A missing, malformed,
//! conflicted or changed file means "no".
//!
//! What each flag allows ([`permits`]; a test checks every cell):
//!
//! | who | a cycle or job | after one that executed nothing | execute commands | commands that an agent suggests | merge, push |
//! |---|---|---|---|---|---|
//! | a person (`conductor` once, `foreman run`, `review approve`) | yes | yes | yes | yes | yes |
//! | the conductor's loop | `auto_enabled` and `continuous` | and not `require_execute` | never: it only hands out prompts | never | never |
//! | `coordinator run` and the foreman that it spawned | `auto_enabled`, and `continuous` or fewer than `max_iterations` so far | and not `require_execute` | `auto_enabled` | `auto_enabled` | `auto_enabled` and `allow_apply`, and a person's approval besides |
//!
//! - `continuous` removes the limit of `max_iterations`; without it `max_iterations: 0` permits nothing.
//! - `halt_on_attention_feeds` and `halt_on_ci_failure` stop the next cycle of loop and coordinator while
//!   the backlog's prerequisites report that state. They are on unless the file says `false`.
//! - Consent does not make a command trusted: what runs unattended also needs
//!   [`super::trust::commands::TrustedCommands`], and what an agent suggests always needs it. A person who runs an
//!   order by hand decides for themselves.

use serde::Serialize;
use serde_json::{Map, Value};

use super::trust;
use crate::base::{Refusal, Result, digest, files, json};
use crate::hub::{Hub, paths};

/// The flags of the consent file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(extend("required" = []))]
pub struct Consent {
    /// Unattended at all.
    pub auto_enabled: bool,
    /// More than `max_iterations`.
    pub continuous: bool,
    pub max_iterations: u64,
    /// A cycle that executes nothing ends the loop.
    pub require_execute: bool,
    /// Results may leave the worktree: merge, push.
    pub allow_apply: bool,
    pub halt_on_attention_feeds: bool,
    pub halt_on_ci_failure: bool,
}

impl Consent {
    /// Everything off: the consent of an empty file.
    pub const NONE: Consent = Consent {
        auto_enabled: false,
        continuous: false,
        max_iterations: 0,
        require_execute: true,
        allow_apply: false,
        halt_on_attention_feeds: true,
        halt_on_ci_failure: true,
    };

    /// Reads the flags. A missing flag is off (`require_execute` and the halts: on).
    ///
    /// # Errors
    /// The name of the first flag with the wrong type.
    pub fn read(raw: &Map<String, Value>) -> Result<Consent, &'static str> {
        let flag = |key: &'static str, default: bool| match raw.get(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or(key),
        };
        Ok(Consent {
            auto_enabled: flag("auto_enabled", false)?,
            continuous: flag("continuous", false)?,
            max_iterations: match raw.get("max_iterations") {
                None => 0,
                Some(value) => value.as_u64().ok_or("max_iterations")?,
            },
            require_execute: flag("require_execute", true)?,
            allow_apply: flag("allow_apply", false)?,
            halt_on_attention_feeds: flag("halt_on_attention_feeds", true)?,
            halt_on_ci_failure: flag("halt_on_ci_failure", true)?,
        })
    }
}

/// Who wants to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person who started exactly this command.
    Person,
    /// `conductor` beyond its first cycle.
    ConductorLoop,
    /// `coordinator run`, and the foreman that it spawned.
    Coordinator,
}

/// The action that needs consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To begin a cycle of the conductor, or a job of the coordinator.
    Cycle(Cycle),
    /// To execute the commands of an order.
    Execute,
    /// To execute what an agent's answer suggests.
    Suggested,
    /// To let a result leave its worktree: merge or push it.
    Apply,
}

/// The state before a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Cycles (jobs) begun since the grant.
    pub done: u64,
    /// The previous cycle executed nothing. For the conductor, handing out a prompt counts as executing; a
    /// coordinator that waits for work has no cycle.
    pub idle: bool,
    /// The prerequisites report attention feeds.
    pub attention: bool,
    /// The prerequisites report a failed CI.
    pub ci_failed: bool,
}

/// The decision, with the flag that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    Yes,
    No { flag: &'static str, why: &'static str },
}

/// The table at the top, as code. Pure.
pub fn permits(consent: &Consent, actor: Actor, action: Action) -> Permit {
    let no = |flag, why| Permit::No { flag, why };
    match (actor, action) {
        (Actor::Person, _) => Permit::Yes,
        (Actor::ConductorLoop, Action::Execute | Action::Suggested | Action::Apply) => {
            no("", "the conductor only hands out prompts")
        }
        _ if !consent.auto_enabled => no("auto_enabled", "unattended work is off"),
        (_, Action::Execute | Action::Suggested) => Permit::Yes,
        (_, Action::Apply) if consent.allow_apply => Permit::Yes,
        (_, Action::Apply) => no("allow_apply", "merging is not allowed"),
        (_, Action::Cycle(cycle)) => cycle_permit(consent, actor, cycle),
    }
}

fn cycle_permit(consent: &Consent, actor: Actor, cycle: Cycle) -> Permit {
    let no = |flag, why| Permit::No { flag, why };
    if !consent.continuous && actor == Actor::ConductorLoop {
        no("continuous", "a loop needs continuous consent")
    } else if !consent.continuous && cycle.done >= consent.max_iterations {
        no("max_iterations", "all allowed jobs have started")
    } else if cycle.idle && consent.require_execute {
        no("require_execute", "the previous job executed nothing")
    } else if cycle.attention && consent.halt_on_attention_feeds {
        no("halt_on_attention_feeds", "feeds need attention")
    } else if cycle.ci_failed && consent.halt_on_ci_failure {
        no("halt_on_ci_failure", "the CI summary reports a failure")
    } else {
        Permit::Yes
    }
}

/// Why a consent file does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    Missing,
    /// Unreadable, with the reason.
    Malformed(String),
    /// It holds conflict markers.
    Conflicted,
    /// No person granted it on this machine.
    NotGranted,
    /// This file is not the one that was granted.
    Changed(&'static str),
}

impl Doubt {
    pub fn code(&self) -> &'static str {
        match self {
            Doubt::Missing => "consent.missing",
            Doubt::Malformed(_) => "consent.malformed",
            Doubt::Conflicted => "consent.conflicted",
            Doubt::NotGranted => "consent.not_granted",
            Doubt::Changed(_) => "consent.changed",
        }
    }

    pub fn reason(&self) -> String {
        match self {
            Doubt::Missing => format!("{} does not exist", paths::CONSENT),
            Doubt::Malformed(why) => format!("{} cannot be read: {why}", paths::CONSENT),
            Doubt::Conflicted => format!("{} contains conflict markers", paths::CONSENT),
            Doubt::NotGranted => "no grant on this machine".to_owned(),
            Doubt::Changed(paths::SETTINGS) => {
                format!("{} changed since the grant, in the granted settings", paths::SETTINGS)
            }
            Doubt::Changed(file) => format!("{file} changed since the grant"),
        }
    }
}

/// The current consent.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The effective flags: the file's, or [`Consent::NONE`] when there is a doubt.
    pub consent: Consent,
    /// The file's flags, effective or not; `None` when the file cannot be read.
    pub written: Option<Consent>,
    pub doubt: Option<Doubt>,
    pub grant: Option<trust::Grant>,
}

/// Refuses (exit 6) unless the current consent allows a job of this work.
pub fn require_job(hub: &Hub, task: &str, plan: Option<&str>, step: Option<&str>) -> Result<()> {
    standing(hub)?.require_job(task, plan, step)
}

/// Reads consent and trust again. Call it before each spawn, execution and merge.
pub fn standing(hub: &Hub) -> Result<Standing> {
    let found = read_both(hub)?;
    if !matches!(found.doubt, Some(Doubt::Changed(_))) {
        return Ok(found);
    }
    // A grant writes both files, and may have written one when they were read.
    trust::wait_for_change(hub)?;
    read_both(hub)
}

fn read_both(hub: &Hub) -> Result<Standing> {
    let grant = trust::read(hub)?.grant;
    let (written, digest) = match read_file(hub) {
        Ok(found) => found,
        Err(doubt) => return Ok(Standing { consent: Consent::NONE, written: None, doubt: Some(doubt), grant }),
    };
    let doubt = match &grant {
        None => Some(Doubt::NotGranted),
        Some(grant) if grant.consent_sha256 != digest => Some(Doubt::Changed(paths::CONSENT)),
        Some(grant) if grant.settings_sha256 != trust::settings_digest(hub)? => Some(Doubt::Changed(paths::SETTINGS)),
        Some(_) => None,
    };
    let consent = match grant.as_ref().and_then(|grant| grant.only.as_ref()) {
        _ if doubt.is_some() => Consent::NONE,
        Some(only) => Consent { continuous: false, max_iterations: only.jobs, ..written },
        None => written,
    };
    Ok(Standing { consent, written: Some(written), doubt, grant })
}

/// Refuses (exit 6) unless the current consent allows it.
pub fn require(hub: &Hub, actor: Actor, action: Action) -> Result<()> {
    standing(hub)?.require(actor, action)
}

impl Standing {
    /// How many jobs may start; `None`: any number.
    pub fn jobs(&self) -> Option<u64> {
        (!self.consent.continuous).then_some(self.consent.max_iterations)
    }

    /// The only work that the grant covers; `None`: all work.
    pub fn only(&self) -> Option<&trust::Only> {
        self.grant.as_ref().and_then(|grant| grant.only.as_ref())
    }

    /// Refuses unless a job of this work may run.
    ///
    /// # Errors
    /// As [`Standing::require`] for [`Action::Execute`]; `consent.other_job` (exit 6) when the grant is for other work.
    pub fn require_job(&self, task: &str, plan: Option<&str>, step: Option<&str>) -> Result<()> {
        self.require(Actor::Coordinator, Action::Execute)?;
        let Some(only) = self.only().filter(|only| !only.covers(task, plan, step)) else { return Ok(()) };
        Err(Refusal::unattended("consent.other_job", "consent does not allow this job")
            .because(format!("it was granted for other work only ({})", only.describe()))
            .next("allow jobs of all tasks, as a person: teof consent grant --max-jobs 10")
            .into())
    }

    pub fn require(&self, actor: Actor, action: Action) -> Result<()> {
        let Permit::No { flag, why } = permits(&self.consent, actor, action) else { return Ok(()) };
        let refusal = match &self.doubt {
            Some(doubt @ (Doubt::Malformed(_) | Doubt::Conflicted)) => {
                Refusal::unattended(doubt.code(), "no consent to run unattended")
                    .because(doubt.reason())
                    .next(format!("fix {} by hand, then: teof consent grant", paths::CONSENT))
            }
            Some(doubt) => Refusal::unattended(doubt.code(), "no consent to run unattended")
                .because(doubt.reason())
                .next("see the consent: teof consent show")
                .next("grant it, as a person: teof consent grant"),
            None if flag.is_empty() => Refusal::unattended("consent.never", why),
            None if flag == "max_iterations" => {
                Refusal::unattended("consent.refused", why).next("allow 10 more: teof consent grant --max-jobs 10")
            }
            None => {
                let refusal = Refusal::unattended("consent.refused", format!("consent does not allow this: {why}"))
                    .because(format!("set by {flag} in {}", paths::CONSENT));
                match flag {
                    "require_execute" => refusal.next("check the last job, then: teof consent grant"),
                    "auto_enabled" => refusal.next("grant it, as a person: teof consent grant"),
                    "continuous" => refusal.next("allow any number: teof consent grant --continuous"),
                    "allow_apply" => refusal.next("allow merging: teof consent grant --allow-apply"),
                    "halt_on_attention_feeds" => {
                        refusal.next("start anyway: teof consent grant --halt-on-attention-feeds false")
                    }
                    "halt_on_ci_failure" => refusal.next("start anyway: teof consent grant --halt-on-ci-failure false"),
                    _ => refusal.next("see what is allowed: teof consent show"),
                }
            }
        };
        Err(refusal.with("flag", flag).into())
    }
}

/// Reads the flags and the file's SHA-256 from the same bytes.
fn read_file(hub: &Hub) -> Result<(Consent, String), Doubt> {
    let malformed = |e: anyhow::Error| {
        let reason = Refusal::of(&e).and_then(|refusal| refusal.reason.clone());
        Doubt::Malformed(reason.unwrap_or_else(|| e.to_string()))
    };
    let path = hub.path(paths::CONSENT).map_err(malformed)?;
    let bytes = files::read(&path, files::MAX_DOCUMENT).map_err(malformed)?.ok_or(Doubt::Missing)?;
    if bytes.windows(8).any(|window| window == b"\n<<<<<<<") || bytes.starts_with(b"<<<<<<<") {
        return Err(Doubt::Conflicted);
    }
    let raw = json::parse_object(&bytes, &path).map_err(malformed)?;
    let consent = Consent::read(&raw).map_err(|key| Doubt::Malformed(format!("{key} has the wrong type")))?;
    Ok((consent, digest::sha256(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Consent = Consent {
        auto_enabled: true,
        continuous: true,
        max_iterations: 3,
        require_execute: false,
        allow_apply: true,
        halt_on_attention_feeds: false,
        halt_on_ci_failure: false,
    };

    fn flag(consent: Consent, actor: Actor, action: Action) -> &'static str {
        match permits(&consent, actor, action) {
            Permit::Yes => "yes",
            Permit::No { flag: "", .. } => "never",
            Permit::No { flag, .. } => flag,
        }
    }

    /// Every row with everything on, then with one flag turned off (or on, where on is stricter).
    #[test]
    fn the_table_holds_cell_by_cell() {
        use Action::{Apply, Execute, Suggested};
        let fresh = Action::Cycle(Cycle::default());
        let third = Action::Cycle(Cycle { done: 3, ..Cycle::default() });
        let idle = Action::Cycle(Cycle { idle: true, ..Cycle::default() });
        let attention = Action::Cycle(Cycle { attention: true, ..Cycle::default() });
        let ci = Action::Cycle(Cycle { ci_failed: true, ..Cycle::default() });
        let consents = [
            ON,
            Consent { auto_enabled: false, ..ON },
            Consent { continuous: false, ..ON },
            Consent { continuous: false, max_iterations: 0, ..ON },
            Consent { require_execute: true, ..ON },
            Consent { allow_apply: false, ..ON },
            Consent { halt_on_attention_feeds: true, ..ON },
            Consent { halt_on_ci_failure: true, ..ON },
        ];
        let (auto, more, max) = ("auto_enabled", "continuous", "max_iterations");
        let (feeds, failed) = ("halt_on_attention_feeds", "halt_on_ci_failure");
        use Actor::{ConductorLoop as L, Coordinator as C, Person as P};
        // all on | auto off | continuous off | and max 0 | require_execute | apply off | feeds | ci
        let rows = [
            (P, fresh, ["yes"; 8]),
            (P, third, ["yes"; 8]),
            (P, idle, ["yes"; 8]),
            (P, attention, ["yes"; 8]),
            (P, ci, ["yes"; 8]),
            (P, Execute, ["yes"; 8]),
            (P, Suggested, ["yes"; 8]),
            (P, Apply, ["yes"; 8]),
            (L, fresh, ["yes", auto, more, more, "yes", "yes", "yes", "yes"]),
            (L, third, ["yes", auto, more, more, "yes", "yes", "yes", "yes"]),
            (L, idle, ["yes", auto, more, more, "require_execute", "yes", "yes", "yes"]),
            (L, attention, ["yes", auto, more, more, "yes", "yes", feeds, "yes"]),
            (L, ci, ["yes", auto, more, more, "yes", "yes", "yes", failed]),
            (L, Execute, ["never"; 8]),
            (L, Suggested, ["never"; 8]),
            (L, Apply, ["never"; 8]),
            (C, fresh, ["yes", auto, "yes", max, "yes", "yes", "yes", "yes"]),
            (C, third, ["yes", auto, max, max, "yes", "yes", "yes", "yes"]),
            (C, idle, ["yes", auto, "yes", max, "require_execute", "yes", "yes", "yes"]),
            (C, attention, ["yes", auto, "yes", max, "yes", "yes", feeds, "yes"]),
            (C, ci, ["yes", auto, "yes", max, "yes", "yes", "yes", failed]),
            (C, Execute, ["yes", auto, "yes", "yes", "yes", "yes", "yes", "yes"]),
            (C, Suggested, ["yes", auto, "yes", "yes", "yes", "yes", "yes", "yes"]),
            (C, Apply, ["yes", auto, "yes", "yes", "yes", "allow_apply", "yes", "yes"]),
        ];
        for (actor, action, wanted) in rows {
            assert_eq!(consents.map(|consent| flag(consent, actor, action)), wanted, "{actor:?} {action:?}");
        }
    }

    #[test]
    fn missing_flags_are_off_and_wrong_types_are_malformed() {
        let read = |text: &str| Consent::read(&serde_json::from_str(text).unwrap());
        assert_eq!(read("{}"), Ok(Consent::NONE));
        assert_eq!(read(r#"{"auto_enabled": "yes"}"#), Err("auto_enabled"));
        assert_eq!(read(r#"{"max_iterations": -1}"#), Err("max_iterations"));
        assert_eq!(read(r#"{"halt_on_ci_failure": null}"#), Err("halt_on_ci_failure"));
        let written = read(r#"{"auto_enabled": true, "require_execute": false, "max_iterations": 2, "notes": 1}"#);
        let wanted = Consent { auto_enabled: true, require_execute: false, max_iterations: 2, ..Consent::NONE };
        assert_eq!(written, Ok(wanted));
    }
}
