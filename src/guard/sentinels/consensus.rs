//! Finds decisions that wait for a receipt or an update (the playbook: consensus cadence).

use crate::base::{Result, names, text};
use crate::consensus::{Due, decisions};
use crate::guard::Finding;
use crate::hub::Hub;

/// Open decisions without a receipt, and those without an update for a day.
///
/// # Errors
/// When the bus or a record cannot be read.
pub fn waiting(hub: &Hub) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for decision in decisions::read(hub, &[])?.into_iter().filter(|decision| decision.is_open) {
        let id = text::clip(&text::safe(&decision.decision_id), 120);
        // The id comes from any message; it gets into a command only when it is one.
        let evidence = match names::is_id(&decision.decision_id) {
            true => format!("add evidence: teof consensus record {id} --summary …; or ask: teof consensus escalate"),
            false => "ask the managers: teof consensus escalate".to_owned(),
        };
        // The texts contain no times, so that the next scan produces the same finding.
        let finding = match (decision.due, decision.receipts.is_empty()) {
            (Some(Due::Stale), _) => {
                Finding::medium("consensus.stale", "", format!("decision {id} has had no update for 24 h"))
                    .hint(evidence)
            }
            (Some(Due::NoReceipt), _) => {
                Finding::medium("consensus.no_receipt", "", format!("decision {id} has no receipt")).hint(evidence)
            }
            (None, true) => {
                Finding::low("consensus.no_receipt", "", format!("decision {id} has no receipt")).hint(evidence)
            }
            (None, false) => continue,
        };
        found.push(finding);
    }
    Ok(found)
}
