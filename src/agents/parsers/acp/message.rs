//! What an answer says of the agent and of its session.

use agent_client_protocol_schema::v1::InitializeResponse;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::requests;
use crate::agents::lenient::Scalar;
use crate::agents::parsers::json_rpc::{Message, parse};

/// The model of a session that was opened.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Opened<'a> {
    #[serde(borrow)]
    models: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Models<'a> {
    #[serde(borrow)]
    current_model_id: Scalar<'a>,
}

/// The session's model, where the agent names it beside the options of the session.
pub(super) fn model(result: &RawValue) -> Option<String> {
    let opened: Opened<'_> = serde_json::from_str(result.get()).ok()?;
    let models: Models<'_> = serde_json::from_str(opened.models?.get()).ok()?;
    models.current_model_id.owned()
}

/// What an agent says of itself in its answer to our first message: its name and version. `None` without an answer.
pub fn introduction(printed: &str) -> Option<String> {
    let answers = printed.lines().filter_map(|line| match parse(line.as_bytes())? {
        Message::Answer { to: requests::INITIALIZE, result: Ok(result) } => Some(result),
        _ => None,
    });
    let told = answers.into_iter().find_map(|told| serde_json::from_str::<InitializeResponse>(told.get()).ok())?;
    let named = told.agent_info.map(|info| format!("{} {}", info.name, info.version));
    Some(named.unwrap_or_else(|| format!("speaks version {} of the protocol", told.protocol_version)))
}
