//! A command that a step, an order or the settings carry.
//!
//! On disk it is an argv array, a string for `sh -c`, or an object
//! `{cmd, label?, description?, cwd?, env?, timeout?}` whose `cmd` is either of these.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::base::text;
use crate::base::time::{parse_span, show_span};

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Executed as it is, no shell.
    Argv(Vec<String>),
    /// Run by `sh -c`.
    Shell(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub program: Program,
    pub label: Option<String>,
    pub description: Option<String>,
    /// Relative to the worktree.
    pub cwd: Option<String>,
    pub env: BTreeMap<String, String>,
    pub timeout: Option<Duration>,
}

impl Command {
    fn new(program: Program) -> Command {
        Command { program, label: None, description: None, cwd: None, env: BTreeMap::new(), timeout: None }
    }

    /// A line of shell.
    pub fn shell(line: &str) -> Command {
        Command::new(Program::Shell(line.to_owned()))
    }

    /// Names the command for people.
    #[must_use]
    pub fn labelled(mut self, label: String) -> Command {
        self.label = Some(label);
        self
    }

    /// Reads one command; the error says what is wrong with it.
    pub fn parse(value: &Value) -> Result<Command, String> {
        match value {
            Value::Array(_) | Value::String(_) => Ok(Command::new(program(value)?)),
            Value::Object(map) => object(map),
            other => {
                Err(format!("a command is an array, a string or an object, not {}", crate::base::json::kind(other)))
            }
        }
    }

    /// The label, or the command itself.
    pub fn title(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.to_string())
    }

    fn to_value(&self) -> Value {
        let cmd = match &self.program {
            Program::Argv(argv) => json!(argv),
            Program::Shell(line) => json!(line),
        };
        let mut map = Map::new();
        if let Some(label) = &self.label {
            map.insert("label".into(), json!(label));
        }
        if let Some(description) = &self.description {
            map.insert("description".into(), json!(description));
        }
        map.insert("cmd".into(), cmd);
        if let Some(cwd) = &self.cwd {
            map.insert("cwd".into(), json!(cwd));
        }
        if !self.env.is_empty() {
            map.insert("env".into(), json!(self.env));
        }
        if let Some(timeout) = self.timeout {
            map.insert("timeout".into(), json!(show_span(timeout)));
        }
        map.into()
    }
}

/// The command as a person would type it.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.program {
            Program::Shell(line) => f.write_str(line),
            Program::Argv(argv) => {
                for (i, word) in argv.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { " " })?;
                    f.write_str(&text::shell_word(word))?;
                }
                Ok(())
            }
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Command::parse(&value).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Command {
    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let cmd = json!({"anyOf": [
            {"type": "string", "description": "A line for `sh -c`."},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "Executed as it is, no shell."},
        ]});
        schemars::json_schema!({"anyOf": [cmd, {
            "type": "object",
            "properties": {
                "cmd": cmd,
                "label": {"type": ["string", "null"]},
                "description": {"type": ["string", "null"]},
                "cwd": {"type": ["string", "null"], "description": "Relative to the worktree."},
                "env": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
                "timeout": {"type": ["string", "integer", "null"], "description": "Seconds, or a span such as `10m`."},
            },
            "required": ["cmd"],
        }]})
    }
}

fn program(value: &Value) -> Result<Program, String> {
    match value {
        Value::String(line) if !line.trim().is_empty() => Ok(Program::Shell(line.clone())),
        Value::Array(words) if !words.is_empty() => words
            .iter()
            .map(|word| word.as_str().map(str::to_owned).ok_or("every word of cmd must be a string".to_owned()))
            .collect::<Result<Vec<_>, _>>()
            .and_then(|argv| match argv[0].is_empty() {
                true => Err("the first word of cmd is empty".to_owned()),
                false => Ok(Program::Argv(argv)),
            }),
        _ => Err("cmd must be a non-empty string or array of strings".to_owned()),
    }
}

fn object(map: &Map<String, Value>) -> Result<Command, String> {
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} must be a string")),
    };
    let env = match map.get("env") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(env)) => env
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(value) if !name.is_empty() && !name.contains(['=', '\0']) => Ok((name.clone(), value.to_owned())),
                _ => Err(format!("env.{name} must be a string with a legal name")),
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("env must be an object of strings".into()),
    };
    let timeout = match map.get("timeout") {
        None | Some(Value::Null) => None,
        Some(Value::Number(n)) => {
            Some(Duration::from_secs(n.as_u64().ok_or("timeout must be whole seconds or a span such as \"10m\"")?))
        }
        Some(Value::String(text)) => Some(parse_span(text).map_err(|e| format!("timeout: {e}"))?),
        Some(_) => return Err("timeout must be whole seconds or a span such as \"10m\"".into()),
    };
    Ok(Command {
        program: program(map.get("cmd").ok_or("a command object needs cmd")?)?,
        label: text("label")?,
        description: text("description")?,
        cwd: text("cwd")?,
        env,
        timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_spellings_are_read_and_shown() {
        let read = |text: &str| Command::parse(&serde_json::from_str(text).unwrap());
        assert_eq!(read(r#"["echo","it's"]"#).unwrap().to_string(), r"echo 'it'\''s'");
        assert_eq!(read(r#""make test | tee log""#).unwrap().program, Program::Shell("make test | tee log".into()));
        let full = read(r#"{"label":"t","cmd":["a"],"cwd":"sub","env":{"K":"v"},"timeout":"2m"}"#).unwrap();
        assert_eq!(full.timeout, Some(Duration::from_secs(120)));
        let again: Command = serde_json::from_str(&serde_json::to_string(&full).unwrap()).unwrap();
        assert_eq!(again, full);
        for bad in [
            "[]",
            "\" \"",
            "3",
            "{}",
            r#"{"cmd":[1]}"#,
            r#"{"cmd":"a","timeout":"soon"}"#,
            r#"{"cmd":"a","env":{"A=B":"c"}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
