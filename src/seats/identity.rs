//! Finds the acting seat: `--agent`, `TEOF_AGENT`, or the manifest.

use crate::base::{Refusal, Result, env, names, text};
use crate::hub::Hub;

use super::manifest;

/// Finds the acting seat.
///
/// `TEOF_AGENT` overrides the manifest, so that several seats can work in one folder. A flag must agree with
/// `TEOF_AGENT` when that is set, else with the manifest when there is one (the playbook: session_guard, "explicit id
/// must equal manifest id"), so that nobody writes under another name by mistake.
///
/// # Errors
/// `agent.mismatch`, `agent.unknown`, an invalid id, or an unreadable manifest.
pub fn resolve(hub: &Hub, flag: Option<&str>) -> Result<String> {
    choose(hub, flag.map(str::trim), env::var(env::AGENT).as_deref().map(str::trim))
}

/// The seat given by flag or `TEOF_AGENT`, which must agree. For `session-boot`, which then updates the manifest
/// itself. The second value says whether `TEOF_AGENT` is set, so that the manifest does not count.
pub fn named(flag: Option<&str>) -> Result<(Option<String>, bool)> {
    let (flag, variable) = (flag.map(str::trim), env::var(env::AGENT));
    for id in flag.into_iter().chain(variable.as_deref()) {
        names::check_id("agent", id.trim())?;
    }
    match (flag, variable) {
        (Some(flag), Some(variable)) if flag != variable.trim() => {
            Err(mismatch(flag, variable.trim(), env::AGENT).into())
        }
        (flag, Some(variable)) => Ok((flag.map(str::to_owned).or(Some(variable.trim().to_owned())), true)),
        (flag, None) => Ok((flag.map(str::to_owned), false)),
    }
}

fn choose(hub: &Hub, flag: Option<&str>, variable: Option<&str>) -> Result<String> {
    for id in [flag, variable].into_iter().flatten() {
        names::check_id("agent", id)?;
    }
    let declared = match variable {
        Some(variable) => Some((variable.to_owned(), env::AGENT.to_owned())),
        None => manifest::current(hub)?.map(|found| (found.agent().to_owned(), found.path.display().to_string())),
    };
    match (flag, declared) {
        (Some(flag), Some((agent, whence))) if flag != agent => Err(mismatch(flag, &agent, &whence).into()),
        (Some(agent), _) => Ok(agent.to_owned()),
        (None, Some((agent, _))) => Ok(agent),
        (None, None) => Err(unknown().into()),
    }
}

fn mismatch(flag: &str, declared: &str, whence: &str) -> Refusal {
    Refusal::guard("agent.mismatch", format!("cannot act as {flag}: this is {declared}'s seat"))
        .because(format!("{} names {declared}", text::safe(whence)))
        .next(format!("use {flag}'s seat here: teof agent use {flag}"))
        .next(format!("or act as {flag} next to others in this folder: set TEOF_AGENT={flag}"))
        .with("agent_id", flag)
        .with("declared", declared)
}

fn unknown() -> Refusal {
    Refusal::usage("agent.unknown", "no seat given")
        .because("no --agent, no TEOF_AGENT, and no AGENT_MANIFEST.json with an agent_id")
        .next("use a seat here: teof agent use <id>")
        .next("or pass it: --agent <id>, or TEOF_AGENT=<id>")
}

#[cfg(test)]
mod tests {
    use super::super::testing::repository;
    use super::*;

    fn code(hub: &Hub, flag: Option<&str>, variable: Option<&str>) -> Result<String, &'static str> {
        choose(hub, flag, variable).map_err(|e| Refusal::of(&e).unwrap_or_else(|| panic!("{e:#}")).code)
    }

    #[test]
    fn the_flag_must_agree_with_what_the_place_says() {
        let (_dir, hub) = repository();
        assert_eq!(code(&hub, None, None), Err("agent.unknown"));
        assert_eq!(code(&hub, Some("a"), None), Ok("a".into()));
        std::fs::write(hub.root.join("AGENT_MANIFEST.json"), r#"{"agent_id": "m"}"#).unwrap();
        let cases = [
            (None, None, Ok("m")),
            (Some("m"), None, Ok("m")),
            (Some("a"), None, Err("agent.mismatch")),
            (None, Some("e"), Ok("e")),
            (Some("e"), Some("e"), Ok("e")),
            (Some("m"), Some("e"), Err("agent.mismatch")),
            (Some(""), None, Err("name.invalid")),
            (Some("../x"), None, Err("name.invalid")),
            (None, Some("a/b"), Err("name.invalid")),
        ];
        for (flag, variable, wanted) in cases {
            assert_eq!(code(&hub, flag, variable), wanted.map(str::to_owned), "{flag:?} {variable:?}");
        }
    }
}
