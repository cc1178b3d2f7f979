//! The selector over real trees: what is chosen, and why the rest has to wait.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teof::base::Clock;
use teof::conductor::candidate::{Candidate, Taker};
use teof::conductor::select::Reason;
use teof::conductor::sources::{Scope, Submission};
use teof::conductor::{Observation, observe};
use teof::hub::Hub;

use crate::harness::World;

const SEAT: Taker<'_> = Taker::Seat("codex-1");

fn both() -> Scope {
    Scope { backlog: true, plans: true, ..Scope::default() }
}

fn see(world: &World, scope: &Scope, taker: Taker<'_>) -> Observation {
    let hub = Hub::find(Some(&world.repo), Clock::Machine).unwrap();
    observe(&hub, scope, taker, BTreeMap::new()).unwrap()
}

fn eligible(look: &Observation) -> Vec<&str> {
    look.ranking.eligible.iter().map(|c| c.task_id.as_str()).collect()
}

fn reason(look: &Observation, task: &str) -> Option<Reason> {
    look.ranking.skipped.iter().find(|skipped| skipped.task_id == task).map(|skipped| skipped.reason)
}

#[test]
fn a_claim_whose_lease_has_ended_is_named_and_not_taken() {
    let mut world = World::new();
    backlog(&world, json!([item("A", "")]));
    world.now = Some("2026-01-05T10:00:00Z".into());
    world.ok(&["session-boot", "--no-sync", "--agent", "codex-2", "--allow-branch-mismatch"]);
    world.ok(&["bus", "claim", "A", "--agent", "codex-2", "--allow-unassigned", "--lease", "10m"]);
    let at = |minute: i64| {
        let now = teof::base::Stamp::parse("2026-01-05T10:00:00Z").unwrap().unix() + minute * 60;
        let mut hub = Hub::find(Some(&world.repo), Clock::Machine).unwrap();
        hub.clock = Clock::Fixed(teof::base::Stamp::from_unix(now));
        observe(&hub, &both(), SEAT, BTreeMap::new()).unwrap()
    };
    assert_eq!(reason(&at(9), "A"), Some(Reason::Claimed));
    let look = at(10);
    assert_eq!(reason(&look, "A"), Some(Reason::LeaseOver));
    assert!(look.ranking.skipped[0].text.contains("the lease of codex-2 ended"), "{:?}", look.ranking.skipped[0]);
}

fn backlog(world: &World, items: Value) {
    world.write("_plans/next-development.todo.json", &json!({"version": 0, "items": items}).to_string());
}

fn item(id: &str, plan: &str) -> Value {
    json!({"id": id, "title": id, "status": "pending", "plan_suggestion": plan})
}

/// A valid plan with the steps S1, S2, … of these statuses.
fn plan(world: &World, slug: &str, steps: &[&str]) -> String {
    let id = format!("2026-01-05-{slug}");
    let steps: Vec<_> = steps
        .iter()
        .enumerate()
        .map(|(i, status)| json!({"id": format!("S{}", i + 1), "title": "A step", "status": status, "receipts": []}))
        .collect();
    let text = json!({
        "version": 0, "plan_id": id, "created": "2026-01-05T00:00:00Z", "actor": "ana", "summary": slug,
        "status": "in_progress", "priority": 3, "layer": "L5", "systemic_scale": 4, "systemic_targets": ["S4"],
        "impact_score": 1, "steps": steps,
        "checkpoint": {"description": "works", "owner": "ana", "status": "pending"}, "receipts": [], "links": [],
    });
    world.write(&format!("_plans/{id}.plan.json"), &text.to_string());
    id
}

fn claim(world: &World, task: &str, status: &str, plan: Option<&str>) {
    let claim = json!({"task_id": task, "agent_id": "codex-2", "branch": "agent/codex-2/x", "status": status,
        "claimed_at": "2026-01-05T00:00:00Z", "plan_id": plan});
    world.write(&format!("_bus/claims/{task}.json"), &claim.to_string());
}

#[test]
fn an_item_stands_for_its_plans_next_step_and_the_step_is_not_offered_twice() {
    let world = World::new();
    let id = plan(&world, "a", &["done", "queued", "queued"]);
    backlog(&world, json!([item("ND-1", &id), item("ND-2", "2026-01-05-not-there")]));
    let found = see(&world, &both(), SEAT);
    assert_eq!(eligible(&found), ["ND-1", "ND-2"]);
    let Candidate { step_id, plan_id, .. } = &found.ranking.eligible[0];
    assert_eq!((step_id.as_deref(), plan_id.as_deref()), (Some("S2"), Some(id.as_str())));
    // Once the item is done, or the backlog is not looked at, the plan speaks for itself.
    backlog(&world, json!([{"id": "ND-1", "status": "done", "plan_suggestion": id}]));
    assert_eq!(eligible(&see(&world, &both(), SEAT)), [format!("{id}-S2")]);
}

#[test]
fn only_items_that_are_exactly_pending_are_taken() {
    let world = World::new();
    let mut items: Vec<_> = ["pending", "in_progress", "blocked", "done", "queued", "Pending"]
        .iter()
        .map(|status| json!({"id": format!("ND-{status}"), "status": status}))
        .collect();
    items.push(json!({"id": "ND-none"}));
    items.push(json!({"id": "../escape", "status": "pending"}));
    backlog(&world, json!(items));
    let found = see(&world, &both(), SEAT);
    assert_eq!(eligible(&found), ["ND-pending"]);
    assert_eq!(reason(&found, "ND-in_progress"), Some(Reason::Orphaned));
    assert_eq!(reason(&found, "ND-blocked"), Some(Reason::Blocked));
    for damaged in ["ND-queued", "ND-Pending", "ND-none", "../escape"] {
        assert_eq!(reason(&found, damaged), Some(Reason::Damaged), "{damaged}");
    }
    assert_eq!(reason(&found, "ND-done"), None);
}

#[test]
fn a_plan_waits_for_its_blocked_step_and_for_whoever_holds_it() {
    let world = World::new();
    let blocked = plan(&world, "blocked", &["done", "blocked", "queued"]);
    let held = plan(&world, "held", &["queued"]);
    let stepped = plan(&world, "stepped", &["queued", "queued"]);
    let free = plan(&world, "free", &["queued"]);
    let ended = plan(&world, "ended", &["done"]);
    claim(&world, "PLAN-held", "active", Some(&held));
    claim(&world, &format!("{stepped}-S1"), "paused", None);
    claim(&world, "OLD", "done", Some(&free));
    let found = see(&world, &both(), SEAT);
    assert_eq!(eligible(&found), [format!("{free}-S1")]);
    assert_eq!(reason(&found, &format!("{blocked}-S2")), Some(Reason::Blocked));
    assert_eq!(reason(&found, &format!("{held}-S1")), Some(Reason::Claimed));
    assert_eq!(reason(&found, &format!("{stepped}-S1")), Some(Reason::Claimed));
    assert_eq!(reason(&found, &ended), Some(Reason::Unclosed), "its steps are done, it is not");
}

#[test]
fn damaged_files_are_named_and_never_look_free() {
    let world = World::new();
    let id = plan(&world, "a", &["queued"]);
    backlog(&world, json!([item("ND-1", ""), item("ND-2", ""), item("ND-3", "")]));
    world.write("_bus/claims/ND-1.json", "{ torn");
    claim(&world, "ND-2", "pending", None);
    world.write("_bus/assignments/ND-3.json", "[]");
    world.write("_plans/2026-01-05-torn.plan.json", "{");
    let found = see(&world, &both(), SEAT);
    assert_eq!(eligible(&found), [format!("{id}-S1")]);
    for task in ["ND-1", "ND-2", "ND-3", "2026-01-05-torn"] {
        assert_eq!(reason(&found, task), Some(Reason::Damaged), "{task}");
    }
    world.write("_plans/next-development.todo.json", "{");
    let found = see(&world, &both(), SEAT);
    assert_eq!(eligible(&found), [format!("{id}-S1")], "the plans go on");
    assert_eq!(reason(&found, "_plans/next-development.todo.json"), Some(Reason::Damaged));
}

#[test]
fn a_submission_comes_first_and_one_that_cannot_be_met_says_why() {
    let world = World::new();
    let id = plan(&world, "a", &["done", "queued"]);
    let other = plan(&world, "b", &["queued", "queued"]);
    backlog(&world, json!([{"id": "ND-1", "status": "pending", "priority": "high"}, item("ND-2", "")]));
    let submit = |task: &str, plan: Option<&str>, step: Option<&str>| Submission {
        task_id: task.into(),
        plan_id: plan.map(str::to_owned),
        step_id: step.map(str::to_owned),
        priority: None,
    };
    let submissions = vec![
        submit(&id, None, None),
        submit("ND-2", None, None),
        submit("x", Some(&other), Some("S2")),
        submit("NOPE", None, None),
    ];
    let scope = Scope { backlog: true, submissions, ..Scope::default() };
    let found = see(&world, &scope, SEAT);
    assert_eq!(eligible(&found), [&format!("{id}-S2"), "ND-2", "ND-1"]);
    assert_eq!(reason(&found, "x"), Some(Reason::Unavailable), "S1 comes before S2");
    assert_eq!(reason(&found, "NOPE"), Some(Reason::Unavailable));
}

#[test]
fn a_submission_reaches_a_source_that_is_switched_off_and_opens_nothing_else_there() {
    let world = World::new();
    let (a, b) = (plan(&world, "a", &["queued"]), plan(&world, "b", &["queued"]));
    backlog(&world, json!([item("ND-1", &a), item("ND-2", "")]));
    let submissions = vec![Submission { task_id: "ND-2".into(), ..Submission::default() }];
    let found = see(&world, &Scope { plans: true, submissions, ..Scope::default() }, SEAT);
    assert_eq!(eligible(&found), ["ND-2".to_owned(), format!("{a}-S1"), format!("{b}-S1")]);
}

#[test]
fn assignments_are_offered_where_they_are_asked_for_and_not_once_their_item_is_done() {
    let world = World::new();
    backlog(&world, json!([item("ND-1", ""), {"id": "ND-2", "status": "done"}]));
    for task in ["ND-2", "ASKED"] {
        let wish =
            json!({"task_id": task, "engineer": "codex-1", "manager": "m", "assigned_at": "2026-01-05T00:00:00Z"});
        world.write(&format!("_bus/assignments/{task}.json"), &wish.to_string());
    }
    let all = Scope { assignments: true, ..both() };
    assert_eq!(eligible(&see(&world, &all, SEAT)), ["ASKED", "ND-1"]);
    assert_eq!(eligible(&see(&world, &all, Taker::Seat("codex-2"))), ["ND-1"]);
    assert_eq!(eligible(&see(&world, &both(), SEAT)), ["ND-1"]);
}

#[test]
fn only_unattended_work_needs_commands() {
    let world = World::new();
    let id = plan(&world, "a", &["queued"]);
    let task = format!("{id}-S1");
    assert_eq!(eligible(&see(&world, &both(), SEAT)), [task.as_str()]);
    assert_eq!(reason(&see(&world, &both(), Taker::Worker), &task), Some(Reason::NothingToRun));
    let path = format!("_plans/{id}.plan.json");
    let mut text = world.read_json(&path);
    text["steps"][0]["commands"] = json!([["true"]]);
    world.write(&path, &text.to_string());
    assert_eq!(reason(&see(&world, &both(), Taker::Worker), &task), Some(Reason::NotApproved));
}

#[test]
fn prerequisites_stop_the_backlog_and_nothing_else() {
    let world = World::new();
    let id = plan(&world, "a", &["queued"]);
    let text = json!({"prerequisites": {"min_overall_trust": 0.7}, "items": [item("ND-1", "")]});
    world.write("_plans/next-development.todo.json", &text.to_string());
    let found = see(&world, &both(), SEAT);
    assert_eq!(eligible(&found), [format!("{id}-S1")]);
    assert_eq!(reason(&found, "ND-1"), Some(Reason::Prerequisites));
    world.write("_report/usage/external-authenticity.json", r#"{"overall_avg_trust": 0.7}"#);
    assert_eq!(eligible(&see(&world, &both(), SEAT)).len(), 2);
}

#[test]
fn ten_thousand_items_are_ranked_as_one() {
    let world = World::new();
    let items: Vec<_> = (0..10_000).map(|n| item(&format!("ND-{n}"), "")).collect();
    backlog(&world, json!(items));
    let found = see(&world, &both(), SEAT);
    assert_eq!(found.ranking.eligible.len(), 10_000);
    assert_eq!(found.ranking.eligible[0].task_id, "ND-0");
}
