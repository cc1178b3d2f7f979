//! An agent's full description: a preset, with the changes of the settings.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::{env, names};
use crate::model::agent::{Format, PromptVia};

/// Where extra arguments go within a command; without it they go to the end.
pub(super) const FLAGS: &str = "{flags}";

/// The placeholders in argument lists.
pub(super) const PLACEHOLDERS: [&str; 8] =
    ["{model}", "{session}", "{budget}", "{prompt}", "{prompt_file}", "{worktree}", "{scratch}", FLAGS];

/// The full description of how to call an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub name: String,
    /// The preset that it is based on.
    pub preset: Option<String>,
    /// Whether this way of calling it was tried by the makers of teof; of a preset that the settings change
    /// nothing about but names and models.
    pub verified: bool,
    /// Whether the settings change how it is called.
    pub is_changed: bool,
    /// The last version that was tried, of a preset's own program.
    pub tried: Option<String>,
    /// Program and arguments of an unattended call.
    pub command: Vec<String>,
    /// Further arguments.
    pub args: Vec<String>,
    pub prompt: PromptVia,
    pub format: Format,
    /// In a pipe it loses unwritten output at exit, including its result, so it writes to a file.
    pub output_in_file: bool,
    pub session_args: Option<Vec<String>>,
    /// Empty: sessions are resumed without arguments, by the protocol.
    pub resume_args: Option<Vec<String>>,
    pub model_args: Option<Vec<String>>,
    /// Arguments that limit the cost of a call.
    pub budget_args: Option<Vec<String>>,
    pub model: Option<String>,
    /// Options of its sessions, where it speaks a protocol.
    pub options: BTreeMap<String, String>,
    /// Names of variables that it inherits besides the basic ones.
    pub env: Vec<String>,
    pub set: BTreeMap<String, String>,
    /// Variables, any of which gives access to its service.
    pub keys: Vec<String>,
    /// Files below HOME, any of which shows that somebody logged in or set it up.
    pub logins: Vec<String>,
    /// How long the next start waits for the one before.
    pub stagger: Duration,
    /// Files and folders outside of the worktree that it has to write, see [`Agent::own_paths`]: of the preset, and of
    /// the settings.
    pub own: Vec<String>,
    pub write: Vec<String>,
    /// Arguments and options that are replaced when teof confines it: its own sandbox would collide with ours.
    pub confined: Vec<(String, String)>,
}

impl Agent {
    /// Whether a new session's id can be chosen.
    pub fn chooses_session(&self) -> bool {
        self.session_args.is_some()
    }

    /// Whether a session can be resumed.
    pub fn resumes(&self) -> bool {
        self.resume_args.is_some()
    }

    /// Whether it takes messages while it works.
    pub fn takes_messages(&self) -> bool {
        self.prompt == PromptVia::Stream || self.format == Format::CodexAppServer
    }

    /// Whether it is called as its preset says.
    pub fn is_preset(&self) -> bool {
        self.preset.is_some() && !self.is_changed
    }

    /// The program to run.
    pub fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// The command that prints its version.
    pub fn version_call(&self) -> Vec<String> {
        vec![self.program().to_owned(), "--version".to_owned()]
    }

    /// Whether what its program printed as its version is newer than the last one that was tried.
    pub fn is_newer_than_tried(&self, printed: &str) -> bool {
        let tried = self.tried.as_deref().and_then(numbers);
        tried.is_some_and(|tried| numbers(printed).is_some_and(|now| now > tried))
    }

    /// A variable's value as the agent would see it: set for it, else inherited.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.set.get(name).cloned().or_else(|| {
            let inherits = self.env.iter().any(|known| known == name);
            inherits.then(|| env::var(name)).flatten()
        })
    }
}

/// The first version in a text: two or more numbers with dots between.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    words.map(|word| word.trim_start_matches('v').trim_end_matches('.')).find_map(|word| {
        let parts: Option<Vec<u64>> = word.split('.').map(|part| part.parse().ok()).collect();
        parts.filter(|parts| parts.len() > 1)
    })
}

/// A path that an agent has to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPath {
    pub path: PathBuf,
    /// It may be created, because the agent would.
    pub is_folder: bool,
}

impl Agent {
    /// The paths that the agent has to write: its sessions, logs and login. An entry lists alternatives, of which the
    /// first one whose variable is set counts: `$CODEX_HOME/|~/.codex/`. A folder ends with a slash. `granted`: with
    /// those of the settings.
    pub fn own_paths(&self, granted: bool) -> Vec<OwnPath> {
        let one = |entry: &String| {
            let path = entry.split('|').find_map(|alternative| self.resolve(alternative))?;
            Some(OwnPath { is_folder: path.ends_with('/'), path: path.into() }).filter(|own| own.path.is_absolute())
        };
        self.own.iter().chain(self.write.iter().filter(|_| granted)).filter_map(one).collect()
    }

    fn resolve(&self, path: &str) -> Option<String> {
        let uid = rustix::process::getuid().as_raw().to_string();
        let path = path.replace("{uid}", &uid);
        if let Some(rest) = path.strip_prefix('~') {
            return Some(env::var(env::HOME)? + rest);
        }
        let Some((variable, rest)) = path.strip_prefix('$').and_then(|path| path.split_once('/')) else {
            return Some(path);
        };
        // Folders of the account reach every program.
        let of_account = variable.starts_with("XDG_").then(|| env::var(variable)).flatten();
        Some(format!("{}/{rest}", self.variable(variable).or(of_account)?))
    }
}

pub(super) fn blank() -> Agent {
    Agent {
        name: String::new(),
        preset: None,
        verified: false,
        is_changed: false,
        tried: None,
        command: Vec::new(),
        args: Vec::new(),
        prompt: PromptVia::Stdin,
        format: Format::Text,
        output_in_file: false,
        session_args: None,
        resume_args: None,
        model_args: None,
        budget_args: None,
        model: None,
        options: BTreeMap::new(),
        env: Vec::new(),
        set: BTreeMap::new(),
        keys: Vec::new(),
        logins: Vec::new(),
        stagger: Duration::ZERO,
        own: Vec::new(),
        write: Vec::new(),
        confined: Vec::new(),
    }
}

/// A mistake in the description that breaks every call.
pub(super) fn fault(agent: &Agent) -> Option<String> {
    let options =
        [&agent.session_args, &agent.resume_args, &agent.model_args, &agent.budget_args].into_iter().flatten();
    let lists: Vec<&String> = [&agent.command, &agent.args].into_iter().chain(options).flatten().collect();
    let has = |list: &[String], what: &str| list.iter().any(|part| part.contains(what));
    let anywhere = |what: &str| lists.iter().any(|part| part.contains(what));
    let lacks = |list: &Option<Vec<String>>, what: &str| list.as_ref().is_some_and(|list| !has(list, what));
    let speaks = agent.format.is_protocol();
    if !names::is_id(&agent.name) {
        return Some("its name becomes part of file names: use only letters, digits, '.', '_' and '-'".to_owned());
    }
    if agent.program().is_empty() || agent.program() == FLAGS {
        return Some("it has no command: command = [\"program\", \"argument\"]".to_owned());
    }
    if let Some(unknown) = lists.iter().find(|part| is_placeholder(part) && !PLACEHOLDERS.contains(&part.as_str())) {
        return Some(format!("unknown placeholder {unknown}"));
    }
    let wants = [
        (agent.prompt == PromptVia::Argument, "{prompt}", "argument"),
        (agent.prompt == PromptVia::File, "{prompt_file}", "file"),
    ];
    for (wanted, what, how) in wants {
        if wanted != anywhere(what) {
            let word = if wanted { "is in no argument" } else { "is in an argument" };
            return Some(format!(
                "{what} {word}, and its prompt is {}given by {how}",
                if wanted { "" } else { "not " }
            ));
        }
    }
    if speaks && (agent.prompt != PromptVia::Stdin || anywhere("{session}")) {
        return Some(format!(
            "with format = \"{}\" prompt and session go through the protocol: remove prompt, session_args and resume_args (resume_args = [] switches resuming off)",
            agent.format.name()
        ));
    }
    let options = [
        ("session_args", &agent.session_args, "{session}"),
        ("resume_args", &agent.resume_args.clone().filter(|_| !speaks), "{session}"),
        ("model_args", &agent.model_args, "{model}"),
        ("budget_args", &agent.budget_args, "{budget}"),
    ];
    if let Some((name, _, what)) = options.iter().find(|(_, list, what)| lacks(list, what)) {
        return Some(format!("{name} lacks {what}"));
    }
    let named = agent.env.iter().chain(agent.set.keys());
    named.into_iter().find_map(|name| variable_fault(name))
}

fn is_placeholder(part: &str) -> bool {
    let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
    inner.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

fn variable_fault(name: &str) -> Option<String> {
    let sound = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    match () {
        () if !sound => Some(format!("{name:?} is not a valid variable name")),
        () if name.starts_with("TEOF_") || name.starts_with("GIT_") => Some(format!("only the foreman may set {name}")),
        () if name == "CLAUDECODE" => Some(format!("{name} would make it believe that it runs inside another agent")),
        () => None,
    }
}

/// Where a program is: a path as it is, from `folder`; a name along `PATH`.
pub fn find_program(program: &str, folder: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(folder.join(program)).filter(|path| is_program(path));
    }
    let path = env::safe_path()?;
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let newer = |printed: &str| Agent { tried: Some("2.1.332".into()), ..blank() }.is_newer_than_tried(printed);
        for (printed, is_newer) in [
            ("2.1.333 (Claude Code)", true),
            ("GitHub Copilot CLI v2.2.0.", true),
            ("2.10", true),
            ("2.1.332", false),
            ("2.1.99", false),
            ("version 10", false),
            ("", false),
        ] {
            assert_eq!(newer(printed), is_newer, "{printed}");
        }
        assert!(!blank().is_newer_than_tried("9.9"), "nothing was tried");
    }
}
