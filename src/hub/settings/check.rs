//! Checks settings beyond their types: names and order of stages, and role bindings. Pure. `agents` checks agent
//! names, because it knows the presets.

use std::collections::{BTreeMap, BTreeSet};

use super::{Budget, Settings, monitor};
use crate::model::run::order::{Binding, STAGES};

/// The priorities that a policy can name.
const PRIORITIES: [&str; 4] = ["urgent", "high", "medium", "low"];

/// Returns the first error.
pub fn check(settings: &Settings) -> Result<(), String> {
    stages("[pipeline] stages", &settings.pipeline.stages)?;
    roles("[roles", &settings.roles)?;
    monitor::check(&settings.monitor)?;
    settings.worker.limits.check()?;
    settings.worktrees.check()?;
    let mut receivers = BTreeSet::new();
    for receiver in &settings.notify {
        receiver.check().map_err(|why| format!("[[notify]] {why}"))?;
        if !receivers.insert(receiver.label()) {
            return Err(format!("[[notify]] {:?} is there twice: give each a name", receiver.label()));
        }
    }
    if let Some(odd) = settings.review.auto.iter().find(|word| !PRIORITIES.contains(&word.as_str())) {
        return Err(format!("[review] auto: unknown priority {odd:?}; valid: {}", PRIORITIES.join(", ")));
    }
    let Budget { quota_threshold, quota_priority, .. } = &settings.budget;
    if *quota_threshold > 100 {
        return Err(format!("[budget] quota_threshold: {quota_threshold} is more than 100 percent"));
    }
    if !PRIORITIES.contains(&quota_priority.as_str()) {
        let valid = PRIORITIES.join(", ");
        return Err(format!("[budget] quota_priority: unknown priority {quota_priority:?}; valid: {valid}"));
    }
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
            return Err(format!("{place}: unknown stage {stage:?}; valid stages: {known}"));
        };
        if last.is_some_and(|last| last >= at) {
            return Err(format!("{place}: {stage:?} is out of order or repeated; the order is {known}"));
        }
        last = Some(at);
    }
    match stages.iter().any(|stage| stage == "coder") {
        true => Ok(()),
        false => Err(format!("{place}: the stage \"coder\" is required")),
    }
}

fn roles(place: &str, roles: &BTreeMap<String, Binding>) -> Result<(), String> {
    for (role, binding) in roles {
        if !STAGES.contains(&role.as_str()) {
            return Err(format!("{place}.{role}]: unknown role {role:?}; valid roles: {}", STAGES.join(", ")));
        }
        if binding.agent.is_some() && binding.command.is_some() {
            return Err(format!("{place}.{role}]: set either agent or command, not both"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_settings_are_named_with_valid_values() {
        for (text, why) in [
            ("[pipeline]\nstages = [\"coder\", \"tset\"]", "unknown stage \"tset\"; valid stages: planner"),
            ("[pipeline]\nstages = [\"tester\", \"coder\"]", "\"coder\" is out of order"),
            ("[pipeline]\nstages = [\"coder\", \"coder\"]", "out of order or repeated"),
            ("[pipeline]\nstages = [\"tester\"]", "the stage \"coder\" is required"),
            ("[review]\nauto = [\"lwo\"]", "unknown priority \"lwo\""),
            ("[worktrees]\nports_from = 65000", "valid ports are 1024 to 65535"),
            ("[worktrees]\nslots = 1", "slots 2 or more"),
            ("[worktrees]\ncache = [\"../x\"]", "not a path inside the repository"),
            ("[budget]\nquota_threshold = 101", "more than 100 percent"),
            ("[budget]\nquota_priority = \"hihg\"", "unknown priority \"hihg\""),
            ("[roles.codre]\nagent = \"x\"", "unknown role \"codre\""),
            ("[roles.coder]\nagent = \"x\"\ncommand = \"y\"", "not both"),
            ("[[routing]]\nup_to = 3\nstages = []", "rule 1: stages"),
            ("[[notify]]\nname = \"x\"", "\"x\" needs a preset"),
            ("[[notify]]\npreset = \"slack\"", "set either url or url_file"),
            ("[[notify]]\npreset = \"ntfy\"\nurl = \"file:///x\"", "must begin with https://"),
            ("[[notify]]\ncommand = [\"./x\"]", "an absolute path"),
            ("[[notify]]\npreset = \"desktop\"\n[[notify]]\npreset = \"desktop\"", "is there twice"),
            ("[[routing]]\nup_to = 3\n[routing.roles.boss]\nagent = \"x\"", "rule 1: [routing.roles.boss]"),
        ] {
            let found = check(&toml::from_str(text).unwrap()).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
        assert_eq!(check(&Settings::default()), Ok(()));
    }
}
