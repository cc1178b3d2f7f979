//! `teof session-boot`

use std::process::ExitCode;
use std::time::Duration;

use crate::base::{Refusal, Result, names, text};
use crate::board::Reader;
use crate::board::coordination::Options;
use crate::cli::App;
use crate::cli::inspect::dashboard::format::FileFormat;
use crate::cli::inspect::dashboard::receipt::{self, Place};
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::Times;
use crate::faces::documents::coordination::Detail;
use crate::guard::operator;
use crate::hub::worktrees::convention;
use crate::hub::{Hub, paths};
use crate::ops::presence::status::Preset;
use crate::ops::session::boot::{self, Boot, BootRequest, TAIL};
use crate::ops::session::place::Auto;
use crate::seats;

/// Start a session: check the seat, sync, and read the news
///
/// Every agent runs this first. It fetches, records what it saw as receipts under _report/session/<seat>/, and
/// announces the seat. People do not need it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session-boot --agent codex-1\n\
\x20 teof session-boot --agent codex-1 --no-sync --focus \"Docs\"\n\
\x20 teof session-boot --auto-agent --auto-agent-pool codex-3 --allow-manifest-mismatch   # take a free seat")]
pub struct Args {
    /// The seat [default: TEOF_AGENT, else this worktree's]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
    /// Take a free seat: no live claims, no recent session
    #[arg(long)]
    auto_agent: bool,
    /// A seat to choose from; repeatable [default: setting session.pool]
    #[arg(long, value_name = "SEAT", requires = "auto_agent")]
    auto_agent_pool: Vec<String>,
    /// Minutes without a session until a seat is free [default: setting session.pool_stale]
    #[arg(long, value_name = "MINUTES", requires = "auto_agent", help_heading = MORE)]
    auto_agent_stale_minutes: Option<u64>,
    /// Start it in a worktree of the seat's own, made if there is none
    #[arg(long, conflicts_with = "auto_agent")]
    worktree: bool,
    /// Text of the handshake event
    #[arg(long, default_value = "Session handshake")]
    summary: String,
    /// What you are going to work on; the other seats see it
    #[arg(long)]
    focus: Option<String>,
    /// Write no handshake event
    #[arg(long, help_heading = MORE)]
    no_announce: bool,
    /// Do not fetch, and do not check the tree
    #[arg(long, conflicts_with = "sync_allow_dirty")]
    no_sync: bool,
    /// Sync (the default)
    #[arg(long, hide = true, conflicts_with = "no_sync")]
    sync: bool,
    /// Continue with uncommitted changes; a receipt tells their owner
    #[arg(long, help_heading = MORE)]
    sync_allow_dirty: bool,
    /// Keep the output of `bus status` as a receipt
    #[arg(long, help_heading = MORE)]
    with_status: bool,
    /// Preset for --with-status: support or manager
    #[arg(long, value_name = "PRESET", default_value = "support", value_parser = preset, help_heading = MORE)]
    status_preset: Preset,
    /// Keep no dashboard as a receipt
    #[arg(long, help_heading = MORE)]
    no_dashboard: bool,
    /// Keep a dashboard (the default)
    #[arg(long, hide = true, conflicts_with = "no_dashboard")]
    dashboard: bool,
    /// Format of the dashboard
    #[arg(long, value_enum, default_value_t = FileFormat::Json, conflicts_with = "no_dashboard", help_heading = MORE)]
    dashboard_format: FileFormat,
    /// Path of the dashboard under _report/agent/ or _report/manager/ [default: _report/agent/<seat>/session_boot/…]
    #[arg(long, value_name = "PATH", conflicts_with = "no_dashboard", help_heading = MORE)]
    dashboard_receipt: Option<String>,
    /// Lines of manager-report to keep
    #[arg(long, value_name = "N", default_value_t = TAIL, help_heading = MORE)]
    manager_report_tail_count: usize,
    /// Do not read manager-report; the session stays as old as it was
    #[arg(long, help_heading = MORE)]
    no_manager_report_tail: bool,
    /// Messages of the inbox to keep
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = MORE)]
    agent_inbox_limit: usize,
    /// Do not read the inbox
    #[arg(long, help_heading = MORE)]
    no_agent_inbox: bool,
    /// Continue although the manifest here is another seat's; recorded
    #[arg(long, help_heading = MORE)]
    allow_manifest_mismatch: bool,
    /// Continue although the branch is another seat's; recorded
    #[arg(long, help_heading = MORE)]
    allow_branch_mismatch: bool,
    /// Your confidence, from 0 to 1; recorded
    #[arg(long, value_name = "0..1", help_heading = MORE)]
    confidence: Option<f64>,
    /// Why
    #[arg(long, value_name = "TEXT", requires = "confidence", help_heading = MORE)]
    confidence_note: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let agent = match args.auto_agent {
        true => None,
        false => seats::named(args.agent.as_deref())?.0,
    };
    match agent {
        Some(agent) => operator::run::check_seat(hub, &agent)?,
        None if args.auto_agent => operator::run::refuse("take a seat of the pool")?,
        // The folder's own seat, if it has one.
        None => {
            if let Ok(agent) = seats::resolve(hub, None) {
                operator::run::check_seat(hub, &agent)?;
            }
        }
    }
    let dashboard = (!args.no_dashboard && operator::run::inside().is_none()).then_some(args.dashboard_format);
    let place = args.dashboard_receipt.clone();
    if let Some(path) = &place {
        receipt::check_place(hub, path)?;
    }
    let own = if args.worktree { Some(own_worktree(app, hub, args.agent.as_deref())?) } else { None };
    let (hub, is_offered) = (own.as_ref().unwrap_or(hub), own.is_none() && hub.here.git_dir == hub.common_dir);
    let mut boot = boot::boot(hub, &request(args, app)?, &|line| app.say(line))?;
    let mut fails = false;
    if let Some(format) = dashboard {
        // The session has begun, whatever becomes of the receipt.
        match keep_dashboard(hub, &boot.agent_id, format, place.as_deref()) {
            Ok(path) => boot.dashboard_receipt = Some(path),
            Err(e) => {
                // The disk is full or broken: whatever comes next would fail, too.
                fails = Refusal::of(&e).is_none_or(|refusal| refusal.code.starts_with("disk."));
                app.warn(format!("the session of {} has begun, but its dashboard was not kept: {e:#}", boot.agent_id));
            }
        }
    }
    for warning in &boot.warnings {
        app.warn(warning);
    }
    if let Some(receipt) = &boot.dirty_handoff {
        app.say(format!("uncommitted changes were not touched; receipt: {}", hub.shown(receipt)));
    }
    app.result(&boot, || {
        let mut text = render(&boot, app.times());
        if own.is_some() {
            text += &format!("\ncd {}", text::shell_word(&text::safe(&boot.worktree.display().to_string())));
        } else if is_offered {
            text += &format!(
                "\nother agents share this folder; for your own: teof session-boot --agent {} --worktree",
                boot.agent_id
            );
        }
        text
    });
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The hub seen from the seat's own worktree.
fn own_worktree(app: &App, hub: &Hub, agent: Option<&str>) -> Result<Hub> {
    operator::run::refuse("make a worktree")?;
    let seat = match seats::named(agent)?.0 {
        Some(seat) => seat,
        None => seats::resolve(hub, None)?,
    };
    let opened = convention::open(hub, names::check_id("agent", &seat)?, &format!("agent/{seat}/work"))?;
    if opened.made {
        app.say(format!("Made a worktree on {}", opened.branch));
    }
    Hub::find(Some(&opened.path), app.clock)
}

/// The dashboard as a receipt of the seat (the playbook: session loop 2).
fn keep_dashboard(hub: &Hub, agent: &str, format: FileFormat, place: Option<&str>) -> Result<String> {
    let found = Reader::new().coordination(hub, &Options::default())?;
    let folder = format!("{}/session_boot", paths::agent(agent));
    let place = place.map_or(Place::In(&folder), Place::At);
    receipt::write(hub, agent, &found, format, Detail::Full, &place)
}

fn request(args: Args, app: &App) -> Result<BootRequest> {
    let settings = &app.hub()?.settings()?.session;
    if args.confidence.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return Err(Refusal::usage("confidence.range", "a confidence lies between 0 and 1").into());
    }
    let auto = args.auto_agent.then(|| Auto {
        pool: if args.auto_agent_pool.is_empty() { settings.pool.clone() } else { args.auto_agent_pool },
        stale: match args.auto_agent_stale_minutes {
            Some(minutes) => Duration::from_secs(minutes.saturating_mul(60)),
            None => settings.pool_stale,
        },
    });
    Ok(BootRequest {
        agent: args.agent,
        auto,
        summary: args.summary,
        focus: args.focus,
        announce: !args.no_announce,
        sync: !args.no_sync,
        allow_dirty: args.sync_allow_dirty,
        status: args.with_status.then_some(args.status_preset),
        tail: (!args.no_manager_report_tail).then_some(args.manager_report_tail_count),
        inbox: (!args.no_agent_inbox).then_some(args.agent_inbox_limit),
        allow_manifest_mismatch: args.allow_manifest_mismatch,
        allow_branch_mismatch: args.allow_branch_mismatch,
        confidence: args.confidence.map(|value| (value, args.confidence_note)),
    })
}

/// How many claims of peers are listed: a boot is read by an agent, which pays for each line.
const PEERS: usize = 20;

fn render(boot: &Boot, times: Times) -> String {
    let branch = boot.branch.as_deref().unwrap_or("no branch");
    let mut lines = vec![format!("session of {} on {}", boot.agent_id, text::safe(branch))];
    if boot.manifest_swapped {
        lines.push(format!("AGENT_MANIFEST.json is {}'s now; back with: teof agent restore", boot.agent_id));
    }
    lines.extend(boot.sync.as_ref().map(|synced| format!("sync: {}", text::safe(&synced.summary()))));
    for peer in boot.peers.iter().take(PEERS) {
        let branch = text::safe(peer.branch.as_deref().unwrap_or("?"));
        lines.push(format!(
            "peer {} has {} ({}, branch {branch})",
            text::safe(&peer.agent_id),
            peer.task_id,
            text::safe(&peer.status)
        ));
    }
    if let Some(more) = boot.peers.len().checked_sub(PEERS).filter(|more| *more > 0) {
        lines.push(format!("and {} of peers: teof bus status --all --active-only", text::counted(more, "more claim")));
    }
    lines.extend(boot.status_receipt.iter().map(|path| format!("status: {path}")));
    lines.extend(boot.dashboard_receipt.iter().map(|path| format!("dashboard: {path}")));
    lines.extend(boot.manager_report.iter().map(|line| format!("manager-report: {}", reported(line, times))));
    if boot.unread > 0 {
        lines.push(format!("inbox: {} unread (teof bus inbox)", boot.unread));
    }
    lines.push("tip: teof bus watch --task manager-report --follow --limit 20".to_owned());
    lines.join("\n")
}

/// A line of manager-report for a terminal; a line that is not a message stays as it is.
fn reported(line: &str, times: Times) -> String {
    let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    let part = |key: &str| message[key].as_str();
    let shown = match (part("ts"), part("from"), part("type"), part("summary")) {
        (Some(ts), Some(from), Some(kind), Some(summary)) => {
            format!("{} {from} {kind}: {summary}", times.at_written(ts))
        }
        _ => line.to_owned(),
    };
    text::clip(&text::safe(&shown), 160)
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::parse(text).ok_or_else(|| "it must be support or manager".to_owned())
}
