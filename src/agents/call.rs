//! Builds one call of an agent: its arguments, stdin and environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::agent::{Agent, FLAGS, PLACEHOLDERS};
use super::dialog::Dialog;
use super::parsers;
use crate::base::{Refusal, Result, digest, names};
use crate::model::agent::{Format, PromptVia};

/// Limit on one argument on Linux (128 KiB including its end), with some reserve.
const MAX_ARGUMENT: usize = 120 << 10;
/// Agents do not accept a zero budget; in US dollars.
const LEAST_BUDGET: f64 = 0.01;

/// The parameters of a call.
#[derive(Clone, Debug)]
pub struct CallSpec<'a> {
    pub prompt: &'a str,
    /// Where it works: the current directory of the call, absolute.
    pub worktree: &'a Path,
    /// A folder outside the worktree for what it is given in files, absolute.
    pub scratch: &'a Path,
    pub session: Session<'a>,
    /// Instead of the agent's own model.
    pub model: Option<&'a str>,
    /// What the call may cost, in US dollars, where the agent can be told.
    pub budget: Option<f64>,
    /// Whether the kernel confines it: see [`Agent::confined`].
    pub confined: bool,
}

/// The session of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session<'a> {
    /// A new one with this id, see [`session_id`], where the agent [lets us choose](Agent::chooses_session).
    New(&'a str),
    /// One that was started before, where the agent [can](Agent::resumes).
    Resume(&'a str),
    /// A new one, whose id the stream tells.
    Unnamed,
}

/// The command to run in the worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Written to stdin; empty: stdin is `/dev/null`.
    pub stdin: Vec<u8>,
    /// What is said to it after that, if it speaks a protocol.
    pub dialog: Option<Dialog>,
    /// Its stdout has to be a file, see [`Agent::output_in_file`].
    pub output_in_file: bool,
    /// Names of variables that it inherits besides the basic ones; nothing else is inherited.
    pub inherit: Vec<String>,
    /// Variables that are set.
    pub set: Vec<(String, String)>,
    /// Files to write before the call, readable by this user only.
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

/// What stands before the first prompt of an interactive session, by preset. Those that are not here take it as it is.
const PROMPT_FLAGS: [(&str, &str); 3] = [("gemini", "-i"), ("opencode", "--prompt"), ("qwen", "-i")];
/// Presets that take no first prompt and then stay.
const PROMPTLESS: [&str; 2] = ["aider", "amp"];
/// What makes claude read messages from a stdin that stays open.
const INPUT_FORMAT: [&str; 2] = ["--input-format", "stream-json"];

impl Agent {
    /// The program in a terminal, for a person to talk to, with its further arguments and its first prompt. A preset's
    /// command is for unattended calls: of that only the program counts.
    ///
    /// # Errors
    /// `agent.call` when it cannot be given this prompt, or when nothing tells which arguments of its command belong
    /// there.
    pub fn interactive(&self, prompt: Option<&str>) -> Result<Vec<String>> {
        if self.format == Format::Acp {
            return Err(Refusal::guard("agent.call", format!("cannot start the agent {} in a terminal", self.name))
                .because("it is called to speak a protocol with a program, not with a person")
                .next("start the agent that it stands for, such as claude or gemini")
                .into());
        }
        let is_fixed = |part: &String| !PLACEHOLDERS.contains(&part.as_str());
        if self.preset.is_none() && self.command.iter().skip(1).any(is_fixed) {
            return Err(Refusal::guard("agent.call", format!("cannot start the agent {} in a terminal", self.name))
                .because(format!("its command is for unattended calls: {}", self.command.join(" ")))
                .next("describe it for terminals as another agent, with a program alone as its command and the rest in args")
                .into());
        }
        let mut argv = vec![self.program().to_owned()];
        argv.extend(self.args.iter().cloned());
        let Some(prompt) = prompt else { return Ok(argv) };
        let preset = self.preset.as_deref().unwrap_or(&self.name);
        if PROMPTLESS.contains(&preset) || prompt.len() > MAX_ARGUMENT || prompt.contains('\0') {
            return Err(Refusal::guard(
                "agent.call",
                format!("cannot give the agent {} this prompt in a terminal", self.name),
            )
            .because(format!("it takes no first prompt there, or this one is too long ({} bytes)", prompt.len()))
            .next("start it without --prompt-file, and paste the prompt")
            .into());
        }
        argv.extend(PROMPT_FLAGS.iter().find(|(name, _)| *name == preset).map(|(_, flag)| (*flag).to_owned()));
        // Nothing after a flag's own value can be taken for a flag.
        argv.push(if prompt.starts_with('-') { format!(" {prompt}") } else { prompt.to_owned() });
        Ok(argv)
    }

    /// Builds the call. Refuses values that the agent would misread.
    pub fn call(&self, spec: &CallSpec<'_>) -> Result<Call> {
        let prompt_file = spec.scratch.join("prompt.md");
        let model = spec.model.or(self.model.as_deref()).filter(|model| !model.is_empty());
        let session = match spec.session {
            Session::New(id) | Session::Resume(id) => Some(id),
            Session::Unnamed => None,
        };
        self.check(spec, model, session)?;
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        known.insert("worktree", spec.worktree.display().to_string());
        known.insert("scratch", spec.scratch.display().to_string());
        known.extend(session.map(|id| ("session", id.to_owned())));
        known.extend(model.map(|model| ("model", model.to_owned())));
        known.extend(spec.budget.map(|budget| ("budget", format!("{:.2}", budget.max(LEAST_BUDGET)))));
        match self.prompt {
            PromptVia::Argument => known.insert("prompt", spec.prompt.to_owned()),
            PromptVia::File => known.insert("prompt_file", prompt_file.display().to_string()),
            PromptVia::Stdin | PromptVia::Stream => None,
        };
        let dialog = self.format.is_protocol().then(|| Dialog {
            prompt: spec.prompt.to_owned(),
            worktree: spec.worktree.to_owned(),
            session: session.map(str::to_owned),
            options: self
                .options
                .iter()
                .map(|(name, value)| (name.clone(), self.adapted(value, spec.confined)))
                .collect(),
            model: model.filter(|_| self.model_args.is_none()).map(str::to_owned),
        });
        let argv = self.arguments(spec, model.is_some()).iter().map(|part| filled(part, &known)).collect();
        let set = self.set.iter().map(|(name, value)| (name.clone(), filled(value, &known))).collect();
        let files = match self.prompt {
            PromptVia::File => vec![(prompt_file, spec.prompt.as_bytes().to_vec())],
            _ => Vec::new(),
        };
        let stdin = match self.prompt {
            _ if dialog.is_some() => parsers::opening(self.format).unwrap_or_default(),
            PromptVia::Stdin => spec.prompt.as_bytes().to_vec(),
            PromptVia::Stream => message(spec.prompt),
            _ => Vec::new(),
        };
        let (output_in_file, inherit) = (self.output_in_file, self.env.clone());
        Ok(Call { argv, stdin, dialog, output_in_file, inherit, set, files })
    }

    /// The command with session, model and further arguments where they belong, nothing filled in yet.
    fn arguments(&self, spec: &CallSpec<'_>, model: bool) -> Vec<String> {
        let session = match spec.session {
            Session::New(_) => self.session_args.as_ref(),
            Session::Resume(_) => self.resume_args.as_ref(),
            Session::Unnamed => None,
        };
        let model = self.model_args.as_ref().filter(|_| model);
        let budget = self.budget_args.as_ref().filter(|_| spec.budget.is_some());
        let has_format = self.command.iter().any(|part| part.starts_with(INPUT_FORMAT[0]));
        let streams = (self.prompt == PromptVia::Stream && !has_format).then(|| INPUT_FORMAT.map(str::to_owned));
        let extra = session.into_iter().chain(model).chain(budget).chain([&self.args]).flatten();
        let extra = streams.iter().flatten().chain(extra);
        let at = self.command.iter().position(|part| part == FLAGS).unwrap_or(self.command.len());
        let (before, after) = self.command.split_at(at);
        let replaced = |part: &String| self.adapted(part, spec.confined);
        before.iter().chain(extra).chain(after.iter().skip(1)).map(replaced).collect()
    }

    /// An argument, or the value of an option, as it is where the kernel confines the agent.
    fn adapted(&self, value: &str, confined: bool) -> String {
        let found = self.confined.iter().find(|(from, _)| confined && from == value);
        found.map_or_else(|| value.to_owned(), |(_, to)| to.clone())
    }

    fn check(&self, spec: &CallSpec<'_>, model: Option<&str>, session: Option<&str>) -> Result<()> {
        let refuse = |why: String, next: &str| {
            let message = format!("cannot call agent {}", self.name);
            Err(Refusal::guard("agent.call", message).because(why).next(next).into())
        };
        if matches!(spec.session, Session::Resume(_)) && !self.resumes() {
            return refuse("it cannot resume a session".to_owned(), "start a new session");
        }
        if let Some(id) = session.filter(|id| !names::is_id(id)) {
            return refuse(format!("{id:?} is not a valid session id for an argument"), "start a new session");
        }
        if let Some(model) = model {
            if self.model_args.is_none() && !self.format.is_protocol() {
                return refuse(
                    format!("its settings have no model argument (model {model})"),
                    "omit the model, or add model_args = [\"--model\", \"{model}\"] under the agent in teof.toml",
                );
            }
            if model.starts_with('-') || model.contains(|c: char| c.is_control() || c.is_whitespace()) {
                return refuse(format!("{model:?} is not a valid model name"), "use the model name of the agent");
            }
        }
        if self.prompt == PromptVia::Argument && (spec.prompt.len() > MAX_ARGUMENT || spec.prompt.contains('\0')) {
            return refuse(
                format!("a prompt of {} bytes does not fit into an argument", spec.prompt.len()),
                "set prompt = \"stdin\" or \"file\" under the agent in teof.toml",
            );
        }
        Ok(())
    }
}

/// A person's message in the form of [`PromptVia::Stream`].
pub fn message(text: &str) -> Vec<u8> {
    let content = json!([{"type": "text", "text": text}]);
    let line = json!({"type": "user", "message": {"role": "user", "content": content}});
    (line.to_string() + "\n").into_bytes()
}

/// Replaces `{name}` with values once, without expanding inserted text. Unknown names stay.
fn filled(template: &str, known: &BTreeMap<&str, String>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let value = rest[1..].split_once('}').and_then(|(name, after)| Some((known.get(name)?, after)));
        match value {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// A session id in the shape of a UUID, always the same for the same seed: known before the agent's first
/// word, so that a run can be resumed even if it dies before it.
pub fn session_id(seed: &str) -> String {
    let hex = digest::sha256(seed.as_bytes());
    // Version 5 is for ids that are made of a name; qwen takes none above it. The variant is 10 in binary.
    let variant = ["8", "9", "a", "b"][usize::from(hex.as_bytes()[16] % 4)];
    format!("{}-{}-5{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
