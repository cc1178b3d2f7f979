//! `teof agent doctor`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::agents::{self, Agent, CallSpec, Session};
use crate::base::time::{parse_span, show_span};
use crate::base::{Result, env, text};
use crate::cli::App;
use crate::exec::{self, Answer};
use crate::hub::{Hub, Settings};

/// Check which agent programs can run unattended
///
/// Looks for the program of each agent, and says whether it could work unattended as far as can be seen without calling
/// its service; keys and logins are hints. Asks the programs of presets for their version; one of your own is not
/// started, because it may take --version for work, unless it speaks the Agent Client Protocol. Exit code 1 when an
/// agent that a role uses cannot work.
///
/// With --json: {ok, agents: [{name, preset, verified, tried, program, installed, version, key, roles, problems,
/// hints, error}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof agent doctor        # all agents\n\
\x20 teof agent doctor fake   # one agent")]
pub struct Args {
    /// Only this agent [default: all presets and configured agents]
    name: Option<String>,
    /// Time limit for a program to print its version
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_span)]
    timeout: Duration,
}

/// What was found out about one agent.
#[derive(Debug, Default, Serialize)]
struct Found {
    name: String,
    preset: Option<String>,
    /// Whether this way of calling it was tried.
    verified: bool,
    /// The last version that was tried.
    tried: Option<String>,
    program: Option<String>,
    installed: bool,
    version: Option<String>,
    /// What shows that it may use its service.
    key: Option<String>,
    /// The roles that are bound to it.
    roles: Vec<String>,
    /// Why it could not work unattended.
    problems: Vec<String>,
    hints: Vec<String>,
    /// Why it cannot be called at all: its description, or that there is none.
    error: Option<String>,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let (settings, folder) = match Hub::locate(app.global.root.as_deref(), app.clock) {
        Ok(hub) => (hub.settings()?.clone(), hub.root.clone()),
        // Outside a repository the presets are still there to ask about.
        Err(_) => (Settings::default(), PathBuf::from("/")),
    };
    let roles = bound(&settings);
    let known = match &args.name {
        Some(name) => vec![(name.clone(), Ok(agents::find(&settings, name)?))],
        None => all(&settings, &roles),
    };
    let look = |(name, agent): (String, Result<Agent>)| {
        let roles = roles.get(&name).cloned().unwrap_or_default();
        match agent {
            Ok(agent) => examine(&agent, roles, &folder, args.timeout),
            Err(e) => Found { name, roles, error: Some(reason(&e)), ..Found::default() },
        }
    };
    let found: Vec<Found> = known.into_iter().map(look).collect();
    let ok = found.iter().all(|agent| agent.roles.is_empty() || agent.works());
    app.result(&json!({ "ok": ok, "agents": found }), || render(&found));
    if args.name.is_none() && !app.json() && found.iter().all(|agent| agent.roles.is_empty()) {
        let usable = found.iter().find(|agent| agent.installed);
        if usable.is_none() {
            app.say(
                "No agent program is installed. Install one of these, such as claude or codex, or describe your own in \
                 teof.toml: under [agents.NAME], command = [\"program\"] and format = \"text\"",
            );
        }
        let name = usable.map_or("claude", |agent| agent.name.as_str());
        app.say(format!("No role has an agent. Choose one: teof init --role coder={}", text::safe(name)));
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those that are known, and those that a role is bound to all the same.
fn all(settings: &Settings, roles: &BTreeMap<String, Vec<String>>) -> Vec<(String, Result<Agent>)> {
    let mut known = agents::known(settings);
    for name in roles.keys() {
        if !known.iter().any(|(known, _)| known == name) {
            known.push((name.clone(), agents::find(settings, name)));
        }
    }
    known
}

/// Agents with the roles that they are bound to, by the settings and by each routing rule.
fn bound(settings: &Settings) -> BTreeMap<String, Vec<String>> {
    let mut bound: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let always = settings.roles.iter().map(|(role, binding)| (role.clone(), binding));
    let routed = settings.routing.iter().flat_map(|route| {
        let roles = route.roles.iter();
        roles.map(|(role, binding)| (format!("{role} (complexity up to {})", route.up_to), binding))
    });
    for (role, binding) in always.chain(routed) {
        if let Some(agent) = &binding.agent {
            bound.entry(agent.clone()).or_default().push(role);
        }
    }
    bound
}

fn reason(error: &anyhow::Error) -> String {
    let refusal = crate::base::Refusal::of(error);
    let why = refusal.and_then(|refusal| refusal.reason.as_ref());
    why.map_or_else(|| error.to_string(), |why| format!("{error}: {why}"))
}

fn examine(agent: &Agent, roles: Vec<String>, folder: &std::path::Path, patience: Duration) -> Found {
    let program = agents::find_program(agent.program(), folder);
    let mut found = Found {
        name: agent.name.clone(),
        preset: agent.preset.clone(),
        verified: agent.verified,
        tried: agent.tried.clone(),
        installed: program.is_some(),
        program: program.as_ref().map(|path| path.display().to_string()),
        key: key(agent),
        roles,
        ..Found::default()
    };
    let Some(program) = program else {
        let where_to = if agent.program().contains('/') { "is not a program" } else { "is not on PATH" };
        found.problems.push(format!("{} {where_to}", text::safe(agent.program())));
        return found;
    };
    // Not in the checkout: many programs read settings, plug-ins or code from the folder that they are started in.
    let elsewhere = std::path::Path::new("/");
    if agent.preset.is_some() {
        found.ask_version(agent, program, elsewhere, patience);
    } else {
        // The first message of the protocol is no work.
        found.ask_introduction(agent, &program.display().to_string(), elsewhere, patience);
    }
    if is_claude(agent) {
        found.ask_claude(agent, elsewhere, patience);
    }
    if found.key.is_none() && !agent.keys.is_empty() {
        let keys = agent.keys.join(", ");
        found.hints.push(format!("none of {keys} is set and no login was found: it may have to be logged in"));
    }
    found.hints.extend(untried(agent, found.version.as_deref().unwrap_or_default()));
    found
}

/// What was not tried about it.
fn untried(agent: &Agent, version: &str) -> Option<String> {
    let tried = agent.tried.as_deref().unwrap_or_default();
    match () {
        () if agent.is_newer_than_tried(version) => {
            Some(format!("it is newer than the last version that teof was tried with ({tried})"))
        }
        () if agent.verified => None,
        () if agent.is_preset() => Some("teof was not tried with it: its call follows its documentation".to_owned()),
        () => Some("its command is from teof.toml; teof has not tried it".to_owned()),
    }
}

fn is_claude(agent: &Agent) -> bool {
    agent.preset.as_deref() == Some("claude")
}

/// What may let it in.
fn key(agent: &Agent) -> Option<String> {
    let variable = agent.keys.iter().find(|name| agent.variable(name).is_some());
    let home = PathBuf::from(env::var("HOME")?);
    let login = || agent.logins.iter().find(|file| home.join(file).exists());
    variable.map(|name| format!("{name} is set")).or_else(|| login().map(|file| format!("~/{file} exists")))
}

impl Found {
    fn works(&self) -> bool {
        self.installed && self.problems.is_empty() && self.error.is_none()
    }

    fn ask_version(&mut self, agent: &Agent, program: PathBuf, folder: &std::path::Path, patience: Duration) {
        let mut argv = agent.version_call();
        argv[0] = program.display().to_string();
        let line = |said: &str| text::clip(&text::safe(said.lines().next().unwrap_or_default()), 120);
        match exec::probe(&argv, folder, &exec::allowed(&[]), patience) {
            Answer::Printed(said) => self.version = Some(line(&said)),
            // Programs that only speak the protocol need no other way to say their version.
            Answer::Failed(..) | Answer::TimedOut if self.ask_introduction(agent, &argv[0], folder, patience) => {}
            Answer::Failed(how, said) => self.problems.push(format!("asked for its version, {how}: {}", line(&said))),
            Answer::TimedOut => self.problems.push(format!("it printed no version within {}", show_span(patience))),
            Answer::NotStarted(why) => self.problems.push(format!("it cannot be started: {}", line(&why))),
        }
    }

    /// Asks an agent who it is, in its protocol. Returns whether it answered.
    fn ask_introduction(&mut self, agent: &Agent, program: &str, folder: &std::path::Path, patience: Duration) -> bool {
        if !agent.format.is_protocol() {
            return false;
        }
        let spec = CallSpec {
            prompt: "",
            worktree: folder,
            scratch: folder,
            session: Session::Unnamed,
            model: None,
            budget: None,
            confined: false,
        };
        let Ok(mut call) = agent.call(&spec) else { return false };
        program.clone_into(&mut call.argv[0]);
        let mut env = exec::allowed(&call.inherit);
        env.extend(call.set);
        let said = match exec::probe_with_input(&call.argv, folder, &env, &call.stdin, patience) {
            Answer::Printed(said) | Answer::Failed(_, said) => said,
            Answer::TimedOut | Answer::NotStarted(_) => return false,
        };
        self.version = agents::introduction(agent.format, &said).map(|told| text::clip(&text::safe(&told), 120));
        self.version.is_some()
    }

    /// What only claude is particular about.
    fn ask_claude(&mut self, agent: &Agent, folder: &std::path::Path, patience: Duration) {
        if rustix::process::geteuid().is_root() && agent.variable("IS_SANDBOX").as_deref() != Some("1") {
            self.problems.push(
                "it cannot run unattended as root: work as another user, or in a container that sets IS_SANDBOX=1"
                    .to_owned(),
            );
        }
        let node = ["node", "--version"].map(str::to_owned);
        if let Answer::Printed(said) = exec::probe(&node, folder, &exec::allowed(&[]), patience)
            && let Some(major) = said.trim_start_matches('v').split('.').next().and_then(|n| n.parse::<u32>().ok())
            && major < 22
        {
            self.hints.push(format!("node here is {}: npm then installs an older claude", text::safe(&said)));
        }
    }
}

fn render(found: &[Found]) -> String {
    let mut lines = Vec::new();
    for agent in found {
        let state = match (&agent.version, agent.installed) {
            (Some(version), _) => version.clone(),
            (None, true) => "installed".to_owned(),
            (None, false) if agent.error.is_some() => "-".to_owned(),
            (None, false) => "not installed".to_owned(),
        };
        let roles = if agent.roles.is_empty() { String::new() } else { format!("  plays {}", agent.roles.join(", ")) };
        let key = agent.key.as_ref().map_or_else(String::new, |key| format!("  {key}"));
        lines.push(text::safe(&format!("{:<14} {state}{key}{roles}", agent.name)));
        // What is not there, and not asked for, needs no words.
        let problems = agent.problems.iter().filter(|_| agent.installed || !agent.roles.is_empty());
        lines.extend(agent.error.iter().chain(problems).map(|why| format!("  wrong: {}", text::safe(why))));
        let hints = agent.hints.iter().filter(|_| agent.installed);
        lines.extend(hints.map(|hint| format!("  note:  {}", text::safe(hint))));
    }
    lines.join("\n")
}
