//! How containers are made.

use std::path::PathBuf;

/// How containers are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The client, which may also be podman's.
    pub program: String,
    pub image: String,
    /// Empty: this account's number and group. `image`: the image's own.
    pub user: String,
    /// Empty: what the image says.
    pub home: String,
    pub network: String,
    pub memory: String,
    pub cpus: String,
    /// 0: no limit.
    pub pids: u64,
    /// More folders that can be read: `path` or `path:path in the container`.
    pub mounts: Vec<String>,
    /// The folder of SSH keys, where the container gets it.
    pub ssh: Option<PathBuf>,
    pub pull: bool,
}

impl Default for Options {
    fn default() -> Self {
        let empty = String::new;
        Self {
            program: "docker".to_owned(),
            image: empty(),
            user: empty(),
            home: empty(),
            network: empty(),
            memory: empty(),
            cpus: empty(),
            pids: 0,
            mounts: Vec::new(),
            ssh: None,
            pull: false,
        }
    }
}
