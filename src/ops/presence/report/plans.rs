//! The part of the manager report about plans: the open ones, and what strict validation finds.

use serde::Serialize;

use crate::base::{Result, files};
use crate::hub::{Hub, Tracked};
use crate::plans::requests::queue::{self, Warning};
use crate::plans::{self, Evidence, evidence, store, validate};
use crate::receipts::ledger;

/// A plan that is not done.
#[derive(Clone, Debug, Serialize)]
pub struct OpenPlan {
    pub plan_id: String,
    pub status: String,
    pub actor: Option<String>,
    pub summary: Option<String>,
    pub steps_done: usize,
    pub steps_total: usize,
    pub checkpoint: Option<String>,
}

/// A plan that strict validation refuses.
#[derive(Clone, Debug, Serialize)]
pub struct PlanIssue {
    /// Relative to the hub.
    pub plan: String,
    pub errors: Vec<String>,
}

/// The plans that are not done, by id; unreadable ones are among the issues.
pub fn open(hub: &Hub) -> Vec<OpenPlan> {
    let found = plans::all(hub).into_iter().filter_map(|(_, found)| found.ok());
    let open = found.filter(|file| !file.plan.is_done());
    let mut open: Vec<OpenPlan> = open
        .map(|file| {
            let steps = file.plan.steps();
            OpenPlan {
                plan_id: file.id().to_owned(),
                status: file.plan.raw.get("status").and_then(|it| it.as_str()).unwrap_or("queued").to_owned(),
                actor: file.plan.actor().map(str::to_owned),
                summary: file.plan.summary().map(str::to_owned),
                steps_done: steps.iter().filter(|step| step.is_done()).count(),
                steps_total: steps.len(),
                checkpoint: file.plan.checkpoint().status().map(str::to_owned),
            }
        })
        .collect();
    open.sort_by(|a, b| a.plan_id.cmp(&b.plan_id));
    open
}

/// What strict validation finds, and where plans depart from their queue entries.
pub fn issues(hub: &Hub) -> Result<(Vec<PlanIssue>, Vec<Warning>)> {
    let git = Tracked::open(&hub.git_dir)?;
    let (listed, retired) = (ledger::listed(&hub.root)?, ledger::retired(&hub.root)?);
    let evidence = |path: &str| match retired.contains(path) {
        true => Evidence::Tracked,
        false => evidence::find(&hub.root, path, &|path| listed.contains_key(path) || git.has(path)),
    };
    let read = |path: &str| files::read(&hub.path(path)?, files::MAX_DOCUMENT);
    let text = |path: &str| Some(String::from_utf8_lossy(&read(path).ok()??).into_owned());
    let (mut issues, mut warnings) = (Vec::new(), Vec::new());
    for plan in store::paths(&hub.root) {
        let errors: Vec<String> = match read(&plan) {
            Ok(Some(bytes)) => {
                validate::check(&plan, &bytes, Some(&evidence)).into_iter().map(|found| found.message).collect()
            }
            Ok(None) => continue,
            Err(e) => vec![format!("{e:#}")],
        };
        if let Ok(file) = store::find(hub, &plan) {
            warnings.extend(queue::warnings(&file.plan, file.id(), &text));
        }
        if !errors.is_empty() {
            issues.push(PlanIssue { plan, errors });
        }
    }
    Ok((issues, warnings))
}
