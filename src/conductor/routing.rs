//! Chooses roles, stages and budget of a request from the settings' rules for its complexity. Pure.

use std::collections::BTreeMap;

use super::complexity::{self, Request};
use crate::agents;
use crate::base::Refusal;
use crate::hub::Settings;
use crate::model::plan::{Plan, Step};
use crate::model::run::order::{Binding, Complexity, Spend};

/// The route of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub stages: Vec<String>,
    /// The binding of each role of these stages; an unbound tester is left out.
    pub roles: BTreeMap<String, Binding>,
    pub passes: u32,
    pub budget: Spend,
    /// The agents that are needed, each once.
    pub agents: Vec<String>,
    /// The rule and the bindings, for people.
    pub summary: String,
}

/// The route of a step done by agents; `None` when it runs commands or has no coder.
///
/// The error names the problem in the settings for this step.
pub fn of_step(settings: &Settings, plan: &Plan, step: &Step<'_>) -> Option<Result<(Complexity, Route), String>> {
    if step.commands().is_ok_and(|commands| !commands.is_empty()) {
        return None;
    }
    if step.agent().is_none() && !settings.roles.get("coder").is_some_and(is_bound) {
        return None;
    }
    let mut complexity = complexity::score(&Request::of_step(settings, plan, step));
    Some(route(settings, step.agent(), complexity.score).map(|route| {
        complexity.route.clone_from(&route.summary);
        (complexity, route)
    }))
}

/// The first rule of `[[routing]]` that covers the score, over `[pipeline]`, `[roles]` and `[budget]`. `agent` is the
/// step's own coder.
pub fn route(settings: &Settings, agent: Option<&str>, score: u8) -> Result<Route, String> {
    let rule = settings.routing.iter().find(|rule| score <= rule.up_to);
    let mut roles = settings.roles.clone();
    for (role, binding) in rule.iter().flat_map(|rule| &rule.roles) {
        let below = roles.remove(role).unwrap_or_default();
        roles.insert(role.clone(), over(below, binding));
    }
    let coder = coder(roles.remove("coder").unwrap_or_default(), agent)?;
    for role in ["planner", "reviewer"] {
        let own = roles.remove(role).unwrap_or_default();
        let played = if is_bound(&own) || coder.agent.is_none() { own } else { stands_in(own, &coder) };
        roles.insert(role.to_owned(), played);
    }
    roles.insert("coder".to_owned(), coder);
    let mut stages = rule.and_then(|rule| rule.stages.clone()).unwrap_or_else(|| settings.pipeline.stages.clone());
    // A coder that is a command does not plan or review.
    stages.retain(|stage| matches!(stage.as_str(), "coder" | "tester") || roles.get(stage).is_some_and(is_bound));
    roles.retain(|role, binding| is_bound(binding) && stages.contains(role));
    for binding in roles.values_mut() {
        let described = binding.agent.as_ref().and_then(|name| settings.agents.get(name));
        binding.model = binding.model.take().or_else(|| described.and_then(|agent| agent.model.clone()));
    }
    let mut agents: Vec<String> = roles.values().filter_map(|binding| binding.agent.clone()).collect();
    agents.sort();
    agents.dedup();
    let budget = Spend { tokens: settings.budget.job_tokens, cost: settings.budget.job_cost };
    let summary = summary(rule.map(|rule| rule.up_to), &stages, &roles);
    Ok(Route {
        budget: rule.and_then(|rule| rule.budget).unwrap_or(budget),
        passes: settings.pipeline.passes.max(1),
        stages,
        roles,
        agents,
        summary,
    })
}

/// Merges a rule's binding over the one below: with only a model or a prompt, it keeps the agent.
fn over(below: Binding, rule: &Binding) -> Binding {
    if is_bound(rule) {
        return rule.clone();
    }
    Binding { model: rule.model.clone().or(below.model), prompt: rule.prompt.clone().or(below.prompt), ..below }
}

fn coder(bound: Binding, agent: Option<&str>) -> Result<Binding, String> {
    match agent {
        // Another agent's model does not apply to this one.
        Some(name) if bound.agent.as_deref() != Some(name) => {
            Ok(Binding { agent: Some(name.to_owned()), prompt: bound.prompt, ..Binding::default() })
        }
        _ if is_bound(&bound) => Ok(bound),
        _ => Err("no agent is set for the coder (teof init --role coder=claude)".into()),
    }
}

/// The coder's agent for an unbound role, with the role's own model and prompt.
fn stands_in(own: Binding, coder: &Binding) -> Binding {
    Binding {
        agent: coder.agent.clone(),
        command: None,
        model: own.model.or_else(|| coder.model.clone()),
        prompt: own.prompt,
    }
}

fn is_bound(binding: &Binding) -> bool {
    binding.agent.is_some() || binding.command.is_some()
}

fn summary(up_to: Option<u8>, stages: &[String], roles: &BTreeMap<String, Binding>) -> String {
    let rule = up_to.map_or("default agents".to_owned(), |up_to| format!("agents of the rule up to {up_to}"));
    let each = stages.iter().map(|stage| match roles.get(stage) {
        Some(Binding { agent: Some(agent), model: Some(model), .. }) => format!("{stage} {agent} ({model})"),
        Some(Binding { agent: Some(agent), .. }) => format!("{stage} {agent}"),
        Some(_) => format!("{stage} by a command"),
        None => format!("{stage} runs the named tests"),
    });
    format!("{rule}: {}", each.collect::<Vec<_>>().join(", "))
}

/// The first unknown or invalid agent, with the reason.
pub fn unknown_agent<'a>(settings: &Settings, names: impl IntoIterator<Item = &'a String>) -> Option<(String, String)> {
    names.into_iter().find_map(|name| {
        let error = agents::find(settings, name).err()?;
        let refusal = Refusal::of(&error);
        // Of an unknown agent the reason is a list of all that are known.
        let invalid = refusal.filter(|refusal| refusal.code == "agent.invalid");
        let why = invalid.and_then(|refusal| Some(format!(": {}", refusal.reason.as_ref()?))).unwrap_or_default();
        let next = refusal.and_then(|refusal| Some(format!("; {}", refusal.next.first()?))).unwrap_or_default();
        Some((name.clone(), format!("{error}{why}{next}")))
    })
}

/// Problems with the agents in roles and rules, for `teof doctor`.
pub fn troubles(settings: &Settings) -> Vec<(String, String)> {
    named(settings).iter().filter_map(|name| unknown_agent(settings, [name])).collect()
}

/// The agents that roles and routing name, each once.
pub fn named(settings: &Settings) -> Vec<String> {
    let rules = settings.routing.iter().flat_map(|rule| rule.roles.values());
    let mut named: Vec<String> = settings.roles.values().chain(rules).filter_map(|role| role.agent.clone()).collect();
    named.sort();
    named.dedup();
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    fn agent_of<'a>(route: &'a Route, role: &str) -> Option<&'a str> {
        route.roles.get(role)?.agent.as_deref()
    }

    #[test]
    fn unbound_roles_use_the_coders_agent() {
        let settings = settings("[roles.coder]\nagent = \"claude\"\nmodel = \"m\"\n[budget]\njob_tokens = 7\n");
        let found = route(&settings, None, 3).unwrap();
        assert_eq!(found.stages, ["planner", "coder", "tester", "reviewer"]);
        assert_eq!(
            (agent_of(&found, "planner"), agent_of(&found, "reviewer"), agent_of(&found, "tester")),
            (Some("claude"), Some("claude"), None)
        );
        assert_eq!((found.agents.as_slice(), found.passes, found.budget.tokens), (&["claude".to_owned()][..], 3, 7));
        assert_eq!(
            found.summary,
            "default agents: planner claude (m), coder claude (m), tester runs the named tests, reviewer claude (m)"
        );
    }

    #[test]
    fn the_first_rule_that_covers_the_score_decides() {
        let settings = settings(
            "[roles.coder]\nagent = \"claude\"\n[roles.reviewer]\nagent = \"codex\"\n[agents.claude]\nmodel = \"small\"\n\
             [[routing]]\nup_to = 2\nstages = [\"coder\", \"tester\"]\nbudget = {tokens = 5, cost = 0.5}\n\
             [[routing]]\nup_to = 6\n[routing.roles.coder]\nmodel = \"large\"\n[routing.roles.reviewer]\nagent = \"gemini\"\n",
        );
        let (easy, middle, hard) = (
            route(&settings, None, 2).unwrap(),
            route(&settings, None, 3).unwrap(),
            route(&settings, None, 7).unwrap(),
        );
        assert_eq!((easy.stages.len(), easy.budget.tokens, easy.roles.len()), (2, 5, 1));
        assert_eq!(middle.roles["coder"].model.as_deref(), Some("large"));
        assert_eq!((agent_of(&middle, "coder"), agent_of(&middle, "reviewer")), (Some("claude"), Some("gemini")));
        assert_eq!((hard.roles["coder"].model.as_deref(), agent_of(&hard, "reviewer")), (Some("small"), Some("codex")));
    }

    #[test]
    fn the_steps_own_agent_codes_with_its_own_model() {
        let settings = settings("[roles.coder]\nagent = \"claude\"\nmodel = \"m\"\nprompt = \"p.md\"\n");
        let found = route(&settings, Some("codex"), 0).unwrap();
        let coder = Binding { agent: Some("codex".into()), prompt: Some("p.md".into()), ..Binding::default() };
        assert_eq!(found.roles["coder"], coder);
        assert_eq!(route(&settings, Some("claude"), 0).unwrap().roles["coder"].model.as_deref(), Some("m"));
        assert!(route(&Settings::default(), None, 0).unwrap_err().contains("teof init --role coder"));
    }

    #[test]
    fn a_command_that_codes_neither_plans_nor_reviews() {
        let settings = settings("[roles.coder]\ncommand = \"./fix\"\n");
        let found = route(&settings, None, 0).unwrap();
        assert_eq!((found.stages, found.agents), (vec!["coder".to_owned(), "tester".into()], Vec::<String>::new()));
    }
}
