//! Adds up what one call of an agent does, and returns what a rule matched.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::errors;
use super::part::Part;
use super::rules::{self, Rule};
use crate::agents::event::Event;
use crate::base::{Stamp, digest};
use crate::hub::settings::monitor::MonitorRule;
use crate::model::run::noticed::{Action, Class, ERROR, Errors, Noticed, On};

/// How many different operations and errors are kept, and characters of each.
const MAX_KEPT: usize = 50;
const MAX_TOOLS: usize = 256;

/// What is noticed: the rule's name, its class and its action.
type Of = (String, Class, Action);

fn of(rule: &Rule) -> Of {
    (rule.name.clone(), rule.class, rule.action)
}

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

    /// What the rules say to an operation that an agent asks about: the gravest action, with the rule and the part of
    /// the operation. Keeps nothing. `allowed`: the digests of what a person allowed.
    pub fn judge(&self, tool: &str, operation: &str, allowed: &[String], now: Stamp) -> Option<Noticed> {
        let matched = rules::matching(&self.rules, On::Tool, tool, operation, &self.worktree);
        let each = matched.into_iter().map(|(rule, part)| self.noticed(&of(rule), Some(tool), &part, now));
        each.filter(|noticed| !allowed.contains(&noticed.digest)).max_by_key(|noticed| noticed.action)
    }

    fn noticed(&self, of: &Of, tool: Option<&str>, part: &Part, at: Stamp) -> Noticed {
        let (rule, class, action) = of.clone();
        let (text, text_sha256) = Noticed::kept(&(self.redact)(&part.text));
        Noticed {
            rule,
            class,
            action,
            tool: tool.map(self.redact),
            text,
            text_sha256,
            digest: digest::sha256(part.key.as_bytes()),
            at,
            again: 0,
        }
    }

    fn error(&mut self, said: &str, least: Class, now: Stamp) -> Vec<Noticed> {
        let class = errors::class(said, least);
        self.errors.count(class);
        let mut found = self.matched(On::Error, said, now);
        if found.is_empty() && class == Class::Critical {
            let line = said.lines().find(|line| errors::class(line, Class::Info) == class).unwrap_or(said);
            found.extend(self.keep(&(ERROR.to_owned(), class, Action::default()), &Part::line(line), now));
        }
        found
    }

    fn matched(&mut self, on: On, text: &str, now: Stamp) -> Vec<Noticed> {
        let tool = self.tool.clone().unwrap_or_default();
        let matched = rules::matching(&self.rules, on, &tool, text, &self.worktree);
        let matched: Vec<_> = matched.into_iter().map(|(rule, part)| (of(rule), part)).collect();
        matched.into_iter().filter_map(|(of, part)| self.keep(&of, &part, now)).collect()
    }

    /// Keeps it; `None` when it was seen before.
    fn keep(&mut self, of: &Of, part: &Part, at: Stamp) -> Option<Noticed> {
        let noticed = self.noticed(of, self.tool.as_deref(), part, at);
        let is_same = |known: &Noticed| known.rule == noticed.rule && known.digest == noticed.digest;
        if let Some(known) = self.noticed.iter_mut().find(|known| is_same(known)) {
            known.again += 1;
            return None;
        }
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

    fn uses(command: &str) -> Event {
        Event::ToolUse { name: "Bash".into(), input: String::new(), operation: command.into() }
    }

    #[test]
    fn an_allowed_or_known_command_hides_no_other() {
        let mut monitor = Monitor::new(&[], "/w/j1".into(), |text| text.replace("hunter2", "[redacted]"));
        let now = Stamp::from_unix(0);
        let known = monitor.take(&uses("sudo ls"), now).remove(0);
        let new: Vec<_> =
            monitor.take(&uses("sudo ls; sudo rm -rf /etc"), now).into_iter().map(|one| one.text).collect();
        assert_eq!((new, monitor.noticed[0].again), (vec!["rm -rf /etc".to_owned(), "sudo rm -rf /etc".to_owned()], 1));
        let long = "x".repeat(Noticed::MAX_TEXT);
        for (command, other) in [
            ("sudo ls".to_owned(), "sudo id".to_owned()),
            ("git push --force origin x".to_owned(), "git push --force origin main".to_owned()),
            (format!("sudo {long} a"), format!("sudo {long} b")),
            ("sudo -p hunter2 a".to_owned(), "sudo -p [redacted] a".to_owned()),
            ("sudo rm 'a b'".to_owned(), "sudo rm a b".to_owned()),
        ] {
            let judge = |operation: &str, allowed: &[String]| monitor.judge("Bash", operation, allowed, now);
            let allowed = [judge(&command, &[]).unwrap().digest, known.digest.clone()];
            assert_eq!(judge(&command, &allowed), None, "{command}");
            for both in [format!("{command} && {other}"), format!("{other}\n{command}"), other] {
                assert!(judge(&both, &allowed).is_some(), "{both}");
            }
        }
    }

    #[test]
    fn many_harmless_notices_do_not_hide_a_grave_one() {
        let mut monitor = Monitor::new(&[], "/w/j1".into(), str::to_owned);
        let mut take = |command: String| {
            monitor.take(&uses(&command), Stamp::from_unix(0));
            monitor.noticed.clone()
        };
        for n in 0..MAX_KEPT + 5 {
            take(format!("curl http://x/{n}"));
        }
        let noticed = take("sudo ls".into());
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
