//! Finds plans that violate the playbook's rules.

use crate::base::Result;
use crate::guard::Finding;
use crate::guard::preflight::{self, Tree};
use crate::hub::Hub;
use crate::plans::{evidence, store, validate};
use crate::receipts::ledger;

/// Every finding of strict validation. A receipt must be in git, or in the ledger until the next record commit.
pub fn invalid(hub: &Hub, tree: &Tree) -> Result<Vec<Finding>> {
    let listed = ledger::listed(&hub.root)?;
    let tracked = |path: &str| tree.is_tracked(path) || listed.contains_key(path);
    let evidence = |receipt: &str| match tree.is_retired(receipt) {
        true => evidence::Evidence::Tracked,
        false => evidence::find(&hub.root, receipt, &tracked),
    };
    let mut found = Vec::new();
    for path in store::paths(&hub.root) {
        found.extend(preflight::unjustified(&hub.root, &path));
        match tree.read_plan(&path) {
            Ok(bytes) => found.extend(validate::check(&path, &bytes.unwrap_or_default(), Some(&evidence))),
            Err(damaged) => found.push(damaged),
        }
    }
    Ok(found)
}
