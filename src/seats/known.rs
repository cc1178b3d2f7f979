//! The seats that the hub knows, those with a manifest and those with a session, and which names a new one may have.

use super::{manifest, session};
use crate::base::{Refusal, Result, names, text};
use crate::hub::Hub;
use crate::model::seat::OPERATOR;

/// The ids of the seats that have a manifest or a session.
///
/// # Errors
/// When the manifests cannot be listed.
pub fn ids(hub: &Hub) -> Result<Vec<String>> {
    let seats = manifest::all(hub)?;
    let manifests = seats.iter().map(|seat| seat.agent().to_owned());
    Ok(manifests.chain(session::agents(hub)).collect())
}

/// `no such seat: wroker-1 (did you mean worker-1?)`; `None` for a seat that is known.
///
/// # Errors
/// When the manifests cannot be listed.
pub fn unknown(hub: &Hub, agent: &str) -> Result<Option<String>> {
    let known = ids(hub)?;
    if known.iter().any(|seat| seat == agent) {
        return Ok(None);
    }
    let meant = names::did_you_mean(agent, known.iter().map(String::as_str));
    Ok(Some(format!("no such seat: {}{meant}", text::clip(&text::safe(agent), 60))))
}

/// Refuses a seat that the hub does not know.
///
/// # Errors
/// `seat.unknown` (exit 4).
pub fn require(hub: &Hub, agent: &str) -> Result<()> {
    match unknown(hub, agent)? {
        None => Ok(()),
        Some(message) => Err(Refusal::not_found("seat.unknown", message)
            .because("no manifest and no session has this name")
            .next("see all seats: teof agent list")
            .into()),
    }
}

/// Passes for the name of a known seat, and for a name that a new seat may have.
///
/// # Errors
/// `agent.operator` for the name that stands for people; `seat.twin` for one that differs from a known seat's by case
/// alone: where file names ignore case, both would have the same files.
pub fn check_name(hub: &Hub, agent: &str) -> Result<()> {
    names::check_id("agent", agent)?;
    if agent.eq_ignore_ascii_case(OPERATOR) {
        return Err(Refusal::usage("agent.operator", format!("{agent} cannot be the name of a seat"))
            .because("in the record, operator stands for people, who need no seat")
            .next("choose another name, such as codex-1")
            .into());
    }
    let known = ids(hub)?;
    if known.iter().any(|seat| seat == agent) {
        return Ok(());
    }
    match known.iter().find(|seat| seat.eq_ignore_ascii_case(agent)) {
        None => Ok(()),
        Some(twin) => Err(Refusal::usage("seat.twin", format!("{agent} differs from the seat {twin} by case alone"))
            .because("where file names ignore case, both would use the same files")
            .next(format!("use that seat: teof agent use {twin}"))
            .next("or choose another name")
            .with("seat", twin.as_str())
            .into()),
    }
}

/// Pairs of known seats whose names differ by case alone, or by case from the name that stands for people.
///
/// # Errors
/// When the manifests cannot be listed.
pub fn twins(hub: &Hub) -> Result<Vec<(String, String)>> {
    let mut known = ids(hub)?;
    known.push(OPERATOR.to_owned());
    known.sort_by_key(|seat| (seat.to_ascii_lowercase(), seat.clone()));
    known.dedup();
    let pairs = known.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case(&pair[1]));
    Ok(pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::repository;
    use super::*;

    #[test]
    fn a_new_seat_differs_from_the_known_ones_by_more_than_case_and_is_not_called_operator() {
        let (_dir, hub) = repository();
        for id in ["worker-1", "Codex", "codex"] {
            let manifest = hub.root.join(crate::model::seat::variant(id));
            std::fs::write(manifest, format!("{{\"agent_id\": \"{id}\"}}")).unwrap();
        }
        let code = |name: &str| check_name(&hub, name).map_err(|e| Refusal::of(&e).unwrap().code);
        for (name, wanted) in [
            ("worker-1", Ok(())),
            ("codex", Ok(())),
            ("worker-2", Ok(())),
            ("Worker-1", Err("seat.twin")),
            ("operator", Err("agent.operator")),
            ("OPERATOR", Err("agent.operator")),
            ("../x", Err("name.invalid")),
        ] {
            assert_eq!(code(name), wanted, "{name}");
        }
        assert_eq!(twins(&hub).unwrap(), [("Codex".to_owned(), "codex".to_owned())]);
    }
}
