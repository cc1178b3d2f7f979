//! Parses `gemini -o stream-json`.
//!
//! Its quirks: a run that was stopped (a loop, too many turns) reports that in an `error` and may still end in
//! `success`; the answer comes in pieces; the model is named `auto` until the end.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::shared::{Emit, LineParser, MAX_TEXT, clipped, tool};
use crate::agents::event::Event;
use crate::agents::failure::{self, Kind};
use crate::agents::lenient::{Entries, ErrorText, Object, Scalar};
use crate::model::agent::Usage;

#[derive(Debug, Default)]
pub struct Gemini {
    /// Whether the last thing told was a piece of an answer.
    speaking: bool,
    /// What stopped it before the end.
    stopped: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Scalar<'a>,
    session_id: Scalar<'a>,
    model: Scalar<'a>,
    role: Scalar<'a>,
    content: Scalar<'a>,
    delta: Scalar<'a>,
    tool_name: Scalar<'a>,
    parameters: Option<&'a RawValue>,
    status: Scalar<'a>,
    output: Scalar<'a>,
    message: Scalar<'a>,
    error: ErrorText,
    stats: Object<Stats<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stats<'a> {
    #[serde(borrow)]
    total_tokens: Scalar<'a>,
    input_tokens: Scalar<'a>,
    output_tokens: Scalar<'a>,
    cached: Scalar<'a>,
    models: Entries<Object<OfModel<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OfModel<'a> {
    #[serde(borrow)]
    total_tokens: Scalar<'a>,
}

impl LineParser for Gemini {
    type Line<'a> = Line<'a>;

    fn read(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        let spoke = std::mem::take(&mut self.speaking);
        match line.kind.text().unwrap_or_default() {
            "init" => {
                let model = line.model.owned().filter(|model| model != "auto");
                emit(Event::Started { session: line.session_id.owned(), model });
                emit(Event::Turn);
            }
            "message" if line.role.is("assistant") => {
                let more = line.delta.truth() == Some(true);
                if let Some(text) = line.content.owned() {
                    self.speaking = more;
                    emit(Event::Text { text, more: more && spoke });
                }
            }
            "tool_use" => emit(tool(line.tool_name.text(), line.parameters)),
            "tool_result" => {
                let output = clipped(line.output.text().unwrap_or_default(), MAX_TEXT);
                emit(Event::ToolResult { ok: line.status.is("success"), output });
            }
            "error" => {
                let why = failure::why(line.message.text().or(line.error.0.as_deref()).unwrap_or("an error"));
                self.stopped.get_or_insert_with(|| why.clone());
                emit(Event::Warning(why));
            }
            "result" => self.result(line, emit),
            _ => self.speaking = spoke,
        }
    }
}

impl Gemini {
    fn result(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        if let Some(stats) = &line.stats.0 {
            emit(Event::Usage(stats.usage()));
            let most =
                stats.models.0.iter().max_by_key(|(_, of)| of.0.as_ref().map_or(0, |of| of.total_tokens.count()));
            if let Some((model, _)) = most {
                emit(Event::Started { session: None, model: Some(model.clone()) });
            }
        }
        let (error, kind) = match (line.status.is("success"), &self.stopped) {
            (true, None) => return emit(Event::Result { ok: true, text: None, error: None, kind: None }),
            (true, Some(why)) => (why.clone(), Kind::Turns),
            (false, stopped) => {
                let error = line.error.0.clone().or_else(|| stopped.clone());
                let error = error.unwrap_or_else(|| "it ends with an error".to_owned());
                let kind = failure::kind_of(None, &error);
                (error, kind)
            }
        };
        emit(Event::Result { ok: false, text: None, error: Some(error), kind: Some(kind) });
    }
}

impl Stats<'_> {
    /// What `output_tokens` leaves out, such as thoughts, is in the total.
    fn usage(&self) -> Usage {
        let input = self.input_tokens.count();
        Usage {
            input_tokens: input,
            cached_tokens: self.cached.count(),
            output_tokens: self.output_tokens.count().max(self.total_tokens.count().saturating_sub(input)),
            cost_usd: None,
        }
    }
}
