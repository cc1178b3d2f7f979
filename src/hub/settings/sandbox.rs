//! The settings of the sandbox around what workers start: `[worker.sandbox]`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// Whether the kernel confines what a worker starts, where it can: `on` or `off`. Settings that loosen the
    /// sandbox count only once granted, in the hub's teof.toml.
    pub mode: SandboxMode,
    /// Paths that are writable besides the worktree, the run's own folders and `caches`: absolute, or from `~`. One
    /// that ends with `/` is a folder, and is created if missing. One above the repository, the folder of worktrees or
    /// the home folder does not count.
    pub write: Vec<String>,
    /// Caches of build tools and package managers that are writable. A missing one is created only for a program that
    /// is installed, or that the project brings as its wrapper (`gradlew`).
    pub caches: Vec<String>,
    /// Paths that are readable besides the system, the repository and what is writable; empty means everything.
    pub read: Vec<String>,
    /// What is reachable: `all`, or `none` (no TCP; UDP needs Landlock version 10; sockets by path stay open).
    pub network: SandboxNetwork,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    #[default]
    On,
    Off,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxNetwork {
    #[default]
    All,
    None,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            mode: SandboxMode::default(),
            write: Vec::new(),
            caches: CACHES.map(|(path, _)| path.to_owned()).to_vec(),
            read: Vec::new(),
            network: SandboxNetwork::default(),
        }
    }
}

/// What build tools and package managers write outside of a project, and the program that makes it; none: every
/// program may. Not their settings or programs.
pub const CACHES: [(&str, &str); 21] = [
    ("~/.cache", ""),
    ("~/.cargo/registry", "cargo"),
    ("~/.cargo/git", "cargo"),
    ("~/.npm", "npm"),
    ("~/.yarn", "yarn"),
    ("~/.local/share/pnpm/store", "pnpm"),
    ("~/.bun/install/cache", "bun"),
    ("~/go/pkg", "go"),
    ("~/.gradle/caches", "gradle"),
    ("~/.gradle/wrapper", "gradle"),
    ("~/.gradle/daemon", "gradle"),
    ("~/.gradle/native", "gradle"),
    ("~/.gradle/notifications", "gradle"),
    ("~/.gradle/workers", "gradle"),
    ("~/.gradle/.tmp", "gradle"),
    ("~/.m2/repository", "mvn"),
    ("~/.m2/wrapper", "mvn"),
    ("~/.nuget/packages", "dotnet"),
    ("~/.local/share/NuGet", "dotnet"),
    ("~/.pub-cache", "dart"),
    ("~/.ccache", "ccache"),
];

/// Also reads the short form `sandbox = "off"` of files that have no such table.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Sandbox, D::Error> {
    struct Either;
    impl<'de> Visitor<'de> for Either {
        type Value = Sandbox;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"on\", \"off\" or a table")
        }

        fn visit_str<E: serde::de::Error>(self, mode: &str) -> Result<Sandbox, E> {
            let mode = match mode {
                "on" => SandboxMode::On,
                "off" => SandboxMode::Off,
                _ => return Err(E::invalid_value(serde::de::Unexpected::Str(mode), &self)),
            };
            Ok(Sandbox { mode, ..Sandbox::default() })
        }

        fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<Sandbox, M::Error> {
            Sandbox::deserialize(MapAccessDeserializer::new(table))
        }
    }
    from.deserialize_any(Either)
}

impl Sandbox {
    /// The same without what opens it: for settings that no person granted.
    pub fn closed(&self) -> Self {
        let mode = if self.mode == SandboxMode::On { SandboxMode::On } else { SandboxMode::default() };
        Self { mode, network: self.network, read: self.read.clone(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn the_short_form_and_the_table_are_both_read() {
        let read = |text: &str| toml::from_str::<Settings>(text).map(|settings| settings.worker.sandbox);
        assert_eq!(read("[worker]\nsandbox = \"off\"").unwrap().mode, SandboxMode::Off);
        let table = read("[worker.sandbox]\nmode = \"on\"\nwrite = [\"~/x\"]\nnetwork = \"none\"").unwrap();
        assert_eq!((table.mode, table.network), (SandboxMode::On, SandboxNetwork::None));
        assert_eq!(table.caches, Sandbox::default().caches);
        for (text, why) in [
            ("[worker]\nsandbox = \"of\"", "invalid value: string \"of\", expected \"on\", \"off\" or a table"),
            ("[worker.sandbox]\nwrites = []", "unknown field `writes`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let open = Sandbox { write: vec!["/".into()], caches: vec!["/".into()], ..table };
        let closed = open.closed();
        assert_eq!((closed.write.len(), closed.network, closed.mode), (0, open.network, SandboxMode::On));
        assert_eq!(closed.caches, Sandbox::default().caches);
    }
}
