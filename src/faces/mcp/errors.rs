//! A refusal on its way to the client: what, why, and how to fix it.

use std::process::ExitStatus;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::base::{Exit, Refusal, text};

/// Where the parts of a refusal stand in a result, for programs.
pub const META: &str = "teof/error";
/// How much of a text that is no refusal is told, in characters.
const MAX_OTHER: usize = 1000;

/// What a command refused, as `--json` prints it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Stable, dotted: `claim.held`.
    pub code: String,
    pub message: String,
    #[serde(rename(serialize = "cause"))]
    pub reason: Option<String>,
    #[serde(rename(serialize = "fix"))]
    pub next: Vec<String>,
    /// The exit code of the command.
    pub exit: u8,
    /// More facts, such as the holder and the end of the lease.
    #[serde(flatten)]
    pub data: Map<String, Value>,
}

#[derive(Deserialize)]
struct Document {
    error: Refused,
}

impl Refused {
    pub fn usage(code: &str, message: &str, fix: &str) -> Refused {
        Refused {
            code: code.to_owned(),
            message: message.to_owned(),
            reason: None,
            next: vec![fix.to_owned()],
            exit: Exit::Usage as u8,
            data: Map::new(),
        }
    }

    #[must_use]
    pub fn because(self, why: &str) -> Refused {
        Refused { reason: Some(why.to_owned()), ..self }
    }

    pub fn fault(why: String) -> Refused {
        let fix = "this is a bug in teof or a problem of the machine; for details, run it with TEOF_LOG=debug";
        let refused = Refused::usage("fault", "the command did not end as it should", fix);
        Refused { reason: Some(why), exit: Exit::Fault as u8, ..refused }
    }

    /// The refusal in an error of this process.
    pub fn of(error: &anyhow::Error) -> Refused {
        let Some(refusal) = Refusal::of(error) else { return Refused::fault(format!("{error:#}")) };
        let Refusal { exit, code, message, reason, next, data } = refusal.clone();
        Refused { code: code.to_owned(), message, reason, next, exit: exit as u8, data }
    }

    /// What a command printed on stderr: the document of its error, after its warnings.
    pub fn parse(stderr: &str, status: ExitStatus) -> Refused {
        let starts = std::iter::once(0).chain(stderr.match_indices("\n{").map(|(at, _)| at + 1));
        let found = starts.filter_map(|at| serde_json::from_str::<Document>(&stderr[at..]).ok()).next();
        found.map_or_else(
            || Refused::fault(format!("{status}: {}", text::clip(&text::safe_block(stderr), MAX_OTHER))),
            |document| document.error,
        )
    }

    /// The fixes, the tool that helps first. Commands are for an agent with a shell.
    fn fixes(&self) -> Vec<String> {
        let tool = match self.code.as_str() {
            "session.missing" | "session.invalid" | "session.stale" => Some("call the tool boot, and read its answer"),
            "session.dirty" => Some("call the tool boot with allow_dirty, and leave those changes alone"),
            "claim.unassigned" => Some("call the tool claim with allow_unassigned (recorded)"),
            _ if self.next.iter().any(|next| next.contains("teof bus takeover")) => {
                Some("call the tool claim with take_over: the reason")
            }
            "task.missing" | "task.unknown" => Some("see what there is: the resources teof://task/…"),
            _ => None,
        };
        // No tool takes it.
        let next = self.next.iter().filter(|next| !next.contains("--allow-stale-session"));
        tool.map(str::to_owned).into_iter().chain(next.cloned()).collect()
    }

    /// For people and models.
    fn told(&self) -> String {
        let mut lines = vec![format!("error: {} ({})", text::safe(&self.message), self.code)];
        lines.extend(self.reason.iter().map(|reason| format!("cause: {}", text::safe_block(reason))));
        lines.extend(self.fixes().iter().map(|fix| format!("fix: {}", text::safe(fix))));
        lines.join("\n")
    }

    fn document(&self) -> Value {
        json!(Refused { next: self.fixes(), ..self.clone() })
    }

    /// As the result of a tool. Not as structured content: clients hold that to the schema of an answer.
    pub fn result(&self) -> CallToolResult {
        let meta = Map::from_iter([(META.to_owned(), self.document())]);
        CallToolResult::error(vec![ContentBlock::text(self.told())]).with_meta(Some(MetaObject(meta)))
    }

    /// As the answer to a request that has no result.
    pub fn error(&self) -> ErrorData {
        let data = Some(self.document());
        match self.exit {
            exit if exit == Exit::NotFound as u8 => ErrorData::resource_not_found(self.told(), data),
            exit if exit == Exit::Fault as u8 => ErrorData::internal_error(self.told(), data),
            _ => ErrorData::invalid_params(self.told(), data),
        }
    }
}
