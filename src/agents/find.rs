//! Finds an agent by name: its description in the settings, merged over the preset of that name.

use super::agent::{Agent, blank, fault};
use super::presets;
use crate::base::{Refusal, Result, names, text};
use crate::hub::Settings;
use crate::hub::settings;
use crate::model::agent::Format;

/// The agent of this name: as the settings describe it, over the preset of that name.
pub fn find(settings: &Settings, name: &str) -> Result<Agent> {
    let described = settings.agents.get(name);
    let preset = described.and_then(|agent| agent.preset.as_deref()).unwrap_or(name);
    let begin = presets::all().find(|known| known.name == preset).map(|known| known.agent());
    match (begin, described) {
        (Some(agent), None) => Ok(agent),
        (Some(agent), Some(described)) => merged(agent, name, described),
        (None, Some(described)) if described.preset.is_none() => merged(blank(), name, described),
        (None, Some(_)) => {
            Err(invalid(name, format!("no such preset: {preset}{}", names::did_you_mean(preset, preset_names())))
                .next(format!("presets: {}", preset_names().join(", ")))
                .into())
        }
        (None, None) => {
            let presets = preset_names();
            let known = presets.iter().copied().chain(settings.agents.keys().map(String::as_str));
            let meant = names::did_you_mean(name, known);
            Err(Refusal::not_found("agent.unknown", format!("no such agent program: {}{meant}", text::safe(name)))
                .because(format!("teof knows {}, and those that teof.toml describes", presets.join(", ")))
                .next("list all agent programs: teof agent doctor")
                .next(format!(
                    "or describe it in teof.toml (written by teof init): under [agents.{name}], \
                     command = [\"program\", \"argument\"] and the format of what it prints, format = \"text\""
                ))
                .into())
        }
    }
}

/// Every agent that the settings describe, then every preset that they leave alone. An invalid definition is an error
/// with its name.
pub fn known(settings: &Settings) -> Vec<(String, Result<Agent>)> {
    let described = settings.agents.keys().map(String::as_str);
    let presets = preset_names().into_iter().filter(|name| !settings.agents.contains_key(*name));
    described.chain(presets).map(|name| (name.to_owned(), find(settings, name))).collect()
}

fn preset_names() -> Vec<&'static str> {
    presets::all().map(|preset| preset.name).collect()
}

fn merged(mut agent: Agent, name: &str, described: &settings::Agent) -> Result<Agent> {
    let changed = described.command.is_some()
        || !described.args.is_empty()
        || described.prompt.is_some()
        || described.format.is_some()
        || described.session_args.is_some()
        || described.resume_args.is_some()
        || described.model_args.is_some()
        || described.budget_args.is_some()
        || !described.options.is_empty();
    name.clone_into(&mut agent.name);
    agent.verified &= !changed;
    agent.is_changed = changed;
    // An empty list removes the preset's ability.
    let list = |over: &Option<Vec<String>>, below: Option<Vec<String>>| match over {
        Some(list) => Some(list.clone()).filter(|list| !list.is_empty()),
        None => below,
    };
    agent.session_args = list(&described.session_args, agent.session_args);
    agent.resume_args = list(&described.resume_args, agent.resume_args);
    agent.model_args = list(&described.model_args, agent.model_args);
    agent.budget_args = list(&described.budget_args, agent.budget_args);
    agent.tried = agent.tried.filter(|_| described.command.is_none());
    agent.command = described.command.clone().unwrap_or(agent.command);
    agent.args.clone_from(&described.args);
    agent.prompt = described.prompt.unwrap_or(agent.prompt);
    agent.format = described.format.unwrap_or(agent.format);
    if described.format.is_some_and(Format::is_protocol) && described.resume_args.is_none() {
        agent.resume_args.get_or_insert_default();
    }
    agent.model = described.model.clone().or(agent.model);
    agent.options.extend(described.options.clone());
    agent.env.extend(described.env.iter().cloned());
    agent.set.extend(described.set.clone());
    agent.write.clone_from(&described.write);
    agent.stagger = described.stagger.unwrap_or(agent.stagger);
    match fault(&agent) {
        Some(why) => Err(invalid(name, why).next("see how to define an agent: docs/agents.md").into()),
        None => Ok(agent),
    }
}

fn invalid(name: &str, why: String) -> Refusal {
    Refusal::usage("agent.invalid", format!("agent {name:?} has an invalid definition")).because(why)
}
