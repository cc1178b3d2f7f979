//! What is wrong with the evidence: missing, untracked and unreferenced receipts, and slow plans (the playbook:
//! receipts_hygiene).

use serde::Serialize;

use super::Reference;
use super::index::{Index, Receipt};
use super::metrics::Metrics;
use crate::base::Stamp;

/// The folder where the playbook keeps the three files.
pub const FOLDER: &str = "_report/usage";
/// Their names: the index, the latencies, and the report.
pub const FILES: [&str; 3] =
    ["receipts-index-latest.jsonl", "receipts-latency-latest.jsonl", "receipts-hygiene-summary.json"];
/// How many plans a list of the report names.
const LISTED: usize = 10;
const SLOWEST: usize = 5;

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub generated_at: Stamp,
    /// Named by something, and not there.
    pub missing: Vec<Problem>,
    /// There, and a clone would not have it.
    pub untracked: Vec<Problem>,
    /// There, and named by nothing.
    pub unreferenced: Vec<String>,
    pub metrics: Numbers,
}

#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    pub path: String,
    pub referenced_by: Vec<Reference>,
}

/// The playbook's numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Numbers {
    pub plans_total: usize,
    pub plans_missing_receipts: usize,
    /// At most ten.
    pub missing_plan_ids: Vec<String>,
    /// The five slowest: plan, seconds from plan to first receipt, seconds from note to first receipt.
    pub slow_plans: Vec<(String, Option<i64>, Option<i64>)>,
}

pub fn report(index: &Index, metrics: &Metrics) -> Report {
    let problems = |is: fn(&Receipt) -> bool| -> Vec<Problem> {
        let found = index.receipts.iter().filter(|receipt| is(receipt));
        found.map(|it| Problem { path: it.path.clone(), referenced_by: it.referenced_by.clone() }).collect()
    };
    let missing: Vec<_> = metrics.plans.iter().filter(|plan| !plan.missing_receipts.is_empty()).collect();
    let mut slow: Vec<_> =
        metrics.plans.iter().filter(|plan| plan.latency_seconds.plan_to_first_receipt.is_some()).collect();
    slow.sort_by_key(|plan| std::cmp::Reverse(plan.latency_seconds.plan_to_first_receipt));
    let numbers = Numbers {
        plans_total: metrics.plans.len(),
        plans_missing_receipts: missing.len(),
        missing_plan_ids: missing.iter().take(LISTED).map(|plan| plan.plan_id.clone()).collect(),
        slow_plans: slow
            .iter()
            .take(SLOWEST)
            .map(|plan| {
                let latency = &plan.latency_seconds;
                (plan.plan_id.clone(), latency.plan_to_first_receipt, latency.note_to_first_receipt)
            })
            .collect(),
    };
    Report {
        generated_at: index.summary.generated_at,
        missing: problems(Receipt::is_missing),
        untracked: problems(Receipt::is_untracked),
        unreferenced: problems(Receipt::is_unreferenced).into_iter().map(|problem| problem.path).collect(),
        metrics: numbers,
    }
}
