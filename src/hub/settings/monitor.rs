//! The settings of the monitor of agents' streams: `[[monitor]]`.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::base::names;
use crate::model::run::noticed::{Action, Class, On};

/// The built-in rules; `agents::monitor` says what each of them matches.
pub const BUILT_IN: [&str; 7] =
    ["force-push", "delete-outside", "read-secret", "network", "sudo", "git-config", "rewrite-history"];

/// Limits: rules, characters of a pattern, and bytes of a compiled pattern.
const MAX_RULES: usize = 100;
const MAX_PATTERN: usize = 1000;
const MAX_COMPILED: usize = 1 << 18;

/// One rule of `[[monitor]]`, besides the built-in ones or in place of one.
///
/// A rule with the name of a built-in one changes it: its pattern, class or action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorRule {
    /// What it is called where it is shown. Built-in: `force-push`, `delete-outside`, `read-secret`, `network`, `sudo`,
    /// `git-config`, `rewrite-history`.
    pub name: String,
    /// A regular expression for the name of the tool; empty means any tool.
    pub tool: String,
    /// A regular expression for what the tool is to do; only a built-in rule can do without one.
    pub pattern: String,
    /// What the pattern is for: `tool` (an operation), or `error`.
    pub on: On,
    /// `critical`, `warning` or `info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// `ignore` (the rule is off), `record`, `notify`, `pause` (after the stage) or `cancel` (at once).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

/// Compiles a pattern of a rule, with bounds.
///
/// # Errors
/// What is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("a pattern has at most {MAX_PATTERN} characters"));
    }
    let built = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
    built.map_err(|e| e.to_string())
}

/// Returns the first error.
pub(super) fn check(rules: &[MonitorRule]) -> Result<(), String> {
    if rules.len() > MAX_RULES {
        return Err(format!("[[monitor]]: at most {MAX_RULES} rules"));
    }
    for (at, rule) in rules.iter().enumerate() {
        let name = format!("[[monitor]] rule {}", at + 1);
        if !names::is_id(&rule.name) {
            return Err(format!("{name}: it needs a name of letters, digits, '.', '_' and '-'"));
        }
        let name = format!("[[monitor]] {:?}", rule.name);
        if rules[..at].iter().any(|other| other.name == rule.name) {
            return Err(format!("{name}: two rules have this name"));
        }
        if rule.pattern.is_empty() && !BUILT_IN.contains(&rule.name.as_str()) {
            let meant = names::did_you_mean(&rule.name, BUILT_IN);
            return Err(format!("{name}: it has no pattern, and no built-in rule has this name{meant}"));
        }
        if rule.pattern.is_empty() && rule.on == On::Error {
            return Err(format!("{name}: on = \"error\" needs a pattern: built-in rules match what a tool does"));
        }
        for (key, pattern) in [("pattern", &rule.pattern), ("tool", &rule.tool)] {
            compile(pattern).map_err(|why| format!("{name}: {key}: {why}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_cannot_work_is_refused_with_the_reason() {
        let rule = |name: &str, pattern: &str| MonitorRule {
            name: name.into(),
            pattern: pattern.into(),
            ..MonitorRule::default()
        };
        for (rules, why) in [
            (vec![rule("", "x")], "needs a name"),
            (vec![rule("deploy", "")], "no pattern"),
            (vec![rule("force-psh", "")], "did you mean force-push"),
            (vec![rule("deploy", "(")], "deploy"),
            (vec![rule("deploy", &"a{1000}".repeat(100))], "pattern"),
            (vec![rule("deploy", &"x".repeat(MAX_PATTERN + 1))], "at most 1000"),
            (vec![rule("sudo", ""), rule("sudo", "x")], "two rules"),
            (vec![MonitorRule { on: On::Error, ..rule("sudo", "") }], "on = \"error\" needs a pattern"),
        ] {
            let found = check(&rules).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
        assert_eq!(check(&[rule("sudo", ""), rule("deploy", r"terraform\s+apply")]), Ok(()));
    }
}
