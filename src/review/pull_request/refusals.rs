//! Why a pull request is not merged.

use git2::Oid;

use super::gh;
use crate::base::{Refusal, text};
use crate::model::run::bundle::Bundle;

pub(super) fn closed(bundle: &Bundle, number: u64) -> Refusal {
    Refusal::guard("pr.closed", format!("pull request {number} was closed"))
        .because("it was closed on the remote")
        .next(format!("reopen it, then approve again: gh pr reopen {number}"))
        .next(format!("or reject the work: teof review reject {} --note 'pull request closed'", bundle.short()))
}

pub(super) fn other_target(number: u64, target: &str, status: &gh::Status) -> Refusal {
    Refusal::guard("pr.other_target", format!("pull request {number} does not target {target}"))
        .because(format!("its base was changed to {}", text::safe(&status.base_ref_name)))
        .next(format!("set its base to {target}, then approve again; nothing was merged"))
}

pub(super) fn moved(number: u64, commit: Oid, status: &gh::Status) -> Refusal {
    Refusal::guard("pr.moved", format!("pull request {number} differs from the reviewed commit"))
        .because(format!("its head is {}, the reviewed commit is {commit}", text::safe(&status.head_ref_oid)))
        .next("check who pushed to it; nothing was merged")
}

pub(super) fn not_merged(number: u64, commit: Oid, bundle: &Bundle) -> Refusal {
    Refusal::guard("pr.not_merged", format!("pull request {number} is not merged yet"))
        .because(format!("the remote's {} does not have {commit}", bundle.target_branch))
        .next(
            "if checks or reviews are required, GitHub merges it when they are complete, and teof records it \
                then",
        )
        .next(format!("see what it waits for: gh pr checks {number}"))
}
