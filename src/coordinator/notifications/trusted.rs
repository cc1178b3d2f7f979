//! Whether a person trusts the receivers in the settings: they name programs and addresses, and any commit can change
//! the hub's file.

use crate::base::{Refusal, Result, files};
use crate::guard::trust;
use crate::hub::{Hub, paths};

/// Passes when no receiver comes from `teof.toml`, or a person granted its settings as they are.
///
/// # Errors
/// `notify.not_granted`.
pub fn check(hub: &Hub) -> Result<()> {
    let bytes = files::read(&hub.path(paths::SETTINGS)?, files::MAX_DOCUMENT)?.unwrap_or_default();
    let table = String::from_utf8_lossy(&bytes).parse::<toml::Table>().unwrap_or_default();
    if !table.contains_key("notify") || trust::are_settings_granted(hub)? {
        return Ok(());
    }
    Err(Refusal::unattended("notify.not_granted", "no person has granted the receivers in teof.toml")
        .because("[[notify]] names programs and addresses, and any commit can change teof.toml")
        .next("grant the settings as they are: teof consent grant")
        .next("or move [[notify]] to your own settings: ~/.config/teof/config.toml")
        .into())
}
