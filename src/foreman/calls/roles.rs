//! Resolves the roles of an order to agents or commands.

use crate::agents::{self, Agent};
use crate::base::{Refusal, Result};
use crate::hub::Hub;
use crate::model::run::order::{Binding, Order};

use crate::foreman::commands::executor;
use crate::model::run::stage::{CODER, PLANNER, REVIEWER, ROLES, TESTER};

/// What a role runs.
#[derive(Clone, Debug)]
pub enum ResolvedRole {
    Agent {
        agent: Box<Agent>,
        /// Replaces the agent's default model.
        model: Option<String>,
    },
    /// A shell command line; its exit code is the verdict.
    Command(String),
}

/// The effective binding of a role: an unbound planner or reviewer uses the coder's.
pub fn binding<'a>(order: &'a Order, role: &str) -> Option<&'a Binding> {
    let bound = |role: &str| order.roles.get(role).filter(|found| found.agent.is_some() || found.command.is_some());
    let stands_in = || bound(CODER).filter(|found| [PLANNER, REVIEWER].contains(&role) && found.agent.is_some());
    bound(role).or_else(stands_in)
}

/// What a role runs; `None` for an unbound tester.
///
/// # Errors
/// When the settings have no such agent, or its entry is invalid.
pub fn resolve(hub: &Hub, order: &Order, role: &str) -> Result<Option<ResolvedRole>> {
    let Some(found) = binding(order, role) else { return Ok(None) };
    if let Some(name) = &found.agent {
        let mut agent = Box::new(agents::find(hub.settings()?, name)?);
        if executor::in_containers(hub)? {
            // Its sessions are gone with the container.
            agent.resume_args = None;
        }
        // A role that sets only a model uses the coder's agent.
        let model = order.roles.get(role).and_then(|own| own.model.clone()).or_else(|| found.model.clone());
        return Ok(Some(ResolvedRole::Agent { agent, model }));
    }
    Ok(found.command.clone().map(ResolvedRole::Command))
}

/// Refuses an order whose stages cannot run, before anything starts.
pub fn require(hub: &Hub, order: &Order) -> Result<()> {
    let refuse = |code, what: String, next: &str| Err(Refusal::guard(code, what).next(next).into());
    let known = |stage: &String| ROLES.iter().position(|role| role == stage);
    let Some(places) = order.stages.iter().map(known).collect::<Option<Vec<_>>>() else {
        let what = format!("the order has unknown stages: {}", order.stages.join(", "));
        return refuse("order.stages", what, "valid stages: planner, coder, tester, reviewer");
    };
    if !places.is_sorted_by(|a, b| a < b) || !order.stages.iter().any(|stage| stage == CODER) {
        let what = format!("invalid sequence of stages: {}", order.stages.join(", "));
        return refuse(
            "order.stages",
            what,
            "name each stage once, in the order planner, coder, tester, reviewer; coder is required",
        );
    }
    let in_image = executor::in_containers(hub)?;
    for role in &order.stages {
        match resolve(hub, order, role)? {
            Some(ResolvedRole::Agent { agent, .. })
                if !in_image && agents::find_program(agent.program(), &hub.root).is_none() =>
            {
                let what =
                    format!("the {role}'s agent {} is not installed: no program {}", agent.name, agent.program());
                return refuse(
                    "agent.missing",
                    what,
                    "install it, or bind another agent: `teof agent doctor` lists them",
                );
            }
            Some(_) => {}
            None if role == TESTER => {}
            None => {
                let what = format!("no agent or command is bound to the {role}");
                return refuse("role.unbound", what, "choose an agent: teof init --role coder=claude");
            }
        }
    }
    let reviews = order.stages.iter().any(|stage| stage == REVIEWER);
    match order.reviewer.as_deref() {
        None if reviews => refuse(
            "order.no_reviewer",
            "the order names no reviewer seat".into(),
            "add \"reviewer\": a seat other than agent_id",
        ),
        Some(seat) if seat == order.agent_id => refuse(
            "order.own_reviewer",
            format!("{seat} would review its own work"),
            "name another seat as \
                \"reviewer\" in the order",
        ),
        Some(seat) => crate::base::names::check_id("reviewer", seat).map(drop),
        None => Ok(()),
    }
}
