//! Parses `codex exec --json`.
//!
//! Its quirks: it may retry after a top-level `error`; an item of type `error` is a warning; `usage` is the thread's
//! running total; some items only report their end, some never do. What its service says of the account's limits is not
//! in the stream.

use serde::Deserialize;

use super::items::{Item, Items};
use super::reports::Counts;
use crate::agents::event::Event;
use crate::agents::failure;
use crate::agents::lenient::{ErrorText, Object, Scalar};
use crate::agents::parsers::shared::{Emit, LineParser};
use crate::agents::parsers::usage;
use crate::model::agent::Usage;

#[derive(Debug)]
pub struct Codex {
    earlier: Usage,
    items: Items,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Scalar<'a>,
    thread_id: Scalar<'a>,
    message: Scalar<'a>,
    error: ErrorText,
    item: Object<Item<'a>>,
    usage: Object<Counts<'a>>,
}

impl Codex {
    pub fn new(earlier: Usage) -> Self {
        Self { earlier, items: Items::default() }
    }
}

impl LineParser for Codex {
    type Line<'a> = Line<'a>;

    fn read(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        match line.kind.text().unwrap_or_default() {
            "thread.started" => emit(Event::Started { session: line.thread_id.owned(), model: None }),
            "turn.started" => emit(Event::Turn),
            kind @ ("item.started" | "item.updated" | "item.completed") => {
                if let Some(item) = &line.item.0 {
                    self.items.take(item, kind == "item.completed", emit);
                }
            }
            "turn.completed" => {
                if let Some(counts) = &line.usage.0 {
                    emit(Event::Usage(usage::since(counts.usage(), self.earlier)));
                }
                emit(Event::Result { ok: true, text: None, error: None, kind: None });
            }
            "turn.failed" => {
                let error = line.error.0.clone().unwrap_or_else(|| "the turn failed".to_owned());
                let kind = Some(failure::kind_of(None, &error));
                emit(Event::Result { ok: false, text: None, error: Some(error), kind });
            }
            "error" => {
                let why = line.message.text().or(line.error.0.as_deref()).unwrap_or("it reports an error");
                emit(Event::Trouble { why: failure::why(why), kind: failure::kind_of(None, why) });
            }
            _ => {}
        }
    }
}
