//! The systemd unit.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::place::Place;
use crate::base::{Result, env};
use crate::exec::{self, Answer};

/// The version that knows `DelegateSubgroup=`.
const SUBGROUPS: u32 = 254;
/// How long systemd may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn path(place: &Place, user: bool) -> Result<PathBuf> {
    let folder = match user {
        false => PathBuf::from("/etc/systemd/system"),
        true => {
            let config = env::var(env::XDG_CONFIG_HOME).map(PathBuf::from);
            let config = config.or_else(|| Some(PathBuf::from(env::var(env::HOME)?).join(".config")));
            config.context("HOME is not set")?.join("systemd/user")
        }
    };
    Ok(folder.join(format!("{}.service", place.name)))
}

/// The unit. A unit of the machine is confined further than one of an account, whose manager may not do that.
pub fn text(place: &Place, user: bool) -> String {
    let mut out = format!("[Unit]\nDescription=teof coordinator of {}\n", specifiers(&place.title));
    if !user {
        let _ = write!(
            out,
            "Wants=network-online.target\nAfter=network-online.target\nRequiresMountsFor={}\n",
            word(&place.root.display().to_string())
        );
    }
    out.push_str(
        "# After ten starts within an hour, those by hand included, a person has to look; then: systemctl reset-failed\n\
         StartLimitIntervalSec=1h\n\
         StartLimitBurst=10\n",
    );
    service(&mut out, place);
    if user {
        out.push_str("NoNewPrivileges=yes\n");
    } else {
        confine(&mut out, place);
    }
    let target = if user { "default.target" } else { "multi-user.target" };
    let _ = write!(out, "\n[Install]\nWantedBy={target}\n");
    out
}

fn service(out: &mut String, place: &Place) {
    let command: Vec<String> = place.command().iter().map(|part| argument(part)).collect();
    let _ = write!(
        out,
        "\n[Service]\nType=notify\nNotifyAccess=main\nExecStart={}\n\
         # SIGHUP: read teof.toml again\n\
         ExecReload={} -HUP $MAINPID\n\
         WorkingDirectory={}\n\
         # Where agents' programs are found\n\
         Environment={}\n",
        command.join(" "),
        kill(),
        specifiers(&place.root.display().to_string()),
        word(&format!("PATH={}", place.search)),
    );
    for (name, value) in &place.moved {
        let _ = writeln!(out, "Environment={}", word(&format!("{name}={value}")));
    }
    let _ = write!(
        out,
        "# Keys that agents need, a line NAME=value each; chmod 600. It may be missing.\n\
         EnvironmentFile=-{}\n\
         # A coordinator whose loop hangs is replaced. One step of it may take three minutes.\n\
         WatchdogSec=10min\n\
         Restart=on-failure\n\
         RestartSec=15s\n\
         # No restart helps against wrong usage, another coordinator, no repository or no consent.\n\
         RestartPreventExitStatus=2 3 4 6\n\
         # Only the coordinator is signalled. Workers outlive its crash, and the next one goes on with them; when\n\
         # it is stopped, it lets them finish their stage itself.\n\
         KillMode=process\n\
         TimeoutStartSec=10min\n\
         # coordinator.stop_within, and what ending the workers takes\n\
         TimeoutStopSec={}s\n\
         # A test that uses up the memory must not stop the rest.\n\
         OOMPolicy=continue\n",
        specifiers(&place.home.join(".config/teof/environment").display().to_string()),
        place.stop.as_secs(),
    );
    delegate(out);
}

/// Lets each job have a cgroup, in which the kernel enforces `[worker.limits]`. A service whose own cgroup is divided
/// cannot start again while workers of a crash run, unless its process starts in a child of that.
fn delegate(out: &mut String) {
    match version() {
        Some(old) if old < SUBGROUPS => {
            let _ = writeln!(
                out,
                "# From systemd {SUBGROUPS} on (here: {old}) each job gets a cgroup for [worker.limits]; then print this again."
            );
        }
        _ => {
            let leaf = exec::CGROUP_LEAF;
            let _ = write!(
                out,
                "# Each job gets a cgroup of its own for [worker.limits].\nDelegate=memory pids cpu\nDelegateSubgroup={leaf}\n"
            );
        }
    }
}

/// The version of systemd here, if there is one.
fn version() -> Option<u32> {
    let asked = ["systemctl", "--version"].map(str::to_owned);
    let Answer::Printed(said) = exec::probe(&asked, Path::new("/"), &exec::allowed(&[]), PATIENCE) else { return None };
    said.split_whitespace().nth(1)?.parse().ok()
}

/// What a worker needs stays possible: new namespaces (agents' own sandboxes, containers), set-group-id folders (shared
/// repositories), executable memory (just-in-time compilers). A private /tmp would be taken from workers that outlive a
/// crash.
fn confine(out: &mut String, place: &Place) {
    let writable: Vec<String> = place.writable.iter().map(|folder| word(&format!("-{}", folder.display()))).collect();
    let _ = write!(
        out,
        "User={}\nEnvironment={}\n\n\
         # The system is read-only; the home folder holds what agents log in with. Workers are also confined by\n\
         # teof's sandbox, unless teof.toml has mode = \"off\" under [worker.sandbox].\n\
         NoNewPrivileges=yes\n\
         ProtectSystem=strict\n\
         ReadWritePaths={}\n\
         ProtectKernelTunables=yes\n\
         ProtectKernelModules=yes\n\
         ProtectKernelLogs=yes\n\
         RestrictRealtime=yes\n",
        specifiers(&place.account),
        word(&format!("HOME={}", place.home.display())),
        writable.join(" "),
    );
    if !place.is_root {
        out.push_str("CapabilityBoundingSet=\n");
    }
}

/// Where `kill` is: systemd wants a path.
fn kill() -> &'static str {
    ["/usr/bin/kill", "/bin/kill"].into_iter().find(|path| Path::new(path).is_file()).unwrap_or("/bin/kill")
}

/// Text in which `%` stands for nothing else.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%").replace('\n', " ")
}

/// One word of a list.
fn word(text: &str) -> String {
    let text = specifiers(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@+%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One word of a command line, in which `$` would stand for a variable.
fn argument(text: &str) -> String {
    word(&text.replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_special_characters_are_one_word() {
        assert_eq!(word("/srv/app"), "/srv/app");
        assert_eq!(word("/srv/my app"), "\"/srv/my app\"");
        assert_eq!(argument("/srv/100%/$HOME/\"a\\b\""), "\"/srv/100%%/$$HOME/\\\"a\\\\b\\\"\"");
    }
}
