//! `teof doctor`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::plain;
use crate::cli::support::terminal::{Meaning, paint};
use crate::conductor::routing;
use crate::coordinator::state::store;
use crate::coordinator::{near_limit, process};
use crate::exec::CgroupBase;
use crate::foreman::commands::executor;
use crate::foreman::sandbox::{self, SandboxReport, SandboxState};
use crate::guard::{consent, operator};
use crate::hub::settings::template::{self, Entry};
use crate::hub::{Hub, Settings};
use crate::ops::doctor::{self, Diagnosis};
use crate::review::policy::MergePolicy;

/// Find what is wrong with the setup, with a fix for each problem
///
/// Use it after `teof init` and whenever something does not work. Checks the hub, the record, ignored paths,
/// merge rules, locks, trust, seats, tools and the clock. Changes nothing without --fix. Exit code 1 when
/// something is wrong.
///
/// With --json: {ok, fixed, found: [{code, message, mend, note}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof doctor\n\
\x20 teof doctor --fix        # fix what needs no decision\n\
\x20 teof doctor --settings   # every setting and its value")]
pub struct Args {
    /// Print every setting with its value and its default
    #[arg(long)]
    settings: bool,
    /// First fix what needs no decision, such as missing git attributes
    #[arg(long, conflicts_with = "settings")]
    fix: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if args.settings {
        return settings(app);
    }
    if args.fix {
        operator::run::refuse("fix the repository")?;
    }
    let root = app.global.root.as_deref();
    let fixed = if args.fix { doctor::fix(root, app.clock)? } else { Vec::new() };
    fixed.iter().for_each(|line| app.say(line));
    let progress = app.progress("Checking the setup");
    let found = diagnoses(app);
    drop(progress);
    let ok = found.iter().all(|trouble| trouble.note);
    app.result(&json!({ "ok": ok, "fixed": fixed, "found": found }), || render(&found));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn diagnoses(app: &App) -> Vec<Diagnosis> {
    let mut found = doctor::examine(app.global.root.as_deref(), app.clock);
    found.extend(agents(app));
    found.extend(executor(app));
    found.extend(sandbox(app));
    found.extend(unwritable(app));
    found.extend(limits(app));
    found.extend(coordinator(app));
    found.extend(policy(app));
    found.extend(quotas(app));
    found.extend(frozen(app));
    found.extend(polling(app));
    plainly(found)
}

/// Each finding once, in the words in which other commands refuse.
fn plainly(found: Vec<Diagnosis>) -> Vec<Diagnosis> {
    let mut told: Vec<Diagnosis> = Vec::new();
    for mut one in found {
        one.message = plain::text(&one.message).into_owned();
        if !told.iter().any(|other| other.code == one.code && other.message == one.message) {
            told.push(one);
        }
    }
    told
}

/// What is wrong, a line each, and whether nothing is.
pub fn found(app: &App) -> (Vec<String>, bool) {
    let found = diagnoses(app);
    let wrong: Vec<_> = found.into_iter().filter(|trouble| !trouble.note).collect();
    let lines = wrong.iter().map(|trouble| format!("{}: {} (fix: {})", trouble.code, trouble.message, trouble.fix));
    (lines.collect(), wrong.is_empty())
}

/// Agents that roles or routing name, and that nothing describes, or whose program is not there.
fn agents(app: &App) -> Vec<Diagnosis> {
    let Ok(hub) = Hub::locate(app.global.root.as_deref(), app.clock) else { return Vec::new() };
    let Ok(settings) = hub.settings() else { return Vec::new() };
    let wrong = |code: &str, message, fix| Diagnosis { code: code.into(), message, fix, note: false };
    let unknown = routing::troubles(settings).into_iter().map(|(name, fix)| {
        wrong("settings.agent", format!("roles or routing name the agent {name}, which cannot be called"), fix)
    });
    // The programs in an image are not known here.
    let in_image = executor::in_containers(&hub).unwrap_or_default();
    let missing = routing::named(settings).into_iter().filter_map(|name| {
        let agent = crate::agents::find(settings, &name).ok()?;
        if in_image || crate::agents::find_program(agent.program(), &hub.root).is_some() {
            return None;
        }
        let program = text::safe(agent.program());
        let message = format!("a role is bound to the agent {name}, and its program {program} is not there");
        Some(wrong(
            "agent.missing",
            message,
            format!("install it, or bind the role to another one: teof agent doctor {name}"),
        ))
    });
    let mut roles = settings.roles.values();
    let is_bound = roles.any(|role| role.agent.is_some() || role.command.is_some());
    let none = (hub.check_folders().is_ok() && !is_bound && settings.commands.default.is_empty()).then(|| Diagnosis {
        code: "agent.none".into(),
        message: "no role has an agent, so no work can run unattended".into(),
        fix: "see which agent programs are installed, and how to set one: teof agent doctor".into(),
        note: true,
    });
    unknown.chain(missing).chain(none).collect()
}

/// What the settings start programs with, and why it cannot start any now.
fn executor(app: &App) -> Option<Diagnosis> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock).ok()?;
    let error = executor::check(&hub).err()?;
    let refusal = crate::base::Refusal::of(&error)?;
    let why = refusal.reason.as_deref().map_or_else(String::new, |why| format!(": {why}"));
    Some(Diagnosis {
        code: refusal.code.into(),
        message: format!("{}{why}", refusal.message),
        fix: refusal.next.first().cloned().unwrap_or_default(),
        note: false,
    })
}

/// What confines the programs that workers start.
fn sandbox(app: &App) -> Option<Diagnosis> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock).ok()?;
    let report = SandboxReport::of(&hub).ok()?;
    let landlock = format!("Landlock version {}", report.landlock);
    let (message, fix) = match report.state {
        SandboxState::Full => (format!("workers are confined by the kernel ({landlock})"), "nothing to do; see what is writable: teof doctor --settings"),
        SandboxState::Partial => (
            format!("workers are confined by the kernel ({landlock}), but {}", report.open.join("; ")),
            "a newer kernel closes gaps of the kernel; for a path that is not writable, move the repository, or name a \
             smaller folder in the setting or variable",
        ),
        SandboxState::None => (
            "workers are not confined, because this kernel offers no Landlock: their programs can write wherever you can"
                .to_owned(),
            "use Linux 5.13 or newer with landlock in lsm= on the kernel's command line, or executor = \"docker\" \
             under [worker] in teof.toml",
        ),
        SandboxState::Container => (
            "workers are confined by their containers, as well as the engine does it".to_owned(),
            "nothing to do; see what is mounted: teof doctor --settings",
        ),
        SandboxState::Off if report.landlock == 0 => return None,
        SandboxState::Off => (
            format!("workers are not confined, although this kernel could ({landlock})"),
            "set mode = \"on\" under [worker.sandbox] in teof.toml, then: teof consent grant",
        ),
    };
    let code = format!("sandbox.{}", report.state.word());
    Some(Diagnosis { code, message, fix: fix.to_owned(), note: true })
}

/// Files that the settings open in the sandbox, and that are not there.
fn unwritable(app: &App) -> Vec<Diagnosis> {
    let Ok(hub) = Hub::locate(app.global.root.as_deref(), app.clock) else { return Vec::new() };
    let is_on = SandboxReport::of(&hub).is_ok_and(|report| report.state.is_on());
    let missing = if is_on { sandbox::without_effect(&hub).unwrap_or_default() } else { Vec::new() };
    let one = |(section, path): (String, String)| Diagnosis {
        code: "sandbox.missing".into(),
        message: format!("write under [{section}] names {path}, which does not exist, so writes to it are refused"),
        fix: "create the file, or end the path with / for a folder in teof.toml, then: teof consent grant".into(),
        note: false,
    };
    missing.into_iter().map(one).collect()
}

/// What limits the programs of jobs: those of the running coordinator, which may have a cgroup that a terminal has not.
fn limits(app: &App) -> Option<Diagnosis> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock).ok()?;
    let coordinator = process::pid(&hub).ok().flatten();
    let (limits, no_group) = sandbox::limits_here(&hub, coordinator).ok()??;
    let by = |by: &'static str| if by == "none" { "not enforced" } else { by };
    let each: Vec<_> = limits.iter().map(|one| format!("{} {} ({})", one.what, one.limit, by(one.by))).collect();
    let why = no_group.map(|why| format!("; {why}")).unwrap_or_default();
    let is_weak = limits.iter().any(|one| one.what != "disk" && matches!(one.by, "watch" | "none"));
    let fix = match is_weak {
        true if CgroupBase::is_possible() => {
            "the kernel enforces them in a service, from systemd 254 on: teof service install"
        }
        true => {
            "the kernel would with cgroup v2; containers do, too: executor = \"docker\" under [worker] in teof.toml"
        }
        false => "nothing to do; each envelope says what was enforced",
    };
    let message = format!("the programs of a job together are limited to: {}{why}", each.join(", "));
    Some(Diagnosis { code: "limits".into(), message, fix: fix.into(), note: true })
}

/// A saved state that no coordinator could start from.
fn coordinator(app: &App) -> Option<Diagnosis> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock).ok()?;
    let error = crate::coordinator::state::store::load(&hub).err()?;
    let refusal = crate::base::Refusal::of(&error);
    let why = refusal.and_then(|refusal| refusal.reason.clone()).unwrap_or_default();
    let file = text::shell_word(&hub.local(crate::coordinator::state::FILE).display().to_string());
    Some(Diagnosis {
        code: refusal.map_or("coordinator.state", |refusal| refusal.code).into(),
        message: format!("{error}: {why}").trim_end_matches(": ").to_owned(),
        fix: format!("stop workers that still run (teof bus status), then move it away: mv {file} {file}.damaged"),
        note: false,
    })
}

/// What is merged without a person.
fn policy(app: &App) -> Option<Diagnosis> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock).ok()?;
    let policy = MergePolicy::of(&hub.settings().ok()?.review, &consent::standing(&hub).ok()?)?;
    let fix = match policy.in_force {
        true => "to stop that, remove auto under [review] in teof.toml, then: teof consent grant",
        false => "to put it in force: teof consent grant --allow-apply",
    };
    Some(Diagnosis { code: "review.auto".into(), message: policy.describe(), fix: fix.into(), note: true })
}

/// Agents whose account is near one of its limits, so that less urgent work waits.
fn quotas(app: &App) -> Vec<Diagnosis> {
    let Ok(hub) = Hub::locate(app.global.root.as_deref(), app.clock) else { return Vec::new() };
    let config = process::config(&hub, &process::Options::default(), false);
    let (Ok(config), Ok(state)) = (config, store::load(&hub)) else { return Vec::new() };
    let near = near_limit(&state, &config).filter(|(_, quota)| quota.until > hub.now());
    near.map(|(agent, quota)| {
        let (used, until) = (quota.describe(), app.times().at(quota.until));
        let message = format!("{agent}: {used} until {until}; less urgent work waits (budget.quota_threshold)");
        Diagnosis {
            code: "agent.quota".into(),
            message,
            fix: "to start it all the same: teof coordinator resume".into(),
            note: true,
        }
    })
    .collect()
}

/// A coordinator that holds its lock and does nothing any more.
fn frozen(app: &App) -> Option<Diagnosis> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock).ok()?;
    let (why, fix) = crate::coordinator::process::frozen(&hub).ok()??;
    let message = format!("the coordinator does nothing any more: {why}");
    Some(Diagnosis { code: "coordinator.frozen".into(), message, fix, note: false })
}

/// A coordinator that cannot watch files.
fn polling(app: &App) -> Option<Diagnosis> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock).ok()?;
    let why = crate::coordinator::process::service::facts::read(&hub).ok()??.polling?;
    Some(Diagnosis {
        code: "coordinator.polling".into(),
        message: format!("the coordinator polls files instead of watching them: {why}"),
        fix: "raise the limit; the coordinator notices it by itself".into(),
        note: true,
    })
}

fn render(found: &[Diagnosis]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for trouble in found {
        let kind = match trouble.note {
            true => paint(Meaning::Quiet, "note "),
            false => paint(Meaning::Bad, "wrong"),
        };
        lines.push(format!("{kind} {}: {}", trouble.code, text::safe(&trouble.message)));
        lines.push(format!("      fix: {}", text::safe(&trouble.fix)));
    }
    if found.iter().all(|trouble| trouble.note) {
        lines.push(paint(Meaning::Good, "nothing is wrong"));
    }
    lines.join("\n")
}

/// Outside a repository, or where they cannot be read, the defaults.
fn settings(app: &App) -> Result<ExitCode> {
    let hub = Hub::locate(app.global.root.as_deref(), app.clock);
    let settings = match hub.as_ref().map(|hub| hub.settings()) {
        Ok(Ok(settings)) => settings.clone(),
        Ok(Err(e)) => {
            app.say(format!("these are the defaults: {e}"));
            Settings::default()
        }
        Err(_) => Settings::default(),
    };
    let entries = template::entries(&settings)?;
    app.long_result(&document(&entries), || entries.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn document(entries: &[Entry]) -> Value {
    let one = |entry: &Entry| {
        json!({
            "section": entry.section, "key": entry.key, "value": entry.value, "default": entry.default,
            "about": entry.about,
        })
    };
    entries.iter().map(one).collect()
}

fn line(entry: &Entry) -> String {
    let default = if entry.value == entry.default { String::new() } else { format!(" (default {})", entry.default) };
    let value = text::safe(&entry.value);
    format!("{}.{} = {value}{default}\n    {}", entry.section, entry.key, entry.about)
}
