//! Which sandbox is in force on this machine, for the record and for people.

use schemars::JsonSchema;
use serde::Serialize;

use super::{guarded, places};
use crate::agents::{self, Agent};
use crate::base::Result;
use crate::exec::{Level, Network, Support};
use crate::guard::trust;
use crate::hub::Hub;
use crate::hub::settings::{ExecutorKind, Sandbox as Settings, SandboxMode, SandboxNetwork};

/// What confines the programs of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxState {
    /// The kernel, completely.
    Full,
    /// The kernel, except for what `open` says.
    Partial,
    /// Nothing: the kernel has no Landlock.
    None,
    /// Nothing, as the settings say.
    Off,
    /// Containers.
    Container,
}

impl SandboxState {
    /// As it is recorded.
    pub fn word(self) -> &'static str {
        match self {
            SandboxState::Full => "full",
            SandboxState::Partial => "partial",
            SandboxState::None => "none",
            SandboxState::Off => "off",
            SandboxState::Container => "container",
        }
    }

    /// Whether the kernel confines what is started.
    pub fn is_on(self) -> bool {
        matches!(self, SandboxState::Full | SandboxState::Partial)
    }
}

impl From<Level> for SandboxState {
    fn from(level: Level) -> Self {
        match level {
            Level::Full => SandboxState::Full,
            Level::Partial => SandboxState::Partial,
            Level::None => SandboxState::None,
        }
    }
}

/// The sandbox as the record shows it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SandboxReport {
    /// What the kernel enforced: `full`, `partial`, `none`; `off` in the settings; or `container`, where that confines.
    pub state: SandboxState,
    /// The version of Landlock; 0: the kernel has none.
    pub landlock: u32,
    /// What the kernel leaves open, and what is not writable because a part of the repository or the home folder is in
    /// it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
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
pub(super) fn settings(hub: &Hub) -> Result<Settings> {
    let own = &hub.settings()?.worker.sandbox;
    Ok(if trust::are_settings_granted(hub)? { own.clone() } else { own.closed() })
}

impl SandboxReport {
    /// What is in force on this machine.
    ///
    /// # Errors
    /// When the settings or the trust file cannot be read.
    pub fn of(hub: &Hub) -> Result<Self> {
        let support = Support::of_this_kernel();
        let worker = &hub.settings()?.worker;
        if worker.executor == ExecutorKind::Docker {
            return Ok(Self::of_containers(support.abi, &worker.docker.network));
        }
        let settings = settings(hub)?;
        let (level, open) = support.enforced(network(&settings));
        let mut state = if settings.mode == SandboxMode::Off { SandboxState::Off } else { level.into() };
        let mut open: Vec<String> = open.into_iter().map(str::to_owned).collect();
        if state.is_on() {
            open.extend(guarded::dropped(hub, &settings)?);
            state = if open.is_empty() { SandboxState::Full } else { SandboxState::Partial };
        } else {
            open.clear();
        }
        Ok(Self {
            state,
            landlock: support.abi,
            open,
            network: settings.network,
            write: settings.write,
            read: settings.read,
        })
    }

    /// The kernel confines nothing there: what is reachable says `[worker.docker]`.
    fn of_containers(landlock: u32, network: &str) -> Self {
        let network = if network == "none" { SandboxNetwork::None } else { SandboxNetwork::All };
        let state = SandboxState::Container;
        Self { state, landlock, open: Vec::new(), network, write: Vec::new(), read: Vec::new() }
    }
}

/// Files that the settings make writable and that do not exist, so that the kernel cannot open them: the section of the
/// settings, and the path as it is there or where it leads.
///
/// # Errors
/// When the settings cannot be read.
pub fn without_effect(hub: &Hub) -> Result<Vec<(String, String)>> {
    let settings = hub.settings()?;
    let own = settings.worker.sandbox.write.iter().filter(|path| !places::has_effect(path));
    let mut found: Vec<_> = own.map(|path| ("worker.sandbox".to_owned(), path.clone())).collect();
    for (name, of_agent) in &settings.agents {
        let write = || agents::find(settings, name).map(|agent| Agent { own: Vec::new(), ..agent }.own_paths(true));
        let paths = if of_agent.write.is_empty() { Vec::new() } else { write().unwrap_or_default() };
        let missing = paths.into_iter().filter(|own| !own.is_folder && !own.path.exists());
        found.extend(missing.map(|own| (format!("agents.{name}"), own.path.display().to_string())));
    }
    Ok(found)
}

/// What is reachable.
pub(super) fn network(settings: &Settings) -> Network {
    match settings.network {
        SandboxNetwork::All => Network::All,
        SandboxNetwork::None => Network::None,
    }
}
