//! The client's side of a call: what is said next. Pure; what it says waits in [`Talk::outgoing`].

use std::collections::VecDeque;

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    Error, InitializeResponse, RequestId, SessionConfigKind, SessionConfigOption, SessionConfigOptionCategory,
    SessionConfigOptionValue, SessionConfigSelectOptions,
};

use super::requests::{self, Choice, Resume};
use crate::agents::dialog::Dialog;
use crate::agents::event::Ask;
use crate::base::text;

/// How many models or ways to log in are named.
const MAX_NAMED: usize = 8;
/// The option, or the category of options, that chooses the model.
const MODEL: &str = "model";

#[derive(Debug)]
pub(super) struct Talk {
    dialog: Dialog,
    outgoing: Vec<u8>,
    session: Option<String>,
    /// The ways to log in.
    logins: Vec<String>,
    /// The options that are still to be chosen, and how many were.
    choices: VecDeque<Choice>,
    chosen: i64,
    /// It was given its prompt.
    works: bool,
    cancelled: bool,
}

impl Talk {
    /// The first message, [`requests::opening`], is what the program starts with on its stdin.
    pub(super) fn new(dialog: Dialog) -> Self {
        let (outgoing, session, logins, choices, chosen) = Default::default();
        Self { dialog, outgoing, session, logins, choices, chosen, works: false, cancelled: false }
    }

    pub(super) fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Whether it continues a session.
    pub(super) fn resumes(&self) -> bool {
        self.dialog.session.is_some()
    }

    /// The ways to log in, for people.
    pub(super) fn logins(&self) -> String {
        match &self.logins[..] {
            [] => String::new(),
            logins => format!("it offers {}", logins.join(", ")),
        }
    }

    /// The agent says what it can do.
    ///
    /// # Errors
    /// Why no session can be opened.
    pub(super) fn initialized(&mut self, can: &InitializeResponse) -> Result<(), String> {
        if can.protocol_version != ProtocolVersion::V1 {
            return Err(format!("it speaks version {} of the protocol, and teof version 1", can.protocol_version));
        }
        let logins = can.auth_methods.iter().take(MAX_NAMED);
        self.logins = logins.map(|way| text::clip(&text::safe(way.name()), 60)).collect();
        let can = &can.agent_capabilities;
        // Without the history there is less to wait for.
        let how = match (can.session_capabilities.resume.is_some(), can.load_session) {
            (true, _) => Resume::Resume,
            (false, true) => Resume::Load,
            (false, false) if self.resumes() => return Err("it cannot continue a session".to_owned()),
            (false, false) => Resume::Load,
        };
        self.outgoing.extend(requests::session(&self.dialog, how));
        Ok(())
    }

    /// A session is open; returns its id, and which options it lacks. `session`: of a new one.
    ///
    /// # Errors
    /// Why the prompt cannot be given.
    pub(super) fn opened(
        &mut self,
        session: Option<String>,
        offered: &[SessionConfigOption],
    ) -> Result<(String, Vec<String>), String> {
        let known = self.dialog.session.clone();
        let Some(session) = known.or(session) else { return Err("it opened a session without an id".to_owned()) };
        self.session = Some(session.clone());
        let mut missing = Vec::new();
        for (name, value) in &self.dialog.options {
            match choice(name, value, offered) {
                Ok(choice) => self.choices.push_back(choice),
                Err(why) => missing.push(why),
            }
        }
        if let Some(model) = &self.dialog.model {
            self.choices.push_back(choice(MODEL, model, offered)?);
        }
        self.go_on();
        Ok((session, missing))
    }

    /// Whether it chooses the model of the session.
    pub(super) fn chooses_model(&self) -> bool {
        self.dialog.model.is_some()
    }

    /// An option was chosen; returns the model, if that was it.
    pub(super) fn chosen(&mut self) -> Option<String> {
        self.go_on();
        self.dialog.model.clone().filter(|_| self.works)
    }

    /// Chooses the next option, or gives the prompt.
    fn go_on(&mut self) {
        match (self.choices.pop_front(), self.session.as_deref()) {
            (Some(choice), Some(session)) => {
                self.outgoing.extend(requests::choose(self.chosen, session, choice));
                self.chosen += 1;
            }
            _ => self.prompt(),
        }
    }

    fn prompt(&mut self) {
        if let Some(session) = self.session.as_deref().filter(|_| !self.works) {
            self.outgoing.extend(requests::prompt(&self.dialog, session));
            self.works = true;
        }
    }

    /// Answers a question whether a tool may be called.
    pub(super) fn decide(&mut self, ask: &Ask, allowed: bool) {
        let Ok(id) = serde_json::from_str::<RequestId>(&ask.id) else { return };
        let option = if allowed { &ask.allow } else { &ask.reject };
        // After a cancellation the protocol wants every question answered so.
        self.outgoing.extend(requests::decision(id, option.as_deref().filter(|_| !self.cancelled)));
    }

    pub(super) fn refuse(&mut self, id: RequestId, error: Error) {
        self.outgoing.extend(requests::refusal(id, error));
    }

    /// Asks it to end its turn; false when it has none.
    pub(super) fn cancel(&mut self) -> bool {
        let Some(session) = self.session.as_deref().filter(|_| self.works) else { return false };
        if !self.cancelled {
            self.outgoing.extend(requests::cancel(session));
            self.cancelled = true;
        }
        true
    }
}

/// The choice of a value of an option, when the agent offers it. `name`: the option's id, or its category.
fn choice(name: &str, value: &str, offered: &[SessionConfigOption]) -> Result<Choice, String> {
    let is_wanted = |option: &&SessionConfigOption| {
        &*option.id.0 == name || option.category.as_ref().is_some_and(|category| word(category) == name)
    };
    let Some(option) = offered.iter().find(is_wanted) else {
        return Err(format!("it does not let us choose its {name} ({value})"));
    };
    let chosen = |value| Ok(Choice { option: option.id.clone(), value });
    let select = match &option.kind {
        SessionConfigKind::Select(select) => select,
        _ => return chosen(SessionConfigOptionValue::boolean(value == "true")),
    };
    let values: Vec<&str> = match &select.options {
        SessionConfigSelectOptions::Ungrouped(options) => options.iter().map(|one| &*one.value.0).collect(),
        SessionConfigSelectOptions::Grouped(groups) => {
            groups.iter().flat_map(|group| &group.options).map(|one| &*one.value.0).collect()
        }
        _ => Vec::new(),
    };
    if values.contains(&value) {
        return chosen(SessionConfigOptionValue::value_id(value.to_owned()));
    }
    let named: Vec<_> = values.iter().take(MAX_NAMED).map(|name| text::clip(&text::safe(name), 60)).collect();
    Err(format!("it has no {name} {value}; it offers {}", named.join(", ")))
}

fn word(category: &SessionConfigOptionCategory) -> &str {
    match category {
        SessionConfigOptionCategory::Mode => "mode",
        SessionConfigOptionCategory::Model => MODEL,
        SessionConfigOptionCategory::ThoughtLevel => "thought_level",
        SessionConfigOptionCategory::Other(word) => word,
        _ => "",
    }
}
