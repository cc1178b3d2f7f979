//! Parses `opencode run --format json`.
//!
//! Its quirks: most versions print no end. A last step that finished with `stop` is one; after `tool-calls` the run
//! was cut short. One line contains a tool's call and its result. A call that asks for a permission is a failed tool,
//! and the program exits with 0.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::shared::{Emit, LineParser, MAX_TEXT, clipped, tool};
use crate::agents::event::Event;
use crate::agents::failure::{self, Kind};
use crate::agents::lenient::{ErrorText, List, Object, Scalar};
use crate::model::agent::Usage;

#[derive(Debug, Default)]
pub struct Opencode {
    used: Usage,
    named: bool,
    /// Texts of one step belong together.
    speaking: bool,
    failed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Scalar<'a>,
    #[serde(rename = "sessionID")]
    session_id: Scalar<'a>,
    part: Object<Part<'a>>,
    error: Object<Failure<'a>>,
    reason: Scalar<'a>,
    rejected: List<'a, IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Scalar<'a>,
    tool: Scalar<'a>,
    state: Object<State<'a>>,
    reason: Scalar<'a>,
    cost: Scalar<'a>,
    tokens: Object<Tokens<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State<'a> {
    #[serde(borrow)]
    status: Scalar<'a>,
    input: Option<&'a RawValue>,
    output: Scalar<'a>,
    error: ErrorText,
    metadata: Object<Metadata<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    exit: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tokens<'a> {
    #[serde(borrow)]
    input: Scalar<'a>,
    output: Scalar<'a>,
    reasoning: Scalar<'a>,
    cache: Object<Cache<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cache<'a> {
    #[serde(borrow)]
    read: Scalar<'a>,
    write: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Failure<'a> {
    #[serde(borrow)]
    name: Scalar<'a>,
    message: Scalar<'a>,
    data: Object<FailureData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FailureData<'a> {
    #[serde(borrow)]
    message: Scalar<'a>,
    status_code: Scalar<'a>,
}

impl LineParser for Opencode {
    type Line<'a> = Line<'a>;

    fn read(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        if !self.named && line.session_id.text().is_some() {
            self.named = true;
            emit(Event::Started { session: line.session_id.owned(), model: None });
        }
        let part = line.part.0.as_ref();
        match (line.kind.text().unwrap_or_default(), part) {
            ("step_start", _) => {
                (self.speaking, self.failed) = (false, false);
                emit(Event::Turn);
            }
            ("reasoning", _) => emit(Event::Progress),
            ("text", Some(part)) => {
                if let Some(text) = part.text.text() {
                    let more = std::mem::replace(&mut self.speaking, true);
                    emit(Event::Text { text: if more { format!("\n{text}") } else { text.to_owned() }, more });
                }
            }
            ("tool_use", Some(part)) => self.tool_use(part, emit),
            ("step_finish", Some(part)) => self.finished(part, emit),
            ("error", _) => self.error(line, emit),
            ("done", _) => self.done(line, emit),
            _ => {}
        }
    }
}

impl Opencode {
    fn tool_use(&mut self, part: &Part<'_>, emit: Emit<'_>) {
        self.speaking = false;
        let Some(state) = &part.state.0 else { return emit(tool(part.tool.text(), None)) };
        emit(tool(part.tool.text(), state.input));
        let error = state.error.0.as_deref();
        let exit = state.metadata.0.as_ref().map(|metadata| &metadata.exit);
        let ok = state.status.is("completed") && matches!(exit, None | Some(Scalar::Nothing | Scalar::Whole(0)));
        let output = state.output.text().or(error).unwrap_or_default();
        emit(Event::ToolResult { ok, output: clipped(output, MAX_TEXT) });
        if let Some(error) = error.filter(|error| error.to_lowercase().contains("rejected permission")) {
            let name = part.tool.text().unwrap_or("a tool");
            emit(Event::Rejected(failure::why(&format!("{name} was not allowed: {error}"))));
        }
    }

    fn finished(&mut self, part: &Part<'_>, emit: Emit<'_>) {
        let tokens = part.tokens.0.as_ref().map(Tokens::usage).unwrap_or_default();
        self.used = self.used.plus(Usage { cost_usd: part.cost.sum(), ..tokens });
        emit(Event::Usage(self.used));
        let error = match part.reason.text().unwrap_or_default() {
            "stop" => return emit(Event::Result { ok: true, text: None, error: None, kind: None }),
            "length" => "its answer reached the model's output limit",
            "content-filter" => "the service's filter cut off its answer",
            "error" => "its last step ended with an error",
            _ => return,
        };
        emit(Event::Result { ok: false, text: None, error: Some(error.to_owned()), kind: Some(Kind::Turns) });
    }

    fn error(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        self.failed = true;
        let failure = line.error.0.as_ref();
        let data = failure.and_then(|failure| failure.data.0.as_ref());
        let error = data
            .and_then(|data| data.message.owned())
            .or_else(|| failure.and_then(|failure| failure.message.owned().or_else(|| failure.name.owned())))
            .unwrap_or_else(|| "it reports an error".to_owned());
        let kind = failure::kind_of(data.and_then(|data| data.status_code.whole()), &error);
        emit(Event::Result { ok: false, text: None, error: Some(error), kind: Some(kind) });
    }

    /// The end, where a version prints one.
    fn done(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        let count = line.rejected.items.len();
        if count > 0 {
            let error = Some(format!("{count} calls of tools were not allowed"));
            return emit(Event::Result { ok: false, text: None, error, kind: Some(Kind::Rejected) });
        }
        if !self.failed && line.reason.is("idle") {
            emit(Event::Result { ok: true, text: None, error: None, kind: None });
        }
    }
}

impl Tokens<'_> {
    fn usage(&self) -> Usage {
        let (read, written) = self.cache.0.as_ref().map_or((0, 0), |cache| (cache.read.count(), cache.write.count()));
        Usage {
            input_tokens: self.input.count().saturating_add(read).saturating_add(written),
            cached_tokens: read,
            output_tokens: self.output.count().saturating_add(self.reasoning.count()),
            cost_usd: None,
        }
    }
}
