//! `bus verify`: checks that the event log and the channels are complete and unaltered.
//!
//! Reads only; the rules are in `guard`.

use crate::base::{Refusal, Result};
use crate::bus::events;
use crate::guard::Finding;
use crate::guard::fencing::Fences;
use crate::guard::preflight::{self, Base, Report, Tree};
use crate::hub::Hub;
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
    report.findings.extend(behind::findings(hub, &Sources::of(hub)?)?);
    Ok(report.sorted())
}

/// Findings about acknowledged lines that are missing.
fn logs_behind(hub: &Hub) -> Vec<Finding> {
    let marks = hub.watermarks();
    let logs = marks.logs();
    let refusals = logs.iter().filter_map(|log| Some((log.as_str(), marks.check_log(&hub.root, log).err()?)));
    let found = refusals.map(|(log, error)| {
        let why = Refusal::of(&error).and_then(|refusal| refusal.reason.clone()).unwrap_or_else(|| error.to_string());
        Finding::high("record.behind", log, why).hint("restore the acknowledged lines: teof bus restore")
    });
    found.collect()
}
