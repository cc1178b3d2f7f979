//! What an engine says of itself: on which kernel it runs containers, and which users they have.

use serde::Deserialize;

/// The answer to `info`, of docker or of podman.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Info {
    #[serde(rename = "KernelVersion")]
    kernel: Option<String>,
    /// `name=rootless`, `name=userns`, …
    #[serde(rename = "SecurityOptions")]
    security: Option<Vec<String>>,
    /// Podman's.
    host: Option<Host>,
}

#[derive(Clone, Debug, Deserialize)]
struct Host {
    kernel: String,
    security: Option<Security>,
}

#[derive(Clone, Debug, Deserialize)]
struct Security {
    rootless: bool,
}

/// How the users of a container are mapped to those of the engine's machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Users {
    /// Not at all.
    #[default]
    Same,
    /// Rootless docker: root is the account that runs the engine, and every other user is a stranger to its files.
    RootIsOwn,
    /// Rootless podman: the same, unless the container keeps the account's own number.
    Kept,
    /// `userns-remap`: all are strangers, unless the container has the machine's users.
    Remapped,
}

impl Info {
    pub fn kernel(&self) -> Option<&str> {
        self.kernel.as_deref().or(self.host.as_ref().map(|host| host.kernel.as_str()))
    }

    /// Whether containers run on the kernel of this process. Elsewhere they cannot reach a socket of this machine.
    pub fn shares_kernel(&self) -> bool {
        let own = rustix::system::uname();
        self.kernel().is_some_and(|kernel| own.release().to_str() == Ok(kernel))
    }

    pub fn is_podman(&self) -> bool {
        self.host.is_some()
    }

    pub fn users(&self) -> Users {
        let has = |name: &str| {
            let mut options = self.security.iter().flatten();
            options.any(|option| option.split(',').any(|part| part.strip_prefix("name=") == Some(name)))
        };
        let podman = self.host.as_ref().and_then(|host| host.security.as_ref());
        match () {
            () if podman.is_some_and(|security| security.rootless) => Users::Kept,
            () if has("rootless") => Users::RootIsOwn,
            () if has("userns") => Users::Remapped,
            () => Users::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_say_which_users_their_containers_have() {
        let docker = |options: &str| format!(r#"{{"KernelVersion":"6.1.0","SecurityOptions":{options}}}"#);
        let podman = |rootless: bool| {
            format!(r#"{{"host":{{"kernel":"6.1.0","security":{{"rootless":{rootless},"seccompEnabled":true}}}}}}"#)
        };
        for (json, users) in [
            (docker("null"), Users::Same),
            (docker(r#"["name=seccomp,profile=default"]"#), Users::Same),
            (docker(r#"["name=seccomp,profile=default","name=rootless"]"#), Users::RootIsOwn),
            (docker(r#"["name=userns"]"#), Users::Remapped),
            (podman(false), Users::Same),
            (podman(true), Users::Kept),
        ] {
            let is_podman = json.contains("host");
            let info: Info = serde_json::from_str(&json).unwrap();
            assert_eq!((info.users(), info.kernel(), info.is_podman()), (users, Some("6.1.0"), is_podman), "{json}");
        }
    }
}
