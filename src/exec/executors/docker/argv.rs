//! The command line of one container. Pure.
//!
//! Values of variables never stand in it, because every account of the machine can read arguments: docker takes them
//! from its own environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::info::{Info, Users};
use super::options::Options;

/// What a path of this machine is in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    /// An empty folder stands in its place.
    Hidden,
}

/// The paths of this machine that a container has, each at its own path, so that links between them hold. A path below
/// another one goes by its own access.
pub type Mounts = BTreeMap<PathBuf, Access>;

/// What docker is called with, and in which environment.
pub(super) struct Line {
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// What one container runs.
pub(super) struct Program<'a> {
    pub name: &'a str,
    pub argv: &'a [String],
    pub cwd: &'a Path,
    pub env: &'a [(String, String)],
    pub labels: &'a [(&'static str, String)],
    pub mounts: &'a Mounts,
    pub engine: &'a Info,
    pub has_stdin: bool,
    /// `PATH` of the image.
    pub image_path: &'a str,
    /// Our own binary, where it runs in any image.
    pub own_binary: Option<&'a Path>,
    /// Between SIGTERM and SIGKILL, in seconds.
    pub grace: u64,
}

/// Variables that describe this machine rather than the image. `PATH` is joined from both.
const OF_THIS_MACHINE: [&str; 12] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOPATH",
    "JAVA_HOME",
    "SSL_CERT_FILE",
];
/// Where our own binary is in a container.
const OWN_BINARY: &str = "/usr/local/bin/teof";

/// The line that runs a program in a new container. `of_client` are the variables that docker itself needs.
pub(super) fn line(options: &Options, program: &Program, of_client: Vec<(String, String)>) -> Line {
    let mut argv: Vec<String> = vec![options.program.clone(), "run".into()];
    let mut add = |flag: &str, value: &str| argv.push(format!("--{flag}={value}"));
    add("name", program.name);
    add("init", "true");
    add("pull", "never");
    // The engine keeps what a container prints until it is removed; we keep our own copy.
    add("log-driver", "json-file");
    add("log-opt", "max-size=8m");
    add("log-opt", "max-file=2");
    add("stop-timeout", &program.grace.to_string());
    program.labels.iter().for_each(|(name, value)| add("label", &format!("{name}={value}")));
    add("security-opt", "no-new-privileges");
    add("cap-drop", "ALL");
    match options.user.as_str() {
        "image" => {}
        "" => match program.engine.users() {
            Users::Same => add("user", &own_user()),
            Users::RootIsOwn => add("user", "0:0"),
            Users::Kept => {
                add("userns", "keep-id");
                add("user", &own_user());
            }
            Users::Remapped => {
                add("userns", "host");
                add("user", &own_user());
            }
        },
        user => add("user", user),
    }
    for (flag, value) in [("network", &options.network), ("memory", &options.memory), ("cpus", &options.cpus)] {
        if !value.is_empty() {
            add(flag, value);
        }
    }
    if options.pids > 0 {
        add("pids-limit", &options.pids.to_string());
    }
    add("workdir", &program.cwd.display().to_string());
    mounts(options, program).iter().for_each(|mount| add("mount", mount));
    let env = variables(program);
    add("env", &format!("PATH={}", path(program)));
    add("env", "IS_SANDBOX=1");
    if !options.home.is_empty() {
        add("env", &format!("HOME={}", options.home));
    }
    env.iter().for_each(|(name, _)| add("env", name));
    if program.has_stdin {
        argv.push("--interactive".into());
    }
    let (first, rest) = program.argv.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    // The image's own entry point would take the program for its argument.
    argv.push(format!("--entrypoint={first}"));
    argv.push(options.image.clone());
    argv.extend(rest.iter().cloned());
    // The client's own come last: a variable of the program must not make it talk to another engine.
    Line { argv, env: env.into_iter().chain(of_client).collect() }
}

/// The `--mount` values, parents first.
fn mounts(options: &Options, program: &Program) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for (path, access) in program.mounts {
        let at = path.display().to_string();
        values.push(match access {
            Access::Write => bind(&at, &at, false),
            Access::Read => bind(&at, &at, true),
            Access::Hidden => hidden(&at, program.engine.is_podman()),
        });
    }
    if let Some(own) = program.own_binary {
        values.push(bind(&own.display().to_string(), OWN_BINARY, true));
    }
    for mount in &options.mounts {
        let (source, target) = mount.split_once(':').unwrap_or((mount, mount));
        values.push(bind(source, target, true));
    }
    if let Some(keys) = &options.ssh {
        values.push(bind(&keys.display().to_string(), &format!("{}/.ssh", options.home), true));
    }
    values
}

/// Podman copies into an empty folder what the one below it has, unless it is told not to.
fn hidden(target: &str, is_podman: bool) -> String {
    let mut fields = vec!["type=tmpfs".to_owned(), format!("target={target}"), "tmpfs-size=65536".to_owned()];
    if is_podman {
        fields.push("notmpcopyup".to_owned());
    }
    csv(&fields)
}

fn bind(source: &str, target: &str, read_only: bool) -> String {
    let mut fields = vec!["type=bind".to_owned(), format!("source={source}"), format!("target={target}")];
    if read_only {
        fields.push("readonly".to_owned());
    }
    csv(&fields)
}

/// Docker reads a mount as one line of CSV.
fn csv(fields: &[String]) -> String {
    let quoted = |field: &String| match field.contains([',', '"', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.clone(),
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// The variables that the program gets from docker's environment. The last of the same name counts.
fn variables(program: &Program) -> Vec<(String, String)> {
    let mut kept = BTreeMap::new();
    for (name, value) in program.env {
        // A value that names a folder which is not there is worse than none.
        let of_a_mount = is_mounted(program.mounts, Path::new(value));
        if name != "PATH" && (!OF_THIS_MACHINE.contains(&name.as_str()) && name != "TMPDIR" || of_a_mount) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept.into_iter().collect()
}

/// The folders of the program's `PATH` that the container has, then the image's.
fn path(program: &Program) -> String {
    let given = program.env.iter().rev().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
    let ours = given.split(':').filter(|folder| is_mounted(program.mounts, Path::new(folder)));
    ours.chain([program.image_path]).collect::<Vec<_>>().join(":")
}

fn is_mounted(mounts: &Mounts, path: &Path) -> bool {
    path.is_absolute() && path.ancestors().find_map(|above| mounts.get(above)).is_some_and(|is| *is != Access::Hidden)
}

fn own_user() -> String {
    format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { image: "my-claude:authenticated".into(), ..Options::default() }
    }

    fn built(options: &Options, env: &[(&str, &str)]) -> Line {
        built_for(options, env, "{}")
    }

    /// For the engine that says this of itself.
    fn built_for(options: &Options, env: &[(&str, &str)], engine: &str) -> Line {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mounts = Mounts::from([
            ("/hub".into(), Access::Read),
            ("/hub/.git/teof".into(), Access::Hidden),
            ("/hub/.git/objects".into(), Access::Write),
            ("/hub.worktrees/a, \"b\"".into(), Access::Write),
        ]);
        let program = Program {
            name: "teof-1",
            argv: &["claude".into(), "-p".into()],
            cwd: Path::new("/hub.worktrees/a, \"b\""),
            env: &env,
            labels: &[("teof.run", "run-1".into())],
            mounts: &mounts,
            engine: &serde_json::from_str(engine).unwrap(),
            has_stdin: true,
            image_path: "/opt/bin:/bin",
            own_binary: Some(Path::new("/home/ann/teof")),
            grace: 10,
        };
        line(options, &program, vec![("HOME".into(), "/home/ann".into())])
    }

    #[test]
    fn folders_are_mounted_at_their_own_paths_and_parents_come_first() {
        let line = built(&options(), &[]);
        let mounts: Vec<_> = line.argv.iter().filter_map(|part| part.strip_prefix("--mount=")).collect();
        assert_eq!(
            mounts,
            [
                "type=bind,source=/hub,target=/hub,readonly",
                "type=bind,source=/hub/.git/objects,target=/hub/.git/objects",
                "type=tmpfs,target=/hub/.git/teof,tmpfs-size=65536",
                "type=bind,\"source=/hub.worktrees/a, \"\"b\"\"\",\"target=/hub.worktrees/a, \"\"b\"\"\"",
                "type=bind,source=/home/ann/teof,target=/usr/local/bin/teof,readonly",
            ]
        );
        let end = line.argv.iter().position(|part| part == "my-claude:authenticated").unwrap();
        assert_eq!(line.argv[end + 1..], ["-p"]);
        assert!(line.argv[..end].contains(&"--entrypoint=claude".to_owned()), "{:?}", line.argv);
    }

    #[test]
    fn values_of_variables_are_not_in_the_arguments() {
        let line = built(
            &options(),
            &[
                ("API_KEY", "sk-1"),
                ("PATH", "/hub/no-push:/usr/local/sbin:relative"),
                ("CARGO_HOME", "/home/ann/.cargo"),
                ("HOME", "/home/ann"),
                ("TMPDIR", "/tmp"),
                ("API_KEY", "sk-2"),
            ],
        );
        let flags: Vec<_> = line.argv.iter().filter_map(|part| part.strip_prefix("--env=")).collect();
        assert_eq!(flags, ["PATH=/hub/no-push:/opt/bin:/bin", "IS_SANDBOX=1", "API_KEY"]);
        let env = [("API_KEY", "sk-2"), ("HOME", "/home/ann")];
        assert_eq!(line.env, env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(!line.argv.join(" ").contains("sk-"));
    }

    #[test]
    fn limits_user_and_keys_are_as_the_settings_say() {
        let some = Options {
            user: "claude".into(),
            home: "/home/claude".into(),
            network: "none".into(),
            memory: "4g".into(),
            cpus: "1.5".into(),
            pids: 256,
            mounts: vec!["/data".into(), "/etc/ca:/ca".into()],
            ssh: Some("/home/ann/.ssh".into()),
            ..options()
        };
        let line = built(&some, &[]);
        for part in [
            "--user=claude",
            "--network=none",
            "--memory=4g",
            "--cpus=1.5",
            "--pids-limit=256",
            "--env=HOME=/home/claude",
            "--mount=type=bind,source=/data,target=/data,readonly",
            "--mount=type=bind,source=/etc/ca,target=/ca,readonly",
            "--mount=type=bind,source=/home/ann/.ssh,target=/home/claude/.ssh,readonly",
        ] {
            assert!(line.argv.iter().any(|given| given == part), "{part}: {:?}", line.argv);
        }
        let plain = built(&options(), &[]).argv.join(" ");
        for absent in ["--memory", "--cpus", "--pids-limit", "--network", ".ssh"] {
            assert!(!plain.contains(absent), "{absent}: {plain}");
        }
        assert!(plain.contains(&format!("--user={}", own_user())));
    }
    #[test]
    fn files_belong_to_this_account_whatever_users_the_engine_has() {
        let (own, given) = (format!("--user={}", own_user()), Options { user: "claude".into(), ..options() });
        for (engine, flags) in [
            ("{}", vec![own.as_str()]),
            (r#"{"SecurityOptions":["name=rootless"]}"#, vec!["--user=0:0"]),
            (r#"{"host":{"kernel":"6","security":{"rootless":true}}}"#, vec!["--userns=keep-id", &own]),
            (r#"{"SecurityOptions":["name=userns"]}"#, vec!["--userns=host", &own]),
        ] {
            let of_users =
                |line: Line| line.argv.into_iter().filter(|part| part.starts_with("--user")).collect::<Vec<_>>();
            assert_eq!(of_users(built_for(&options(), &[], engine)), flags);
            assert_eq!(of_users(built_for(&given, &[], engine)), ["--user=claude"]);
        }
    }
    #[test]
    fn what_is_hidden_is_not_copied_into_the_container_by_podman() {
        let line = built_for(&options(), &[], r#"{"host":{"kernel":"6"}}"#);
        let hidden = "--mount=type=tmpfs,target=/hub/.git/teof,tmpfs-size=65536,notmpcopyup";
        assert!(line.argv.iter().any(|part| part == hidden), "{:?}", line.argv);
    }
}
