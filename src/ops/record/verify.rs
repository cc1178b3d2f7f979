//! `bus verify`: checks that the event log and the channels are complete and unaltered.
//!
//! Reads only; the rules are in `guard`.

use crate::base::{Refusal, Result, files, json};
use crate::bus::events;
use crate::guard::Finding;
use crate::guard::fencing::Fences;
use crate::guard::preflight::{self, Base, Report, Tree};
use crate::hub::marks::watermarks;
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;
use crate::ops::restore::behind;
use crate::ops::restore::sources::{self, Sources};

/// Checks every line: ids, chains, cut and damaged lines, lines missing compared with git, directives without a
/// pointer, writes to a task of another seat, and whether everything acknowledged on this machine exists.
///
/// `base` is the commit whose lines must still exist; `None` means the tip of the record's branch.
pub fn verify(hub: &Hub, base: Option<&str>) -> Result<Report> {
    let base = match base {
        Some(name) => Some(Base::find(&hub.worktree(), name)?),
        None => sources::committed(hub)?,
    };
    let tree = Tree::open(&hub.worktree())?;
    let mut report = preflight::bus(&tree, base.as_ref())?;
    let mut fences = Fences::default();
    for log in events::logs(hub)? {
        if let Ok(Some(bytes)) = tree.read_log(&log) {
            report.findings.extend(fences.read(&log, &bytes));
        }
    }
    report.findings.extend(logs_behind(hub));
    report.findings.extend(claims_behind(hub)?);
    report.findings.extend(behind::findings(hub, &Sources::of(hub)?)?);
    Ok(report.sorted())
}

/// Findings about acknowledged lines that are missing.
fn logs_behind(hub: &Hub) -> Vec<Finding> {
    let marks = hub.watermarks();
    let logs = marks.logs();
    let refusals = logs.iter().filter_map(|log| Some((log.as_str(), marks.check_log(&hub.root, log).err()?)));
    let hint = "restore the acknowledged lines: teof bus restore";
    refusals.map(|(log, error)| Finding::high("record.behind", log, reason(&error)).hint(hint)).collect()
}

/// Findings about claims that are older than acknowledged. A damaged claim is another finding.
fn claims_behind(hub: &Hub) -> Result<Vec<Finding>> {
    let marks = hub.watermarks();
    let mut found = Vec::new();
    for task in marks.claimed_tasks() {
        let path = paths::claim(&task);
        let at = hub.path(&path)?;
        let known = marks.claim_bytes(&path)?;
        let Ok(bytes) = files::read(&at, files::MAX_DOCUMENT) else { continue };
        let Ok(claim) = bytes.map(|bytes| json::parse_object(&bytes, &at)).transpose() else { continue };
        let claim = claim.map(|raw| ClaimFile { raw });
        if let Err(error) = watermarks::check_claim(&path, known.as_deref(), claim.as_ref()) {
            let hint = "restore the acknowledged claim: teof bus restore";
            found.push(Finding::high("record.behind", path, reason(&error)).hint(hint));
        }
    }
    Ok(found)
}

fn reason(error: &anyhow::Error) -> String {
    Refusal::of(error).and_then(|refusal| refusal.reason.clone()).unwrap_or_else(|| error.to_string())
}
