//! The files that teof reads and writes.

use super::format::{Format, format, read, written};
use crate::coordinator::executor::projection::Projection;
use crate::foreman::reporting::envelope::Envelope;
use crate::guard::consent::Consent;
use crate::hub::settings::Settings;
use crate::model::assignment::Assignment;
use crate::model::backlog::BacklogFields;
use crate::model::claim::Claim;
use crate::model::event::EventFields;
use crate::model::message::MessageFields;
use crate::model::plan::fields::PlanFields;
use crate::model::run::bundle::Bundle;
use crate::model::run::live::Live;
use crate::model::run::order::OrderFields;
use crate::model::run::outcome::Outcome;
use crate::model::seat::SeatFields;
use crate::receipts::ledger::EntryFields;
use crate::review::decision::{Decision, MemoryLine};
use crate::sessions::SessionRecord;

pub(super) const FILES: &[Format] = &[
    format("settings", "teof.toml", read::<Settings>),
    format("claim", "_bus/claims/<task>.json", read::<Claim>),
    format("assignment", "_bus/assignments/<task>.json", read::<Assignment>),
    format("event", "a line of _bus/events/events*.jsonl", read::<EventFields>),
    format("message", "a line of _bus/messages/<channel>.jsonl", read::<MessageFields>),
    format("plan", "_plans/<id>.plan.json", read::<PlanFields>),
    format("backlog", "_plans/next-development.todo.json", read::<BacklogFields>),
    format("manifest", "AGENT_MANIFEST.json, AGENT_MANIFEST.<id>.json", read::<SeatFields>),
    format("consent", "docs/automation/autonomy-consent.json", read::<Consent>),
    format("order", "_report/agent/<id>/manifests/manifest-*.json", read::<OrderFields>),
    format("envelope", "_report/agent/<id>/runs/*.json", written::<Envelope>),
    format("bundle", "_report/agent/<id>/reviews/*.json", read::<Bundle>),
    format("decision", "_report/agent/<manager>/reviews/*-<decision>.json", read::<Decision>),
    format("ledger", "a line of _report/receipts.jsonl", read::<EntryFields>),
    format("memory", "a line of memory/log.jsonl", written::<MemoryLine>),
    format("state", "_report/agent/<manager>/state.json", written::<Projection>),
    format("live", "<git common dir>/teof/live/<run>.json", read::<Live>),
    format(
        "session",
        "$XDG_STATE_HOME/teof/projects/<encoded path>/sessions/<id>/metadata.json",
        read::<SessionRecord>,
    ),
    format("outcome", "<git common dir>/teof/runs/<run>.json", read::<Outcome>),
];
