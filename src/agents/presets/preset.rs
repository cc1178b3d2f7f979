//! How a built-in agent is called, as text that lives as long as the program.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agents::agent::Agent;
use crate::model::agent::{Format, PromptVia};

/// What every agent needs to reach its service where there is a proxy.
const NETWORK: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
];

/// How an agent is called, as text that lives as long as the program.
pub(in crate::agents) struct Preset {
    pub name: &'static str,
    /// The last version that was tried like this; `None`: it follows its vendor's documentation.
    pub tried: Option<&'static str>,
    pub(super) command: &'static [&'static str],
    pub(super) prompt: PromptVia,
    pub(super) format: Format,
    pub(super) output_in_file: bool,
    pub(super) session_args: Option<&'static [&'static str]>,
    pub(super) resume_args: Option<&'static [&'static str]>,
    pub(super) model_args: Option<&'static [&'static str]>,
    pub(super) budget_args: Option<&'static [&'static str]>,
    pub(super) env: &'static [&'static str],
    pub(super) set: &'static [(&'static str, &'static str)],
    /// See [`Agent::options`].
    pub(super) options: &'static [(&'static str, &'static str)],
    /// One of these variables, or of these files below HOME, lets it in.
    pub(super) keys: &'static [&'static str],
    pub(super) logins: &'static [&'static str],
    pub(super) stagger: Duration,
    /// See [`Agent::own_paths`]; each was seen to be needed, or follows the vendor's documentation.
    pub(super) own: &'static [&'static str],
    /// See [`Agent::confined`].
    pub(super) confined: &'static [(&'static str, &'static str)],
}

pub(super) const PLAIN: Preset = Preset {
    name: "",
    tried: None,
    command: &[],
    prompt: PromptVia::Stdin,
    format: Format::Claude,
    output_in_file: false,
    session_args: None,
    resume_args: None,
    model_args: Some(&["--model", "{model}"]),
    budget_args: None,
    env: &[],
    set: &[],
    options: &[],
    keys: &[],
    logins: &[],
    stagger: Duration::ZERO,
    own: &[],
    confined: &[],
};

impl Preset {
    pub fn agent(&self) -> Agent {
        let list = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<String>>();
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
        };
        Agent {
            name: self.name.to_owned(),
            preset: Some(self.name.to_owned()),
            verified: self.tried.is_some(),
            is_changed: false,
            tried: self.tried.map(str::to_owned),
            command: list(self.command),
            args: Vec::new(),
            prompt: self.prompt,
            format: self.format,
            output_in_file: self.output_in_file,
            session_args: self.session_args.map(list),
            resume_args: self.resume_args.map(list),
            model_args: self.model_args.map(list),
            budget_args: self.budget_args.map(list),
            model: None,
            options: pairs(self.options),
            env: [self.keys, self.env, &NETWORK].concat().into_iter().map(str::to_owned).collect(),
            set: pairs(self.set),
            keys: list(self.keys),
            logins: list(self.logins),
            stagger: self.stagger,
            own: list(self.own),
            write: Vec::new(),
            confined: self.confined.iter().map(|&(from, to)| (from.to_owned(), to.to_owned())).collect(),
        }
    }
}
