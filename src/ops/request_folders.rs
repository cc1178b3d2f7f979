//! Finds request folders that teof does not read, because they are outside the hub.

use std::path::Path;

use crate::base::{Refusal, Result};
use crate::hub::Hub;

/// A folder of requests that is not read.
#[derive(Debug)]
pub struct Misplaced {
    pub code: &'static str,
    pub message: String,
    pub fix: String,
}

const OUTSIDE: &str = "sources.outside";

/// Request folders that teof does not read: outside of the hub, or in another checkout of the repository.
///
/// # Errors
/// When the settings cannot be read.
pub fn misplaced(hub: &Hub) -> Result<Vec<Misplaced>> {
    let sources = &hub.settings()?.sources;
    let enabled = [(sources.vault, "vault", &sources.vault_folder), (sources.queue, "queue", &sources.queue_folder)];
    let main = hub.common_dir.parent().filter(|_| hub.common_dir.ends_with(".git"));
    let mut found = Vec::new();
    for (_, name, folder) in enabled.into_iter().filter(|(enabled, ..)| *enabled) {
        let off = format!("or turn the source off in teof.toml: [sources] {name} = false");
        let inside = folder.trim_matches('/');
        if folder.starts_with('/') && Path::new(folder).is_dir() || hub.path(&format!("{inside}/x.md")).is_err() {
            found.push(Misplaced {
                code: OUTSIDE,
                message: format!("{name}_folder = {folder:?} is not a folder in the hub {}", hub.root.display()),
                fix: format!("set a folder relative to the hub; {off}"),
            });
            continue;
        }
        let elsewhere = main.filter(|main| **main != *hub.root && main.join(inside).is_dir());
        if let (Some(main), false) = (elsewhere, hub.root.join(inside).is_dir()) {
            let (root, main) = (hub.root.display(), main.display());
            found.push(Misplaced {
                code: "sources.elsewhere",
                message: format!("{inside} is in {main}, but the record is in {root}, so its requests are not found"),
                fix: format!("put requests into {root}/{inside}; {off}"),
            });
        }
    }
    Ok(found)
}

/// One warning per folder that is not read.
///
/// # Errors
/// When a configured folder can never be read, because its requests would never be done.
pub fn check(hub: &Hub) -> Result<Vec<String>> {
    let found = misplaced(hub)?;
    match found.iter().find(|found| found.code == OUTSIDE) {
        Some(outside) => Err(Refusal::guard(outside.code, &outside.message).next(&outside.fix).into()),
        None => Ok(found.iter().map(|found| format!("warning: {}; {}", found.message, found.fix)).collect()),
    }
}
