//! How a worker's programs are started. Only the hub's `teof.toml` sets this.

use serde::{Deserialize, Serialize};

/// How programs are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecutorKind {
    /// As processes of this machine.
    #[default]
    Process,
    /// In containers.
    Docker,
    /// In windows of tmux, which a person can watch and join.
    Tmux,
}

/// The client of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    #[default]
    Docker,
    Podman,
}

impl Engine {
    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Engine::Docker => "docker",
            Engine::Podman => "podman",
        }
    }

    /// Whether a name is that of an engine's program. During its outage it is suspended like an agent.
    pub fn is_program(name: &str) -> bool {
        [Engine::Docker, Engine::Podman].iter().any(|engine| engine.program() == name)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Container {
    /// The program that starts containers: `docker` or `podman`.
    pub engine: Engine,
    /// The image, with the agents and the project's tools in it, such as `my-claude:authenticated`.
    pub image: String,
    /// The user in the container; empty means this account's number and group, `image` the image's own.
    pub user: String,
    /// HOME in the container; empty means what the image says.
    pub home: String,
    /// The network, such as `none`; empty means the engine's default.
    pub network: String,
    /// Memory limit, such as `4g`; empty means none.
    pub memory: String,
    /// How many processors it may use, such as `1.5`; empty means all.
    pub cpus: String,
    /// How many processes it may have; 0 means no limit of teof's.
    pub pids: u64,
    /// More files and folders of this machine that it can read: `path`, or `path:path in the container`.
    pub mounts: Vec<String>,
    /// Whether it can read the keys in `~/.ssh`; needs `home`.
    pub ssh: bool,
    /// Whether an image that this machine lacks is fetched.
    pub pull: bool,
}

impl Container {
    /// What counts of it without a person's grant: what opens more of this machine does not.
    #[must_use]
    pub fn closed(&self) -> Self {
        Self { mounts: Vec::new(), ssh: false, pull: false, ..self.clone() }
    }
}
