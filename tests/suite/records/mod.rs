//! The playbook's record keeping: evidence, what is kept, the tasks' stores, plans' statuses, sessions, consensus.

mod consensus;
mod evidence;
mod kept;
mod sessions;
mod tasks;

use crate::harness::World;

/// A hub with the seats `codex-1` (here, with a fresh session) and `codex-2`.
fn world() -> World {
    let mut world = World::new();
    world.now = Some("2026-01-05T10:00:00Z".into());
    for (file, seat) in [("AGENT_MANIFEST.json", "codex-1"), ("AGENT_MANIFEST.codex-2.json", "codex-2")] {
        world.write(file, &format!("{{\"agent_id\": \"{seat}\"}}\n"));
    }
    world.write("_report/session/codex-1/manager-report-tail.txt", "# captured_at=2026-01-05T10:00:00Z\n");
    world
}

/// A plan as other tools write one, with a status and receipts.
fn plan(world: &World, slug: &str, status: &str, receipts: &[&str]) -> String {
    let id = format!("2026-01-05-{slug}");
    let receipts = serde_json::to_string(receipts).unwrap();
    world.write(
        &format!("_plans/{id}.plan.json"),
        &format!(
            "{{\n  \"version\": 0,\n  \"plan_id\": \"{id}\",\n  \"created\": \"2026-01-05T08:00:00Z\", \"actor\": \"codex-1\",\n  \"summary\": \"s\",\n  \"status\": \"{status}\",\n  \"layer\": \"L5\", \"systemic_scale\": 6, \"systemic_targets\": [\"S6\"],\n  \"steps\": [{{\"id\": \"S1\", \"title\": \"t\", \"status\": \"queued\", \"receipts\": []}}],\n  \"checkpoint\": {{\"description\": \"d\", \"owner\": \"codex-1\", \"status\": \"pending\"}},\n  \"receipts\": {receipts}\n}}\n"
        ),
    );
    id
}
