//! Asks the engine through its client: whether it answers, which image there is, how a container ended.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;

use super::info::Info;
use super::options::Options;
use crate::base::{Refusal, Result, env, text};
use crate::exec::probe::{Answer, ask_client, probe};
use crate::exec::processes::Beside;

/// How long the engine may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may take to fetch an image.
const PULL: Duration = Duration::from_secs(30 * 60);
/// How often to look whether the client is done.
const TICK: Duration = Duration::from_millis(10);
/// How much of a container's output is kept, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// `PATH` of an image that sets none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The client's own variables: where the engine is, and how to log in there.
const OF_CLIENT: [&str; 12] = [
    "PATH",
    "HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "SSH_AUTH_SOCK",
];

/// The label of the hub to which a container belongs, of its run and of its task.
pub(super) const HUB: &str = "teof.hub";
pub(super) const RUN: &str = "teof.run";
pub(super) const TASK: &str = "teof.task";

/// The engine behind a client.
#[derive(Debug)]
pub struct Engine<'a>(pub &'a Options);

/// How a container ended, as the engine tells it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `created`, `running`, `exited`, …
    pub status: String,
    pub exit_code: i32,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Why it could not start.
    pub error: String,
}

/// A container of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub name: String,
    pub run: String,
    pub task: String,
}

/// The variables of this process that the client needs.
pub(super) fn of_client() -> Vec<(String, String)> {
    let value = |name: &str| if name == env::PATH { env::safe_path() } else { env::var(name) };
    OF_CLIENT.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect()
}

impl Engine<'_> {
    /// Refuses when no container can be started: no client, no engine, no image.
    pub fn check(&self) -> Result<()> {
        let program = &self.0.program;
        match self.ask(&["version", "--format", "{{.Server.Version}}"], PATIENCE) {
            Answer::Printed(_) => {}
            Answer::NotStarted(why) => {
                return Err(Refusal::guard("docker.missing", format!("cannot run {program}"))
                    .because(text::safe(&why))
                    .next("install it, or run agents without containers: executor = \"process\" under [worker]")
                    .into());
            }
            Answer::Failed(_, said) => return Err(no_engine(program, &said).into()),
            Answer::TimedOut => return Err(no_engine(program, "it does not answer").into()),
        }
        self.require_image()
    }

    /// The engine stopped while a program ran in a container.
    pub(super) fn lost(&self, why: &str) -> Refusal {
        Refusal::guard("docker.lost", format!("{} lost its engine while a program ran", self.0.program))
            .because(text::clip(&text::safe(why), 300))
            .next(format!("see why the engine stopped, then: {} version", self.0.program))
    }

    fn require_image(&self) -> Result<()> {
        let Options { program, image, pull, ssh, home, .. } = self.0;
        if image.is_empty() {
            return Err(Refusal::guard("docker.no_image", "no image is set for containers")
                .because("executor = \"docker\" needs an image with the agent and the project's tools in it")
                .next("set image = \"name:tag\" under [worker.docker] in teof.toml")
                .into());
        }
        if ssh.is_some() && home.is_empty() {
            return Err(Refusal::guard("docker.no_home", "ssh = true needs the home folder in the container")
                .next("set home = \"/home/name\" under [worker.docker] in teof.toml")
                .into());
        }
        if *pull || self.image_variables().is_some() {
            return Ok(());
        }
        let word = text::shell_word(image);
        Err(Refusal::guard("docker.image_missing", format!("this machine has no image {}", text::safe(image)))
            .because("images are fetched only with pull = true under [worker.docker]")
            .next(format!("{} pull {word}", text::shell_word(program)))
            .into())
    }

    /// `PATH` of the image, which is fetched first if the settings say so.
    pub(super) fn image_path(&self) -> Result<String> {
        let mut variables = self.image_variables();
        if variables.is_none() && self.0.pull {
            if let Answer::Failed(_, said) = self.ask(&["pull", "--quiet", &self.0.image], PULL) {
                return Err(Refusal::guard(
                    "docker.pull",
                    format!("cannot fetch the image {}", text::safe(&self.0.image)),
                )
                .because(text::clip(&text::safe(&said), 300))
                .next(format!("{} pull {}", self.0.program, text::shell_word(&self.0.image)))
                .into());
            }
            variables = self.image_variables();
        }
        let path = variables.and_then(|all| all.iter().find_map(|one| one.strip_prefix("PATH=").map(str::to_owned)));
        Ok(path.unwrap_or_else(|| DEFAULT_PATH.to_owned()))
    }

    /// The variables that an image sets; `None` when there is no such image.
    fn image_variables(&self) -> Option<Vec<String>> {
        match self.ask(&["image", "inspect", "--format", "{{json .Config.Env}}", &self.0.image], PATIENCE) {
            Answer::Printed(json) => Some(serde_json::from_str(&json).unwrap_or_default()),
            _ => None,
        }
    }

    /// How a container is; `None` when there is none.
    ///
    /// # Errors
    /// Why the engine does not say.
    pub(super) fn state(&self, name: &str) -> Result<Option<State>, String> {
        match self.ask(&["container", "inspect", "--format", "{{json .State}}", name], PATIENCE) {
            Answer::Printed(json) => serde_json::from_str(&json).map(Some).map_err(|e| e.to_string()),
            other => absent(other).map(|()| None),
        }
    }

    /// The first process of a container, as a pid of the engine's machine; `None` while it does not run. Asked next to
    /// a supervised program.
    pub(super) fn first_process(&self, name: &str, beside: &Beside) -> Option<i32> {
        let mut command = Command::new(&self.0.program);
        command.args(["container", "inspect", "--format", "{{.State.Pid}}", name]).env_clear().envs(of_client());
        match ask_client(command.current_dir("/"), PATIENCE, Some(beside)) {
            Answer::Printed(pid) => pid.trim().parse().ok().filter(|pid| *pid > 0),
            _ => None,
        }
    }

    /// What it says of itself.
    pub(super) fn info(&self) -> Result<Info> {
        match self.ask(&["info", "--format", "{{json .}}"], PATIENCE) {
            Answer::Printed(json) => Ok(serde_json::from_str(&json).context("read what the engine says of itself")?),
            Answer::Failed(_, said) | Answer::NotStarted(said) => Err(no_engine(&self.0.program, &said).into()),
            Answer::TimedOut => Err(no_engine(&self.0.program, "it does not answer").into()),
        }
    }

    /// Stops and removes a container. A missing one is no error.
    ///
    /// # Errors
    /// Why it is still there.
    pub fn remove(&self, name: &str) -> Result<(), String> {
        match self.ask(&["rm", "--force", "--volumes", name], PATIENCE) {
            Answer::Printed(_) => Ok(()),
            other => absent(other),
        }
    }

    /// The containers of a hub. None when the engine does not answer.
    pub fn left(&self, hub: &str) -> Vec<Left> {
        let of_hub = format!("label={HUB}={hub}");
        let names = ["ps", "--all", "--no-trunc", "--filter", &of_hub, "--format", "{{.Names}}"];
        match self.ask(&names, PATIENCE) {
            Answer::Printed(names) => names.lines().filter_map(|name| self.labelled(name.trim())).collect(),
            _ => Vec::new(),
        }
    }

    /// A container of ours; `None` when it is gone. Not every client's `ps` prints labels.
    fn labelled(&self, name: &str) -> Option<Left> {
        let labels = ["container", "inspect", "--format", "{{json .Config.Labels}}", name];
        let Answer::Printed(json) = self.ask(&labels, PATIENCE) else { return None };
        left(name, &json)
    }

    /// Writes the end of what a container printed, stderr too, to a file.
    ///
    /// # Errors
    /// When the client cannot be run or the file cannot be written.
    pub fn save_last_output(&self, name: &str, to: &Path) -> io::Result<()> {
        let file = File::create(to)?;
        let mut client = Command::new(&self.0.program);
        client.args(["logs", "--tail", "500", name]).env_clear().envs(of_client()).current_dir("/");
        let mut client = client.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        let until = Instant::now() + PATIENCE;
        while client.try_wait()?.is_none() && Instant::now() < until {
            std::thread::sleep(TICK);
        }
        // An engine that does not answer keeps nothing waiting.
        let _ = client.kill();
        client.wait()?;
        keep_end(to, MAX_OUTPUT)
    }

    fn ask(&self, args: &[&str], patience: Duration) -> Answer {
        let argv: Vec<_> =
            std::iter::once(self.0.program.as_str()).chain(args.iter().copied()).map(str::to_owned).collect();
        probe(&argv, Path::new("/"), &of_client(), patience)
    }
}

/// Shortens a file to its last bytes.
fn keep_end(file: &Path, most: u64) -> io::Result<()> {
    let mut from = File::open(file)?;
    let Some(start) = from.metadata()?.len().checked_sub(most).filter(|start| *start > 0) else { return Ok(()) };
    let mut end = Vec::new();
    from.seek(SeekFrom::Start(start))?;
    from.read_to_end(&mut end)?;
    fs::write(file, end)
}

/// Whether an answer says that there is no such container; the error is why it says something else.
fn absent(answer: Answer) -> Result<(), String> {
    match answer {
        Answer::Printed(said) => Err(text::safe(&said)),
        Answer::Failed(_, said) if said.to_lowercase().contains("no such container") => Ok(()),
        Answer::Failed(how, said) if said.is_empty() => Err(how),
        Answer::Failed(_, said) => Err(text::safe(&said)),
        Answer::TimedOut => Err("the engine does not answer".to_owned()),
        Answer::NotStarted(why) => Err(text::safe(&why)),
    }
}

fn no_engine(program: &str, said: &str) -> Refusal {
    Refusal::guard("docker.no_engine", format!("{program} finds no engine"))
        .because(text::clip(&text::safe(said), 300))
        .next(format!("start the engine, then: {program} version"))
        .next("or run agents without containers: executor = \"process\" under [worker]")
}

fn left(name: &str, labels: &str) -> Option<Left> {
    let mut labels: BTreeMap<String, String> = serde_json::from_str(labels).ok()?;
    Some(Left { name: name.to_owned(), run: labels.remove(RUN)?, task: labels.remove(TASK)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_words_are_read() {
        let json =
            r#"{"Status":"exited","Running":false,"OOMKilled":true,"Dead":false,"Pid":0,"ExitCode":137,"Error":""}"#;
        let state: State = serde_json::from_str(json).unwrap();
        assert_eq!(state, State { status: "exited".into(), exit_code: 137, oom_killed: true, error: String::new() });
        let found = Left { name: "teof-1".into(), run: "run-1".into(), task: "Q-1".into() };
        let labels = r#"{"maintainer":"Ann","teof.run":"run-1","teof.task":"Q-1"}"#;
        assert_eq!((left("teof-1", labels), left("other", "{}")), (Some(found), None));
    }
}
