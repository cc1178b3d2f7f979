//! The coordination snapshot as a report: what to look at first, then everything it is made from.

use super::report::{Cell, Report, Section, Tone};
use crate::base::time::show_span;
use crate::base::{Stamp, text};
use crate::board::coordination::{ActivePlan, Beat, ClaimRow, Coordination, Disagreement, Handoff, Presence};

/// How much of it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All sections (the playbook's default).
    Full,
    /// Only what work is going on, and what is wrong.
    Compact,
}

/// The report. `at` shows a time.
pub fn report(found: &Coordination, detail: Detail, at: &dyn Fn(Stamp) -> String) -> Report {
    let list = |entries: &[String], tone| entries.iter().map(|entry| Cell::new(tone, entry.as_str())).collect();
    let alerts = Section::list("Alerts", list(&found.alerts, Tone::Attention));
    let plans = plans("Active Plans", &found.plans);
    let claims = claims(found, at);
    let unclaimed = found.unclaimed_plans.iter().map(|plan| Cell::from(named(plan))).collect();
    let unclaimed = Section::list("Unclaimed Plans", unclaimed);
    let handoffs = handoffs(&found.dirty_handoffs, at);
    let warnings = found.planner_queue_warnings.iter();
    let warnings = warnings.map(|one| Cell::from(format!("{}: {}", one.plan_id, one.message))).collect();
    let warnings = Section::list("Planner Queue Warnings", warnings);
    let disagreements = found.claim_disagreements.iter();
    let disagreement = |one: &Disagreement| Cell::new(Tone::Attention, format!("{}: {}", one.task_id, one.why));
    let disagreements = disagreements.map(disagreement).collect();
    let disagreements = Section::list("Claims That Disagree with Assignments", disagreements);
    let sections = match detail {
        Detail::Compact => vec![alerts, plans, claims, unclaimed, disagreements, handoffs, warnings],
        Detail::Full => vec![
            alerts,
            plans,
            claims,
            disagreements,
            unclaimed,
            handoffs,
            beats("Heartbeats: Managers", &found.heartbeats.managers, found.heartbeat_meta.manager_window_minutes, at),
            beats("Heartbeats: Agents", &found.heartbeats.agents, found.heartbeat_meta.agent_window_minutes, at),
            automation(&found.heartbeat_meta.automation_plans),
            retired(found, at),
            directives(found, at),
            pointers(found, at),
            warnings,
            pruning(found),
        ],
    };
    Report { title: "Coordination Dashboard", generated_at: found.generated_at, sections }
}

fn named(plan: &ActivePlan) -> String {
    format!("{} ({}): {}", plan.plan_id, plan.actor.as_deref().unwrap_or("nobody"), plan.summary)
}

fn plans(title: &'static str, plans: &[ActivePlan]) -> Section {
    let row = |plan: &ActivePlan| {
        let status = match plan.status.as_str() {
            "blocked" => Tone::Bad,
            "in_progress" => Tone::Good,
            _ => Tone::Plain,
        };
        let missing = match plan.missing_details.len() {
            0 => Cell::default(),
            n => Cell::new(Tone::Attention, text::counted(n, "receipt")),
        };
        vec![
            plan.plan_id.as_str().into(),
            Cell::new(status, plan.status.as_str()),
            format!("{}/{}", plan.steps_completed, plan.steps_total).into(),
            plan.pending_steps.first().cloned().unwrap_or_default().into(),
            plan.checkpoint_status.clone().unwrap_or_default().into(),
            missing,
            plan.actor.clone().unwrap_or_default().into(),
        ]
    };
    let headings = ["PLAN", "STATUS", "STEPS", "NEXT", "CHECKPOINT", "MISSING", "ACTOR"];
    Section::table(title, &headings, plans.iter().map(row).collect())
}

fn claims(found: &Coordination, at: &dyn Fn(Stamp) -> String) -> Section {
    let live: Vec<&ClaimRow> = found.claims.iter().filter(|claim| claim.is_live).collect();
    let others = found.claims.len() - live.len() + found.claims_omitted;
    let row = |claim: &&ClaimRow| {
        let lease = match claim.lease_left_seconds {
            None => Cell::new(Tone::Quiet, "none"),
            Some(left) if left < 0 => Cell::new(Tone::Bad, "over"),
            Some(left) => show_span(std::time::Duration::from_secs(left.unsigned_abs() / 60 * 60)).into(),
        };
        let status = match &claim.hold {
            Some(_) => Cell::new(Tone::Attention, "on hold"),
            None => claim.status.as_str().into(),
        };
        vec![
            claim.task_id.as_str().into(),
            claim.agent_id.clone().unwrap_or_default().into(),
            status,
            lease,
            claim.claimed_at.map(at).unwrap_or_default().into(),
            claim.plan_id.clone().unwrap_or_default().into(),
            claim.editing.clone().unwrap_or_default().into(),
        ]
    };
    let headings = ["TASK", "SEAT", "STATUS", "LEASE LEFT", "CLAIMED", "PLAN", "EDITS"];
    let section = Section::table("Claims", &headings, live.iter().map(row).collect());
    match others {
        0 => section,
        n => section.note(format!(
            "{} that {} not live.",
            text::counted(n, "more claim"),
            if n == 1 { "is" } else { "are" }
        )),
    }
}

fn handoffs(handoffs: &[Handoff], at: &dyn Fn(Stamp) -> String) -> Section {
    let row = |handoff: &Handoff| {
        let from = handoff.found_by.as_ref().map(|seat| format!(", found by {seat}")).unwrap_or_default();
        vec![
            Cell::new(Tone::Attention, format!("{}{from}", handoff.agent_id)),
            handoff.captured_at.map(at).unwrap_or_default().into(),
            handoff.pending_count.to_string().into(),
            handoff.status_preview.iter().map(|line| line.trim()).collect::<Vec<_>>().join(", ").into(),
            handoff.receipt.as_str().into(),
        ]
    };
    let section = Section::table(
        "Dirty Handoffs",
        &["SEAT", "FOUND", "RECEIPTS", "CHANGES", "NEWEST RECEIPT"],
        handoffs.iter().map(row).collect(),
    );
    match handoffs.first() {
        None => section,
        Some(first) => section.note(format!(
            "Once they are committed or gone: teof dashboard clear {0}; to give them to another seat: teof dashboard \
             reassign {0} --to SEAT",
            text::shell_word(&first.agent_id)
        )),
    }
}

fn beats(title: &'static str, beats: &[Beat], window: f64, at: &dyn Fn(Stamp) -> String) -> Section {
    let row = |beat: &Beat| {
        let tone = match (beat.state, beat.is_awaited) {
            (Presence::Active, _) => Tone::Good,
            (_, false) => Tone::Quiet,
            (Presence::Stale, _) => Tone::Attention,
            (Presence::Missing, _) => Tone::Bad,
        };
        vec![
            beat.agent_id.as_str().into(),
            Cell::new(tone, beat.state.as_str()),
            beat.last_seen.map(at).unwrap_or_else(|| "never".to_owned()).into(),
        ]
    };
    let section = Section::table(title, &["SEAT", "STATE", "LAST HEARTBEAT"], beats.iter().map(row).collect());
    match window == 0.0 {
        true => section.note("Not checked."),
        false => section.note(format!("Stale after {window} min.")),
    }
}

fn automation(plans: &[ActivePlan]) -> Section {
    let entry = |plan: &ActivePlan| {
        let pending = if plan.pending_steps.is_empty() { "none".to_owned() } else { plan.pending_steps.join(", ") };
        let actor = plan.actor.as_deref().unwrap_or("nobody");
        Cell::from(format!("{} ({actor}), {}; pending steps: {pending}", plan.plan_id, plan.status))
    };
    Section::list("Heartbeat Automation in Flight", plans.iter().map(entry).collect())
}

fn retired(found: &Coordination, at: &dyn Fn(Stamp) -> String) -> Section {
    let entry = |seat: &crate::board::coordination::Retired| {
        let since = seat.since.map(|since| format!(" since {}", at(since))).unwrap_or_default();
        let reason = seat.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        Cell::new(Tone::Quiet, format!("{}{since}{reason}", seat.agent_id))
    };
    Section::list("Retired Seats", found.retired.iter().map(entry).collect())
}

fn directives(found: &Coordination, at: &dyn Fn(Stamp) -> String) -> Section {
    let rows = found.manager_directives.iter().map(|one| {
        let time = one.ts.map(at).unwrap_or_default();
        vec![time.into(), one.from.as_str().into(), one.kind.as_str().into(), one.summary.as_str().into()]
    });
    Section::table("Manager Directives", &["TIME", "FROM", "TYPE", "SUMMARY"], rows.collect())
}

fn pointers(found: &Coordination, at: &dyn Fn(Stamp) -> String) -> Section {
    let entries = found.missing_pointers.iter().map(|one| {
        let time = one.ts.map(|ts| format!(" ({})", at(ts))).unwrap_or_default();
        Cell::new(Tone::Attention, format!("{} by {}{time}: {}", one.directive, one.from, one.summary))
    });
    Section::list("Directives without a Pointer", entries.collect())
}

fn pruning(found: &Coordination) -> Section {
    let pruning = &found.pruning_candidates;
    let counts = [
        (pruning.plans.len() + pruning.plans_omitted, "finished plan"),
        (pruning.claims.len() + pruning.claims_omitted, "finished claim"),
    ];
    let entries = counts.into_iter().filter(|(n, _)| *n > 0);
    let entries = entries.map(|(n, what)| Cell::new(Tone::Quiet, text::counted(n, what)));
    Section::list("Pruning Candidates", entries.collect())
}
