//! Adds up what one call of an agent does, and returns what a rule matched.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::errors;
use super::rules::{self, Rule};
use crate::agents::event::Event;
use crate::base::{Stamp, text};
use crate::hub::settings::monitor::MonitorRule;
use crate::model::run::noticed::{Class, ERROR, Errors, Noticed, On};

/// How many different operations and errors are kept, and characters of each.
const MAX_KEPT: usize = 50;
const MAX_TEXT: usize = 300;
const MAX_TOOLS: usize = 256;

/// Watches one call. Every text that it is given goes through `redact` before it is kept.
pub struct Monitor {
    rules: Vec<Rule>,
    worktree: PathBuf,
    redact: fn(&str) -> String,
    /// The tool that was called last, which the next result belongs to.
    tool: Option<String>,
    pub tools: BTreeMap<String, u64>,
    pub errors: Errors,
    /// What was noticed so far, oldest first.
    pub noticed: Vec<Noticed>,
}

impl Monitor {
    pub fn new(settings: &[MonitorRule], worktree: PathBuf, redact: fn(&str) -> String) -> Monitor {
        let (tool, tools, errors, noticed) = Default::default();
        Monitor { rules: rules::of(settings), worktree, redact, tool, tools, errors, noticed }
    }

    /// Takes an event and returns what is new about it.
    pub fn take(&mut self, event: &Event, now: Stamp) -> Vec<Noticed> {
        match event {
            Event::ToolUse { name, operation, .. } => {
                if self.tools.len() < MAX_TOOLS || self.tools.contains_key(name) {
                    *self.tools.entry(name.clone()).or_default() += 1;
                }
                self.tool = Some(name.clone());
                self.matched(On::Tool, operation, now)
            }
            Event::ToolResult { ok: false, output } => self.error(output, Class::Warning, now),
            Event::Rejected(why) => self.error(why, Class::Critical, now),
            Event::Trouble { why, .. } | Event::Warning(why) => self.error(why, Class::Info, now),
            Event::Result { ok: false, error: Some(error), .. } => self.error(error, Class::Warning, now),
            _ => Vec::new(),
        }
    }

    /// What a rule says to an operation that an agent asks about: the gravest action, with the rule and the part of the
    /// operation. Keeps nothing. `allowed`: what a person allowed.
    pub fn judge(&self, tool: &str, operation: &str, allowed: &[String], now: Stamp) -> Option<Noticed> {
        let matched = rules::matching(&self.rules, On::Tool, tool, operation, &self.worktree);
        let each = matched.into_iter().map(|(rule, said)| Noticed {
            rule: rule.name.clone(),
            class: rule.class,
            action: rule.action,
            tool: Some((self.redact)(tool)),
            text: self.shown(&said),
            at: now,
            again: 0,
        });
        each.filter(|noticed| !allowed.contains(&noticed.text)).max_by_key(|noticed| noticed.action)
    }

    /// A text as it is kept.
    fn shown(&self, said: &str) -> String {
        text::clip(text::safe(&(self.redact)(said)).trim(), MAX_TEXT)
    }

    fn error(&mut self, said: &str, least: Class, now: Stamp) -> Vec<Noticed> {
        let class = errors::class(said, least);
        self.errors.count(class);
        let mut found = self.matched(On::Error, said, now);
        if found.is_empty() && class == Class::Critical {
            let line = said.lines().find(|line| errors::class(line, Class::Info) == class).unwrap_or(said);
            found.extend(self.keep(ERROR.to_owned(), class, Default::default(), line, now));
        }
        found
    }

    fn matched(&mut self, on: On, text: &str, now: Stamp) -> Vec<Noticed> {
        let tool = self.tool.clone().unwrap_or_default();
        let matched = rules::matching(&self.rules, on, &tool, text, &self.worktree);
        let matched: Vec<_> =
            matched.into_iter().map(|(rule, text)| (rule.name.clone(), rule.class, rule.action, text)).collect();
        let each = matched.into_iter();
        each.filter_map(|(rule, class, action, text)| self.keep(rule, class, action, &text, now)).collect()
    }

    /// Keeps it; `None` when it was seen before.
    fn keep(
        &mut self,
        rule: String,
        class: Class,
        action: crate::model::run::noticed::Action,
        said: &str,
        at: Stamp,
    ) -> Option<Noticed> {
        let text = self.shown(said);
        if let Some(known) = self.noticed.iter_mut().find(|known| known.rule == rule && known.text == text) {
            known.again += 1;
            return None;
        }
        let tool = self.tool.as_deref().map(|tool| (self.redact)(tool));
        let noticed = Noticed { rule, class, action, tool, text, at, again: 0 };
        // What is not kept still lets the rules act.
        if self.make_room(noticed.class) {
            self.noticed.push(noticed.clone());
        }
        Some(noticed)
    }

    /// Whether one more of this class is kept: in a full list, in place of the newest of the least grave ones.
    fn make_room(&mut self, class: Class) -> bool {
        if self.noticed.len() < MAX_KEPT {
            return true;
        }
        let least = self.noticed.iter().enumerate().max_by_key(|(at, one)| (Reverse(one.class), *at));
        let Some((at, _)) = least.filter(|(_, least)| least.class < class) else { return false };
        self.noticed.remove(at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::Stream;
    use crate::model::agent::Format;
    use crate::model::run::noticed::Action;

    /// What a monitor makes of a stream.
    fn watched(format: Format, lines: &str) -> Monitor {
        let mut stream = Stream::new(format, None);
        let mut monitor = Monitor::new(&[], "/w/j1".into(), |text| text.replace("hunter2", "[redacted]"));
        for event in stream.take(lines.as_bytes()) {
            monitor.take(&event, Stamp::from_unix(0));
        }
        monitor
    }

    #[test]
    fn operations_are_noticed_in_the_stream_of_every_agent() {
        let claude = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash","input":{"command":"cd /x\ngit push -f https://a:hunter2@b"}},{"type":"tool_use","name":"Write","input":{"file_path":"a.md","content":"sudo rm -rf /"}}]}}
"#;
        let codex = r#"{"type":"item.started","item":{"id":"1","type":"command_execution","command":"bash -lc 'git push --force'"}}
"#;
        let gemini = r#"{"type":"tool_use","tool_name":"run_shell_command","tool_id":"1","parameters":{"command":"git push -f","description":"push"}}
"#;
        let opencode = r#"{"type":"tool_use","sessionID":"s","part":{"tool":"bash","state":{"status":"completed","input":{"command":"git push -f"},"output":""}}}
"#;
        for (format, lines) in
            [(Format::Claude, claude), (Format::Codex, codex), (Format::Gemini, gemini), (Format::Opencode, opencode)]
        {
            let monitor = watched(format, lines);
            let [noticed] = &monitor.noticed[..] else { panic!("{format:?}: {:?}", monitor.noticed) };
            assert_eq!((noticed.rule.as_str(), noticed.class), ("force-push", Class::Critical), "{format:?}");
            assert!(noticed.text.starts_with("git push") && !noticed.text.contains("hunter2"), "{}", noticed.text);
            assert!(!monitor.tools.is_empty());
        }
    }

    #[test]
    fn a_long_input_hides_nothing_at_its_end() {
        let padding = "x".repeat(10_000);
        let line = format!(
            "{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{{\"command\":\"echo {padding}; sudo ls\"}}}}]}}}}\n"
        );
        assert_eq!(watched(Format::Claude, &line).noticed[0].text, "sudo ls");
    }

    #[test]
    fn many_harmless_notices_do_not_hide_a_grave_one() {
        let mut monitor = Monitor::new(&[], "/w/j1".into(), str::to_owned);
        let mut uses = |command: String| {
            let operation = Event::ToolUse { name: "Bash".into(), input: String::new(), operation: command };
            monitor.take(&operation, Stamp::from_unix(0));
            monitor.noticed.clone()
        };
        for n in 0..MAX_KEPT + 5 {
            uses(format!("curl http://x/{n}"));
        }
        let noticed = uses("sudo ls".into());
        assert_eq!((noticed.len(), noticed.last().unwrap().rule.as_str()), (MAX_KEPT, "sudo"));
        let texts: Vec<_> = noticed.iter().map(|one| one.text.as_str()).collect();
        assert_eq!((texts[0], texts[MAX_KEPT - 2]), ("curl http://x/0", "curl http://x/48"), "the first ones stay");
    }

    #[test]
    fn errors_are_counted_by_class_and_critical_ones_are_named_once() {
        let result = |error: &str| {
            format!(
                "{{\"type\":\"user\",\"message\":{{\"content\":[{{\"type\":\"tool_result\",\"is_error\":true,\"content\":\"{error}\"}}]}}}}\n"
            )
        };
        let denied = result("ls\\nmkdir: x: Permission denied");
        let lines = [result("No such file or directory"), denied.clone(), denied].concat();
        let monitor = watched(Format::Claude, &lines);
        assert_eq!((monitor.errors.critical, monitor.errors.warning, monitor.errors.info), (2, 1, 0));
        let [noticed] = &monitor.noticed[..] else { panic!("{:?}", monitor.noticed) };
        assert_eq!((noticed.rule.as_str(), noticed.action, noticed.again), (ERROR, Action::Record, 1));
        assert_eq!(noticed.text, "mkdir: x: Permission denied");
    }
}
