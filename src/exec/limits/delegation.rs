//! Whether a cgroup is ours to divide.

use std::path::Path;
use std::time::Duration;

use crate::base::env;
use crate::exec::environment::allowed;
use crate::exec::probe::{Answer, probe};

/// How long the service manager may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether systemd delegated it, or it is the root that a container sees.
pub(super) fn is_delegated(folder: &Path, mount: &Path) -> bool {
    is_delegated_by(folder, mount, &user_manager_delegates)
}

fn is_delegated_by(folder: &Path, mount: &Path, delegates: &dyn Fn(&str) -> bool) -> bool {
    use rustix::fs::{Access, access, getxattr};
    let is_writable = |name: &str| access(folder.join(name), Access::WRITE_OK).is_ok();
    if !["", "cgroup.procs", "cgroup.subtree_control"].into_iter().all(is_writable) {
        return false;
    }
    let mut value = [0; 8];
    let marked = getxattr(folder, "user.delegate", &mut value).is_ok_and(|length| &value[..length] == b"1");
    // The real root has no type.
    let is_root_of_container = folder == mount && folder.join("cgroup.type").is_file();
    marked || is_root_of_container || user_unit(folder).is_some_and(delegates)
}

/// The unit of a user's service manager whose cgroup this is. The account may write to all of these; only some are
/// delegated, and only the manager of the machine marks which.
fn user_unit(folder: &Path) -> Option<&str> {
    let name = folder.file_name()?.to_str()?;
    let is_user_manager = |part: &std::ffi::OsStr| {
        part.to_str().is_some_and(|part| part.starts_with("user@") && part.ends_with(".service"))
    };
    let is_below = folder.parent()?.iter().any(is_user_manager);
    (is_below && (name.ends_with(".service") || name.ends_with(".scope"))).then_some(name)
}

fn user_manager_delegates(unit: &str) -> bool {
    let mut variables = allowed(&["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"].map(str::to_owned));
    if env::var("XDG_RUNTIME_DIR").is_none() {
        let folder = format!("/run/user/{}", rustix::process::getuid().as_raw());
        variables.push(("XDG_RUNTIME_DIR".to_owned(), folder));
    }
    let asked = ["systemctl", "--user", "show", "--value", "--property=Delegate", "--", unit].map(str::to_owned);
    matches!(probe(&asked, Path::new("/"), &variables, PATIENCE), Answer::Printed(said) if said.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_service_manager_is_asked_about_its_units_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let manager = "user.slice/user-1000.slice/user@1000.service";
        let asked = |path: &str, answer: bool| {
            let folder = dir.path().join(path);
            std::fs::create_dir_all(&folder).unwrap();
            for name in ["cgroup.procs", "cgroup.subtree_control"] {
                std::fs::write(folder.join(name), "").unwrap();
            }
            is_delegated_by(&folder, dir.path(), &|unit| {
                assert!(folder.ends_with(unit));
                answer
            })
        };
        assert!(asked(&format!("{manager}/app.slice/teof-app.service"), true));
        assert!(asked(&format!("{manager}/app.slice/run-1.scope"), true));
        assert!(!asked(&format!("{manager}/app.slice/other.service"), false));
        assert!(!asked(&format!("{manager}/app.slice"), true), "a slice is the manager's own");
        assert!(!asked("system.slice/other.service", true), "the machine's manager marks what it delegates");
    }
}
