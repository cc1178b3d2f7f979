//! What codex reports of a turn beside its items: tokens, the account's limits, its plan, and why the turn failed.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::agents::event::{Event, RateLimit};
use crate::agents::failure::{self, Kind};
use crate::agents::lenient::{Object, Scalar};
use crate::agents::parsers::shared::{Emit, clipped, quota};
use crate::agents::parsers::usage;
use crate::model::agent::{Quota, Usage};

/// How many threads are counted, and how long an id may be.
const MAX_THREADS: usize = 256;
const MAX_ID: usize = 200;
/// The limit that every account has; the others are of single models.
const OWN_LIMIT: &str = "codex";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts<'a> {
    #[serde(borrow, alias = "inputTokens")]
    input_tokens: Scalar<'a>,
    #[serde(alias = "cachedInputTokens")]
    cached_input_tokens: Scalar<'a>,
    #[serde(alias = "outputTokens")]
    output_tokens: Scalar<'a>,
}

impl Counts<'_> {
    /// `input_tokens` includes the cached ones, `output_tokens` the reasoning.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.input_tokens.count(),
            cached_tokens: self.cached_input_tokens.count(),
            output_tokens: self.output_tokens.count(),
            cost_usd: None,
        }
    }
}

/// What a thread used: all of it, and its last request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenUsage<'a> {
    #[serde(borrow)]
    total: Object<Counts<'a>>,
    last: Object<Counts<'a>>,
}

/// What each thread of a call used before it, and by now: its own thread, and those of its subagents.
#[derive(Debug, Default)]
pub(super) struct Used {
    threads: HashMap<String, (Usage, Usage)>,
}

impl Used {
    /// What all of them used in this call, after this report. A thread that is continued, or that began as a copy,
    /// counts from its first request in this call on.
    pub(super) fn report(&mut self, thread: &str, report: &TokenUsage<'_>) -> Option<Usage> {
        let total = report.total.0.as_ref()?.usage();
        let is_known = self.threads.contains_key(thread);
        if is_known || self.threads.len() < MAX_THREADS {
            let before = || report.last.0.as_ref().map_or(Usage::default(), |last| usage::since(total, last.usage()));
            self.threads.entry(clipped(thread, MAX_ID)).or_insert_with(|| (before(), total)).1 = total;
        }
        let each = self.threads.values().map(|(before, total)| usage::since(*total, *before));
        Some(each.fold(Usage::default(), Usage::plus))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RateLimits<'a> {
    #[serde(borrow)]
    limit_id: Scalar<'a>,
    limit_name: Scalar<'a>,
    primary: Object<Window<'a>>,
    secondary: Object<Window<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Window<'a> {
    #[serde(borrow)]
    used_percent: Scalar<'a>,
    window_duration_mins: Scalar<'a>,
    resets_at: Scalar<'a>,
}

impl RateLimits<'_> {
    /// How much of each limit is used.
    pub(super) fn quotas(&self) -> impl Iterator<Item = Quota> {
        let of = [&self.limit_name, &self.limit_id].into_iter().find_map(Scalar::text).unwrap_or(OWN_LIMIT);
        let windows = [&self.primary, &self.secondary].into_iter().filter_map(|window| window.0.as_ref());
        windows.filter_map(move |window| {
            let span = match window.window_duration_mins.whole() {
                Some(300) => "five_hour".to_owned(),
                Some(10_080) => "seven_day".to_owned(),
                Some(minutes) if minutes % 1440 == 0 => format!("{}-day", minutes / 1440),
                Some(minutes) if minutes % 60 == 0 => format!("{}-hour", minutes / 60),
                Some(minutes) => format!("{minutes}-minute"),
                None => "account".to_owned(),
            };
            let name = if of == OWN_LIMIT { span } else { format!("{of} {span}") };
            match quota(&name, window.used_percent.sum(), &window.resets_at)? {
                Event::Quota(quota) => Some(quota),
                _ => None,
            }
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step<'a> {
    #[serde(borrow)]
    pub step: Scalar<'a>,
    pub status: Scalar<'a>,
}

/// Why a request or a turn failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TurnError<'a> {
    #[serde(borrow)]
    message: Scalar<'a>,
    additional_details: Scalar<'a>,
    codex_error_info: Option<&'a RawValue>,
}

impl TurnError<'_> {
    /// For people.
    pub(super) fn why(&self) -> String {
        let message = failure::why(self.message.text().unwrap_or("the turn failed"));
        match self.additional_details.text() {
            Some(details) => format!("{message}: {}", failure::why(details)),
            None => message,
        }
    }

    /// Its own name for the failure decides, then the status of its service, then the words.
    pub(super) fn kind(&self) -> Kind {
        let info = self.codex_error_info.and_then(|info| serde_json::from_str::<Value>(info.get()).ok());
        let (name, status) = match &info {
            Some(Value::String(name)) => (name.as_str(), None),
            Some(Value::Object(variant)) => variant.iter().next().map_or(("", None), |(name, fields)| {
                (name.as_str(), fields.get("httpStatusCode").and_then(Value::as_u64))
            }),
            _ => ("", None),
        };
        let said = match failure::kind_of(status, &self.why()) {
            Kind::Billing => return Kind::Billing,
            kind => kind,
        };
        match name {
            "usageLimitExceeded" | "rateLimitExceeded" => Kind::Limit,
            "unauthorized" => Kind::Account,
            "badRequest" | "modelNotFound" => Kind::Request,
            "sessionBudgetExceeded" => Kind::Budget,
            "serverOverloaded" | "internalServerError" | "flexUnavailable" => Kind::Service,
            "httpConnectionFailed" | "responseStreamConnectionFailed" | "responseStreamDisconnected"
                if said == Kind::Other =>
            {
                Kind::Service
            }
            _ => said,
        }
    }

    /// The event that says when the limit ends which failed the turn.
    pub(super) fn limit(&self, known: &[Quota], emit: Emit<'_>) {
        let ends = known.iter().filter(|quota| quota.used >= 100).max_by_key(|quota| quota.until);
        if let Some(ends) = ends.filter(|_| self.kind() == Kind::Limit) {
            emit(Event::RateLimit(RateLimit {
                rejected: true,
                resets_at: Some(ends.until),
                what: ends.window.clone(),
            }));
        }
    }
}
