//! Takes a free seat from the pool (`session-boot --auto-agent`), and names seats that are made for unattended work.

use std::time::Duration;

use super::manifest::{self, Manifest};
use super::retired;
use crate::base::{Refusal, Result, Stamp, names, time};
use crate::hub::Hub;

/// How the seats are called that are made for unattended work.
const MADE: &str = "worker-";

/// A seat of the pool.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub agent: String,
    /// It has an active or paused claim.
    pub claims: bool,
    pub is_retired: bool,
    /// When it last booted or renewed its session.
    pub last_session: Option<Stamp>,
}

/// The seats that work: every manifest's but the manager's, those that only review or manage, and retired ones.
pub fn workers(hub: &Hub, manager: &str) -> Result<Vec<Manifest>> {
    let works = |roles: &[&str]| roles.is_empty() || roles.iter().any(|role| !["manager", "reviewer"].contains(role));
    let mut seats = manifest::all(hub)?;
    let retired = retired::ids(hub);
    seats.retain(|found| {
        found.agent() != manager && works(&found.seat.desired_roles()) && !retired.contains(found.agent())
    });
    Ok(seats)
}

/// The next seat for unattended work beyond those that have a manifest: `worker-N` with the first number that is not
/// taken.
pub fn next_name(is_taken: impl Fn(&str) -> bool) -> String {
    (1_u64..).map(made).find(|name| !is_taken(name)).expect("numbers do not end")
}

/// The n-th seat for unattended work.
pub fn made(n: u64) -> String {
    format!("{MADE}{n}")
}

/// Whether it is called as those seats are.
pub fn is_made(agent: &str) -> bool {
    agent.strip_prefix(MADE).is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The first seat without a live claim that never had a session, or none for `stale`.
///
/// Without a free seat, the playbook's tool took the seat that was idle longest. Then two agents share a seat and
/// exclusive claims fail, so teof refuses.
pub fn choose(pool: &[Candidate], now: Stamp, stale: Duration) -> Result<&str> {
    // A session in the future is ignored; otherwise the seat would never be free again.
    let is_over = |at: Stamp| now.since(at) > stale || at > now.plus(time::SKEW);
    let free = |seat: &&Candidate| !seat.claims && !seat.is_retired && seat.last_session.is_none_or(is_over);
    if let Some(seat) = pool.iter().find(free) {
        names::check_id("agent", &seat.agent)?;
        return Ok(&seat.agent);
    }
    let what = |seat: &Candidate| match (seat.claims, seat.last_session) {
        _ if seat.is_retired => format!("{} is retired", seat.agent),
        (true, _) => format!("{} holds a claim", seat.agent),
        (false, Some(at)) => format!("{} had a session at {at}", seat.agent),
        (false, None) => seat.agent.clone(),
    };
    let why = pool.iter().map(what).collect::<Vec<_>>().join(", ");
    Err(Refusal::held("agent.pool_full", "no seat of the pool is free")
        .because(if why.is_empty() { "the pool is empty".to_owned() } else { why })
        .next(format!("a seat becomes free {} after its last session, if it holds no claims", time::show_span(stale)))
        .next("add seats: --auto-agent-pool <id>, or [session] pool in teof.toml")
        .into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repository, write};
    use super::*;

    #[test]
    fn retired_seats_get_no_unattended_work() {
        let (_dir, hub) = repository();
        for agent in ["manager", "codex-1", "codex-2"] {
            write(&hub, &format!("AGENT_MANIFEST.{agent}.json"), &format!("{{\"agent_id\": \"{agent}\"}}"));
        }
        write(&hub, &retired::path("codex-1"), "{\"status\": \"retired\"}");
        let seats: Vec<_> = workers(&hub, "manager").unwrap().iter().map(|seat| seat.agent().to_owned()).collect();
        assert_eq!(seats, ["codex-2"]);
    }

    #[test]
    fn a_seat_is_free_without_claims_and_without_a_recent_session() {
        let now = Stamp::parse("2026-01-05T10:00:00Z").unwrap();
        let stale = Duration::from_secs(90 * 60);
        let seat = |agent: &str, claims, minutes: Option<u64>| Candidate {
            agent: agent.into(),
            claims,
            is_retired: false,
            last_session: minutes.map(|m| now.minus(Duration::from_secs(m * 60))),
        };
        let busy = [seat("a", true, Some(500)), seat("b", false, Some(90)), seat("c", true, None)];
        let error = choose(&busy, now, stale).unwrap_err();
        let why = Refusal::of(&error).unwrap().reason.clone().unwrap();
        assert_eq!(why, "a holds a claim, b had a session at 2026-01-05T08:30:00Z, c holds a claim");
        let pool = [&busy[..], &[seat("d", false, Some(91)), seat("e", false, None)]].concat();
        assert_eq!(choose(&pool, now, stale).unwrap(), "d");
        assert_eq!(choose(&pool[4..], now, stale).unwrap(), "e");
        let retired = Candidate { is_retired: true, ..seat("g", false, None) };
        let error = choose(&[retired], now, stale).unwrap_err();
        assert_eq!(Refusal::of(&error).unwrap().reason.as_deref(), Some("g is retired"));
        let future = Candidate { last_session: Stamp::parse("2099-01-01T00:00:00Z"), ..seat("f", false, None) };
        assert_eq!(choose(&[future], now, stale).unwrap(), "f");
        assert_eq!(next_name(|name| ["worker-1", "worker-3"].contains(&name)), "worker-2");
        assert!(is_made("worker-2") && !is_made("worker-") && !is_made("worker-2a") && !is_made("codex-2"));
    }
}
