//! What a tool is.

use rmcp::model::{self, JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::text;
use crate::faces::mcp::command::Line;
use crate::faces::mcp::errors::Refused;
use crate::faces::mcp::schemas;

/// What a call does beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Reads,
    /// Again with the same arguments, it changes nothing more.
    Settles,
    /// Again, it writes again, unless it has the same `request_id`.
    Adds,
}

/// The task that a call works on, for its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    Nothing,
    /// Claims a task; with the lease that was asked for.
    Claims(Option<String>),
    /// Writes about a task.
    Uses(String),
    Leaves(String),
}

/// A tool's arguments.
pub trait Tool: DeserializeOwned + JsonSchema {
    /// What the command answers.
    type Answer: JsonSchema;
    const NAME: &'static str;
    const TITLE: &'static str;
    /// What it does, and when to use it.
    const ABOUT: &'static str;
    const EFFECT: Effect;

    /// The command.
    fn line(&self) -> Line;

    fn concern(&self) -> Concern {
        Concern::Nothing
    }

    /// Refuses what the command would do for a person, but not for an agent.
    fn check(&self) -> Result<(), Refused> {
        Ok(())
    }
}

/// A call whose arguments are sound.
#[derive(Debug)]
pub struct Asked {
    pub line: Line,
    pub concern: Concern,
    pub needs_seat: bool,
}

/// A tool without its type.
#[derive(Clone, Debug)]
pub struct Listed {
    pub tool: model::Tool,
    read: fn(JsonObject, Option<&str>) -> Result<Asked, NotRead>,
}

/// Why a call is not made.
enum NotRead {
    Arguments(serde_json::Error),
    Refused(Refused),
}

pub fn listed<T: Tool>() -> Listed {
    let annotations = ToolAnnotations::with_title(T::TITLE)
        .read_only(T::EFFECT == Effect::Reads)
        .destructive(false)
        .idempotent(T::EFFECT != Effect::Adds)
        .open_world(false);
    let tool = model::Tool::new(T::NAME, T::ABOUT, schemas::input::<T>())
        .with_title(T::TITLE)
        .with_raw_output_schema(schemas::output::<T::Answer>().into())
        .with_annotations(annotations);
    Listed {
        tool,
        read: |arguments, lease| {
            let asked: T = serde_json::from_value(Value::Object(arguments)).map_err(NotRead::Arguments)?;
            asked.check().map_err(NotRead::Refused)?;
            let (line, concern) = (asked.line(), asked.concern());
            let line = match concern {
                Concern::Claims(None) => line.maybe("lease", lease),
                _ => line,
            };
            Ok(Asked { line, concern, needs_seat: T::EFFECT != Effect::Reads })
        },
    }
}

impl Listed {
    /// `lease` is that of claims that ask for none.
    ///
    /// # Errors
    /// `mcp.arguments`, with what is wrong.
    pub fn read(&self, arguments: JsonObject, lease: Option<&str>) -> Result<Asked, Refused> {
        (self.read)(arguments, lease).map_err(|not_read| match not_read {
            NotRead::Refused(refused) => refused,
            NotRead::Arguments(e) => self.wrong(&e),
        })
    }

    fn wrong(&self, error: &serde_json::Error) -> Refused {
        let named = self.tool.input_schema.get("properties").and_then(Value::as_object);
        let named: Vec<&str> = named.into_iter().flat_map(|all| all.keys()).map(String::as_str).collect();
        let fix = format!("the arguments of {} are: {}", self.tool.name, named.join(", "));
        let refused = Refused::usage("mcp.arguments", "these are not the arguments of the tool", &fix);
        Refused { reason: Some(text::clip(&text::safe(&error.to_string()), 300)), ..refused }
    }
}
