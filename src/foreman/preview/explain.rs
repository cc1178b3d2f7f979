//! Explains an order for agents: complexity, route, who has each role, and the prompts it would use now.
//!
//! Writes nothing and starts nothing.

use std::fmt::Write as _;

use serde::Serialize;

use crate::base::{Refusal, Result, text};
use crate::foreman::calls::notes;
use crate::foreman::calls::prompts::{self, Material};
use crate::foreman::calls::roles::{self, ResolvedRole};
use crate::foreman::work::{Given, Work};
use crate::hub::Hub;
use crate::model::run::order::{Complexity, Order, Spend};
use crate::model::run::stage::{CODER, ROLES};

#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub order: String,
    pub complexity: Option<Complexity>,
    pub roles: Vec<Role>,
    pub passes: u32,
    pub budget: Spend,
}

/// A stage of the order and the agent or command that runs it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Role {
    pub role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A custom template, relative to the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Why it cannot run now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
}

/// The prompt that a role would get now.
#[derive(Clone, Debug, Serialize)]
pub struct Prompt {
    pub role: String,
    pub prompt: String,
}

/// The roles of the order's stages.
pub fn roles(hub: &Hub, order: &Order) -> Vec<Role> {
    let one = |stage: &String| {
        let prompt = order.roles.get(stage).and_then(|binding| binding.prompt.clone());
        let empty = Role { role: stage.clone(), agent: None, model: None, command: None, prompt, obstacle: None };
        match roles::resolve(hub, order, stage) {
            Ok(Some(ResolvedRole::Agent { agent, model })) => {
                let model = model.or(agent.model.clone());
                Role { agent: Some(agent.name.clone()), model, ..empty }
            }
            Ok(Some(ResolvedRole::Command(line))) => Role { command: Some(line), ..empty },
            Ok(None) => empty,
            Err(e) => Role { obstacle: Some(format!("{e:#}")), ..empty },
        }
    };
    order.stages.iter().map(one).collect()
}

/// Explains an order.
pub fn explain(hub: &Hub, path: &str, given: &Given) -> Result<Explanation> {
    let work = Work::read(hub, path, given)?;
    let order = &work.order;
    Ok(Explanation {
        order: work.path.clone(),
        complexity: order.goal.complexity.clone(),
        roles: roles(hub, order),
        passes: order.passes,
        budget: order.budget,
    })
}

/// The first round's prompt of one role, or of all roles bound to agents.
///
/// # Errors
/// When the order has no such stage, or a template cannot be used.
pub fn show(hub: &Hub, path: &str, given: &Given, role: Option<&str>) -> Result<Vec<Prompt>> {
    let work = Work::read(hub, path, given)?;
    let order = &work.order;
    if let Some(role) = role.filter(|role| !order.stages.iter().any(|stage| stage == role)) {
        let known =
            if order.stages.is_empty() { ROLES.to_vec() } else { order.stages.iter().map(String::as_str).collect() };
        return Err(Refusal::usage("order.no_such_stage", format!("the order has no stage {role:?}"))
            .next(format!("valid stages: {}", known.join(", ")))
            .into());
    }
    let findings = work.sent_back();
    let mut shown = Vec::new();
    for stage in order.stages.iter().filter(|stage| role.is_none_or(|role| role == *stage)) {
        if !matches!(roles::resolve(hub, order, stage)?, Some(ResolvedRole::Agent { .. })) {
            continue;
        }
        let findings = if stage == CODER { findings.clone() } else { Vec::new() };
        let material = Material { findings, said: notes::said(hub, &work), ..Material::default() };
        let template = prompts::template(hub, order, stage)?;
        let prompt = prompts::render(&template, order, stage, &material, "$TEOF_RECEIPTS_DIR");
        shown.push(Prompt { role: stage.clone(), prompt });
    }
    Ok(shown)
}

impl Role {
    /// One line for people.
    pub fn describe(&self) -> String {
        let who = match (&self.agent, &self.command, &self.obstacle) {
            (_, _, Some(why)) => format!("unavailable: {why}"),
            (Some(agent), _, _) => {
                let model = self.model.as_ref().map(|model| format!(" with {model}")).unwrap_or_default();
                format!("{agent}{model}")
            }
            (_, Some(line), _) => format!("command: {line}"),
            _ => "the order's tests only".to_owned(),
        };
        let prompt = self.prompt.as_ref().map(|path| format!(" (prompt {path})")).unwrap_or_default();
        text::safe(&format!("{}: {who}{prompt}", self.role))
    }
}

impl Explanation {
    pub fn describe(&self) -> String {
        let mut out = String::new();
        match &self.complexity {
            Some(found) => {
                let _ = writeln!(out, "complexity {} of 10", found.score);
                for (what, points) in &found.parts {
                    let _ = writeln!(out, "  {points:>2}  {}", text::safe(what));
                }
                let _ = writeln!(out, "route      {}", text::safe(&found.route));
            }
            None => out.push_str("complexity not computed\n"),
        }
        for role in &self.roles {
            let _ = writeln!(out, "role       {}", role.describe());
        }
        if self.roles.is_empty() {
            out.push_str("the order has commands, no roles\n");
        }
        let limit = |value: String, none: bool| if none { "any".to_owned() } else { value };
        let Spend { tokens, cost } = self.budget;
        let (tokens, cost) = (limit(tokens.to_string(), tokens == 0), limit(format!("${cost}"), cost == 0.0));
        let _ = write!(out, "passes     {} by the coder; budget: tokens {tokens}, cost {cost}", self.passes);
        out
    }
}
