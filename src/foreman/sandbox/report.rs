//! Which sandbox is in force on this machine, for the record and for people.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Result;
use crate::exec::{Level, Network, Support};
use crate::guard::trust;
use crate::hub::Hub;
use crate::hub::settings::{Sandbox as Settings, SandboxMode, SandboxNetwork};

/// The state where containers confine programs.
pub(super) const CONTAINER: &str = "container";

/// The sandbox as the record shows it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SandboxReport {
    /// What the kernel enforced: `full`, `partial`, `none`; `off` in the settings; or `container`, where that confines.
    pub state: &'static str,
    /// The version of Landlock; 0: the kernel has none.
    pub landlock: u32,
    /// What the kernel leaves open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<&'static str>,
    /// `all` or `none`.
    pub network: SandboxNetwork,
    /// Writable paths that the settings add to the built-in ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// The only readable paths besides the built-in ones; empty: everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
}

/// The settings that count: a person's grant covers them, or they only close the sandbox.
///
/// # Errors
/// When the settings or the trust file cannot be read.
pub fn settings(hub: &Hub) -> Result<Settings> {
    let own = &hub.settings()?.worker.sandbox;
    Ok(if trust::are_settings_granted(hub)? { own.clone() } else { own.closed() })
}

impl SandboxReport {
    /// What is in force on this machine with these settings.
    pub fn of(settings: &Settings) -> Self {
        let support = Support::of_this_kernel();
        let (level, open) = support.enforced(network(settings));
        let state = if settings.mode == SandboxMode::Off { "off" } else { level.word() };
        Self {
            state,
            landlock: support.abi,
            open: if settings.mode == SandboxMode::Off { Vec::new() } else { open },
            network: settings.network,
            write: settings.write.clone(),
            read: settings.read.clone(),
        }
    }

    /// Whether the kernel confines what is started.
    pub fn is_on(&self) -> bool {
        self.state == Level::Full.word() || self.state == Level::Partial.word()
    }
}

/// What is reachable.
pub(super) fn network(settings: &Settings) -> Network {
    match settings.network {
        SandboxNetwork::All => Network::All,
        SandboxNetwork::None => Network::None,
    }
}
