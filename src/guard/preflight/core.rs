//! The short preflight, for a seat before it asks for review: seat, session, receipts.

use super::report::Report;
use super::rules::{others, plans};
use super::tree::Tree;
use crate::base::{Refusal, Result, time::show_span};
use crate::guard::Finding;
use crate::hub::Hub;
use crate::model::seat;
use crate::plans::store;
use crate::receipts;
use crate::seats::{self, freshness::Freshness};

/// Whether `agent` may ask for review: its manifest and branch agree, its session is fresh, and every receipt that a
/// plan or the ledger names exists unaltered.
///
/// # Errors
/// Only when the record cannot be read.
pub fn core(hub: &Hub, tree: &Tree, agent: &str) -> Result<Report> {
    let mut report = Report::default();
    seat_of(hub, tree, agent, &mut report);
    session(hub, agent, &mut report)?;
    for path in store::paths(tree.root()) {
        report.files += 1;
        let found = plans::check(tree, &path);
        report.findings.extend(found.into_iter().filter(|found| found.code.starts_with("receipt.")));
    }
    report.findings.extend(receipts::verify::verify(tree.root(), true)?.findings);
    Ok(report.sorted())
}

fn seat_of(hub: &Hub, tree: &Tree, agent: &str, report: &mut Report) {
    let manifests = tree.manifests();
    report.files += manifests.len();
    for path in &manifests {
        match tree.read(path) {
            Ok(bytes) => report.findings.extend(others::seat(path, &bytes.unwrap_or_default())),
            Err(damaged) => report.findings.push(damaged),
        }
    }
    match seats::manifest::of(hub, agent) {
        Ok(Some(_)) => {}
        Ok(None) => report.findings.push(
            Finding::high("seat.missing", seat::variant(agent), format!("no manifest names the seat {agent}"))
                .hint("create the manifest, or act as another seat: teof agent list"),
        ),
        Err(e) => report.findings.push(of_refusal("seat.unreadable", &seat::variant(agent), &e)),
    }
    // The playbook allows agent/<id>, branches below it, and main; also the record's branch.
    let own = |branch: &str| branch == format!("agent/{agent}") || branch.starts_with(&format!("agent/{agent}/"));
    match hub.here.branch() {
        Some(branch) if own(&branch) || branch == "main" || hub.pin().is_some_and(|pin| pin.branch == branch) => {}
        branch => {
            let on = branch.map_or_else(|| "no branch".to_owned(), |branch| format!("the branch {branch}"));
            let message = format!("{agent} is on {on}, not on agent/{agent}/<slug>");
            report
                .findings
                .push(Finding::high("seat.branch", seat::MANIFEST, message).hint("switch to a branch of the seat"));
        }
    }
}

fn session(hub: &Hub, agent: &str, report: &mut Report) -> Result<()> {
    let (code, message) = match seats::freshness::check(hub, agent, None)? {
        Freshness::Fresh { .. } => return Ok(()),
        Freshness::Missing => ("session.missing", format!("{agent} has not booted a session")),
        Freshness::Invalid(why) => ("session.invalid", format!("the session of {agent} is not valid: {why}")),
        Freshness::Stale { age, max_age } => {
            let message = format!("the session of {agent} is {} old (limit {})", show_span(age), show_span(max_age));
            ("session.stale", message)
        }
    };
    let hint = format!("start a session: teof session-boot --agent {agent}");
    report.findings.push(Finding::high(code, seats::freshness::receipt(agent), message).hint(hint));
    Ok(())
}

fn of_refusal(code: &str, path: &str, error: &anyhow::Error) -> Finding {
    let refusal = Refusal::of(error);
    let why = refusal.and_then(|refusal| refusal.reason.clone()).unwrap_or_else(|| error.to_string());
    Finding::high(code, path, crate::base::text::safe(&why)).hint("fix the file by hand or restore it from git")
}
