//! Checks settings beyond their types: names of stages and roles, their order, and who plays which role.
//! Pure. Names of agents are checked by `agents`, which knows the presets.

use std::collections::BTreeMap;

use super::Settings;
use crate::model::run::order::{Binding, STAGES};

/// The first thing that is wrong.
pub fn check(settings: &Settings) -> Result<(), String> {
    stages("[pipeline] stages", &settings.pipeline.stages)?;
    roles("[roles", &settings.roles)?;
    for (at, rule) in settings.routing.iter().enumerate() {
        let rule_name = format!("[[routing]] rule {}", at + 1);
        if let Some(own) = &rule.stages {
            stages(&format!("{rule_name}: stages"), own)?;
        }
        roles(&format!("{rule_name}: [routing.roles"), &rule.roles)?;
    }
    Ok(())
}

fn stages(place: &str, stages: &[String]) -> Result<(), String> {
    let known = STAGES.join(", ");
    let mut last = None;
    for stage in stages {
        let Some(at) = STAGES.iter().position(|known| known == stage) else {
            return Err(format!("{place}: there is no stage {stage:?}; the stages are {known}"));
        };
        if last.is_some_and(|last| last >= at) {
            return Err(format!("{place}: {stage:?} is out of order or stands twice; the order is {known}"));
        }
        last = Some(at);
    }
    match stages.iter().any(|stage| stage == "coder") {
        true => Ok(()),
        false => Err(format!("{place}: without the stage \"coder\" nothing would be done")),
    }
}

fn roles(place: &str, roles: &BTreeMap<String, Binding>) -> Result<(), String> {
    for (role, binding) in roles {
        if !STAGES.contains(&role.as_str()) {
            return Err(format!("{place}.{role}]: there is no role {role:?}; the roles are {}", STAGES.join(", ")));
        }
        if binding.agent.is_some() && binding.command.is_some() {
            return Err(format!("{place}.{role}]: an agent or a command plays a role, not both"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named_with_what_would() {
        for (text, why) in [
            ("[pipeline]\nstages = [\"coder\", \"tset\"]", "no stage \"tset\"; the stages are planner"),
            ("[pipeline]\nstages = [\"tester\", \"coder\"]", "\"coder\" is out of order"),
            ("[pipeline]\nstages = [\"coder\", \"coder\"]", "stands twice"),
            ("[pipeline]\nstages = [\"tester\"]", "without the stage \"coder\""),
            ("[roles.codre]\nagent = \"x\"", "no role \"codre\""),
            ("[roles.coder]\nagent = \"x\"\ncommand = \"y\"", "not both"),
            ("[[routing]]\nup_to = 3\nstages = []", "rule 1: stages"),
            ("[[routing]]\nup_to = 3\n[routing.roles.boss]\nagent = \"x\"", "rule 1: [routing.roles.boss]"),
        ] {
            let found = check(&toml::from_str(text).unwrap()).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
        assert_eq!(check(&Settings::default()), Ok(()));
    }
}
