//! The rules that count: the built-in ones as the settings change them, and those of the settings.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use regex::Regex;

use super::dangers::{BUILT_IN_RULES, BuiltInRule, Operation};
use super::part::Part;
use super::shell;
use crate::hub::settings::monitor::{self, MonitorRule};
use crate::model::run::noticed::{Action, Class, On};

/// One rule.
pub(super) struct Rule {
    pub name: String,
    pub class: Class,
    pub action: Action,
    on: On,
    /// Of the tool's name.
    tool: Option<Regex>,
    find: Find,
}

enum Find {
    BuiltIn(fn(&Operation) -> Vec<Part>),
    Pattern(Regex),
}

/// All rules that are not off.
pub(super) fn of(settings: &[MonitorRule]) -> Vec<Rule> {
    let set = |name: &str| settings.iter().find(|rule| rule.name == name);
    let built_in = BUILT_IN_RULES.iter().map(|danger| rule(danger.name, Some(danger), set(danger.name)));
    let is_own = |rule: &&MonitorRule| BUILT_IN_RULES.iter().all(|danger| danger.name != rule.name);
    let own = settings.iter().filter(is_own).map(|rule_of| rule(&rule_of.name, None, Some(rule_of)));
    built_in.chain(own).flatten().filter(|rule| rule.action != Action::Ignore).collect()
}

/// A pattern that does not compile was refused when the settings were read; here it leaves the rule out.
fn rule(name: &str, danger: Option<&BuiltInRule>, set: Option<&MonitorRule>) -> Option<Rule> {
    let text = |of: fn(&MonitorRule) -> &String| set.map(of).filter(|text| !text.is_empty());
    let pattern = text(|rule| &rule.pattern).map(|pattern| monitor::compile(pattern)).transpose().ok()?;
    let tool = text(|rule| &rule.tool).map(|tool| monitor::compile(tool)).transpose().ok()?;
    let find = match (pattern, danger) {
        (Some(pattern), _) => Find::Pattern(pattern),
        (None, Some(danger)) => Find::BuiltIn(danger.find),
        (None, None) => return None,
    };
    Some(Rule {
        name: name.to_owned(),
        class: set.and_then(|rule| rule.class).or(danger.map(|danger| danger.class)).unwrap_or_default(),
        action: set.and_then(|rule| rule.action).or(danger.map(|danger| danger.action)).unwrap_or_default(),
        on: set.map(|rule| rule.on).unwrap_or_default(),
        tool,
        find,
    })
}

/// The rules that match an operation, each with every part that matched, once.
pub(super) fn matching<'a>(
    rules: &'a [Rule],
    on: On,
    tool: &str,
    text: &str,
    worktree: &Path,
) -> Vec<(&'a Rule, Part)> {
    let commands = if on == On::Tool { shell::commands(text) } else { Vec::new() };
    let operation = Operation { text, commands: &commands, worktree };
    let wanted = rules.iter().filter(|rule| rule.on == on && rule.tool.as_ref().is_none_or(|of| of.is_match(tool)));
    wanted.flat_map(|rule| rule.find(&operation).into_iter().map(move |part| (rule, part))).collect()
}

impl Rule {
    fn find(&self, operation: &Operation) -> Vec<Part> {
        let mut found = match &self.find {
            Find::BuiltIn(find) => find(operation),
            Find::Pattern(pattern) => {
                let lines = pattern.find_iter(operation.text).map(|at| lines(operation.text, at.range()));
                lines.map(Part::line).collect()
            }
        };
        let mut seen = HashSet::new();
        found.retain(|part| seen.insert(part.key.clone()));
        found
    }
}

/// The lines that a part of a text is in.
fn lines(text: &str, at: Range<usize>) -> &str {
    let from = text[..at.start].rfind('\n').map_or(0, |end| end + 1);
    let to = text[at.end..].find('\n').map_or(text.len(), |next| at.end + next);
    &text[from..to]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, pattern: &str, action: Option<Action>) -> MonitorRule {
        MonitorRule { name: name.into(), pattern: pattern.into(), action, ..MonitorRule::default() }
    }

    #[test]
    fn settings_change_built_in_rules_and_add_others() {
        let settings = [
            set("sudo", "", Some(Action::Cancel)),
            set("network", "", Some(Action::Ignore)),
            set("delete-outside", r"\bshred\b", None),
            MonitorRule { tool: "^Bash$".into(), ..set("deploy", r"terraform\s+apply", Some(Action::Pause)) },
        ];
        let rules = of(&settings);
        let found = |tool: &str, text: &str| {
            let found = matching(&rules, On::Tool, tool, text, Path::new("/w"));
            found.into_iter().map(|(rule, text)| (rule.name.clone(), rule.action, text.text)).collect::<Vec<_>>()
        };
        assert_eq!(found("Bash", "sudo ls"), [("sudo".to_owned(), Action::Cancel, "sudo ls".to_owned())]);
        assert_eq!(found("Bash", "curl example.com"), []);
        assert_eq!(found("Bash", "rm -rf /"), [], "its pattern was replaced");
        assert_eq!(found("Bash", "ls\nshred x\nls")[0].2, "shred x");
        let all: Vec<_> =
            found("Bash", "shred x\nshred y; shred x\nshred x").into_iter().map(|(.., text)| text).collect();
        assert_eq!(all, ["shred x", "shred y; shred x"], "each line once");
        assert_eq!(found("Bash", "terraform  apply")[0].1, Action::Pause);
        assert_eq!(found("Read", "terraform apply"), []);
    }
}
