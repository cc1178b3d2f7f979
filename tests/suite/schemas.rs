//! `teof schema`: what teof reads, writes and prints fits the schemas that it prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::first_hour::{existing, teof};
use crate::harness::World;

/// Every schema by its name, checked to be one.
fn schemas(world: &World) -> BTreeMap<String, Value> {
    let list = world.json(&["schema"]);
    let named = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
    named
        .map(|name| {
            let words: Vec<&str> = ["schema"].into_iter().chain(name.split(' ')).collect();
            let schema = serde_json::from_str(&world.ok(&words)).unwrap();
            assert!(jsonschema::draft202012::meta::is_valid(&schema), "{name}");
            (name, schema)
        })
        .collect()
}

/// Checks documents, and remembers of which kinds there were some.
struct Check {
    validators: BTreeMap<String, Validator>,
    seen: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Check {
    fn new(schemas: &BTreeMap<String, Value>) -> Check {
        let validator = |schema: &Value| jsonschema::draft202012::new(schema).unwrap();
        let validators = schemas.iter().map(|(name, schema)| (name.clone(), validator(schema))).collect();
        Check { validators, seen: BTreeSet::new(), wrong: Vec::new() }
    }

    fn document(&mut self, name: &str, of: &str, document: &Value) {
        self.seen.insert(name.to_owned());
        let errors = self.validators[name].iter_errors(document);
        self.wrong.extend(errors.map(|e| format!("{name}: {of}: {}: {e}", e.instance_path())));
    }

    /// A file of the record, by its path.
    fn file(&mut self, root: &Path, path: &Path) {
        let text = fs::read_to_string(path).unwrap_or_default();
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let Some(name) = kind(&relative) else { return };
        let documents: Vec<Value> = match relative.ends_with(".jsonl") {
            true => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            false => vec![serde_json::from_str(&text).unwrap()],
        };
        documents.iter().for_each(|document| self.document(name, &relative, document));
    }

    fn done(self) -> BTreeSet<String> {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        self.seen
    }
}

/// Which schema a file of the record has.
fn kind(path: &str) -> Option<&'static str> {
    let is = |start: &str, end: &str| path.starts_with(start) && path.ends_with(end);
    let decisions: [&str; 6] =
        ["-approved.json", "-rejected.json", "-retry.json", "-conflict.json", "-feedback.json", "-reverted.json"];
    Some(match path {
        _ if is("_bus/claims/", ".json") => "claim",
        _ if is("_bus/assignments/", ".json") => "assignment",
        _ if is("_bus/events/", ".jsonl") => "event",
        _ if is("_bus/messages/", ".jsonl") => "message",
        _ if is("_plans/", ".plan.json") => "plan",
        "_plans/next-development.todo.json" => "backlog",
        "docs/automation/autonomy-consent.json" => "consent",
        "_report/receipts.jsonl" => "ledger",
        "memory/log.jsonl" => "memory",
        _ if is("AGENT_MANIFEST", ".json") => "manifest",
        _ if path.contains("/manifests/manifest-") => "order",
        _ if path.contains("/reviews/") && decisions.iter().any(|end| path.ends_with(end)) => "decision",
        _ if path.contains("/reviews/") && path.ends_with(".json") => "bundle",
        _ if is("_report/agent/", "/state.json") => "state",
        _ if path.contains("/runs/") && path.ends_with(".json") => "envelope",
        _ => return None,
    })
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".git") {
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// What commands print about a job that waits for review.
const OUTPUTS: [&str; 17] = [
    "agent plugin",
    "agent try claude",
    "agent setup claude --check",
    "status",
    "task list",
    "plan list",
    "plan show document-parser",
    "plan validate",
    "bus status --preset manager",
    "review list",
    "review show j1 --diff",
    "report",
    "coordinator metrics",
    "dashboard",
    "scan",
    "check",
    "preflight full",
];

#[test]
fn the_files_and_outputs_of_a_job_fit_their_schemas() {
    let world = existing();
    let mut check = Check::new(&schemas(&world));
    teof(&world, "init --yes --agent codex-1").expect(0);
    teof(&world, "coordinator submit --objective \"Document the parser\"").expect(0);
    teof(&world, "consent grant --max-jobs 1").expect(0);
    let ran = teof(&world, "run --until-idle --json");
    assert!(ran.stdout.lines().count() > 4, "{}", ran.stdout);
    ran.stdout.lines().for_each(|line| check.document("run", line, &serde_json::from_str(line).unwrap()));
    for line in OUTPUTS {
        let printed = teof(&world, &format!("{line} --json")).stdout;
        let named = |name: &&String| {
            line.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let name = match line {
            "coordinator metrics" => "metrics".to_owned(),
            _ => check.validators.keys().filter(named).max_by_key(|name| name.len()).unwrap().clone(),
        };
        check.document(&name, line, &serde_json::from_str(&printed).unwrap());
    }
    let issues = world.folder().join("issues.jsonl");
    fs::write(
        &issues,
        "{\"id\":\"bd-1\",\"title\":\"t\",\"status\":\"open\",\"priority\":2}\n{\"id\":\"bd-2\",\"status\":\"x\"}\n",
    )
    .unwrap();
    let printed = teof(&world, &format!("import beads {} --dry-run --json", issues.display())).stdout;
    check.document("import", "import beads", &serde_json::from_str(&printed).unwrap());
    let lines = teof(&world, "export").stdout;
    lines.lines().for_each(|line| check.document("export", line, &serde_json::from_str(line).unwrap()));
    let refused = teof(&world, "bus claim --json").stderr;
    check.document("error", "bus claim", &serde_json::from_str(&refused).unwrap());
    teof(&world, "approve j1").expect(0);
    let verified = teof(&world, "verify HEAD --json").expect(0).stdout;
    check.document("verify", "verify", &serde_json::from_str(&verified).unwrap());
    teof(&world, "session-boot --no-sync --agent codex-1").expect(0);
    teof(&world, "task add ND-1 --title \"More docs\"").expect(0);
    teof(&world, "task assign ND-1 --engineer codex-1").expect(0);
    teof(&world, "bus event --event observation --summary seen").expect(0);
    teof(&world, "bus directive --task RULE-1 --summary \"Merge nothing\"").expect(0);
    let hub = world.hub();
    let mut found = Vec::new();
    [&hub.root, &world.repo].iter().for_each(|root| files(root, &mut found));
    for path in &found {
        let root = if path.starts_with(&hub.root) { &hub.root } else { &world.repo };
        check.file(root, path);
    }
    for outcome in fs::read_dir(hub.local("runs")).unwrap().map(|entry| entry.unwrap().path()) {
        if outcome.extension().is_some_and(|extension| extension == "json") {
            check.document("outcome", "runs/", &serde_json::from_slice(&fs::read(outcome).unwrap()).unwrap());
        }
    }
    let listed: Value = serde_json::from_str(&teof(&world, "session list --json").stdout).unwrap();
    for session in listed["sessions"].as_array().unwrap() {
        check.document("session", "session list", session);
    }
    let settings: Value = toml::from_str(&fs::read_to_string(hub.root.join("teof.toml")).unwrap()).unwrap();
    check.document("settings", "teof.toml", &settings);
    let missing: Vec<String> = check.validators.keys().filter(|name| !check.seen.contains(*name)).cloned().collect();
    check.done();
    assert_eq!(missing, ["live"], "nothing of these kinds was checked");
}

/// Files as the playbook's tools wrote them, and what is wrong in each kind.
#[test]
fn the_playbooks_files_fit_and_wrong_ones_do_not() {
    let claim = json!({"agent_id": "codex-3", "branch": "agent/codex-3/queue-030", "claimed_at": "2025-09-18T19:42:31Z",
        "plan_id": "2025-09-18-consensus", "released_at": "2025-09-18T20:01:00Z", "status": "done", "task_id": "QUEUE-030"});
    let event = json!({"ts": "2025-09-17T23:17:52Z", "agent_id": "codex-1", "event": "handshake", "pr": null});
    let message = json!({"from": "codex-4", "ts": "2025-09-18T19:42:31Z", "type": "note", "summary": "s", "meta": {}});
    let plan = json!({"version": 0, "plan_id": "2025-09-18-a", "created": "2025-09-18T19:42:31Z", "actor": "codex-1",
        "summary": "s", "status": "queued", "priority": 1, "checkpoint": {"description": "d", "owner": "o", "status": "pending"},
        "steps": [{"id": "S1", "title": "t", "status": "queued", "notes": "", "receipts": []}], "receipts": [], "links": []});
    let order = json!({"version": 1, "manager_agent": "codex-4", "plan": {"id": "2025-10-19-a", "summary": "s"},
        "step": {"id": "step-2", "title": "t"}, "commands": [{"label": "l", "cmd": ["true"]}], "guardrails": {}});
    let consent = json!({"auto_enabled": true, "notes": "by hand"});
    let assignment = json!({"task_id": "A", "engineer": "codex-1", "manager": "codex-4", "branch": null, "note": null,
        "plan_id": null, "assigned_at": "2025-09-18T19:42:31Z"});
    let wrong = [
        ("claim", &claim, "status", json!("working")),
        ("event", &event, "agent_id", json!(7)),
        ("message", &message, "type", Value::Null),
        ("plan", &plan, "steps", json!([{"title": "no id"}])),
        ("order", &order, "commands", json!([{"cmd": []}])),
        ("consent", &consent, "auto_enabled", json!("yes")),
        ("assignment", &assignment, "assigned_at", Value::Null),
        ("settings", &json!({"lock": {"wait": "5s"}}), "lock", json!({"wiat": "5s"})),
    ];
    let mut check = Check::new(&schemas(&World::new()));
    for (name, right, field, value) in wrong {
        check.document(name, "the playbook", right);
        let mut changed = right.clone();
        changed[field] = value;
        assert!(!check.validators[name].is_valid(&changed), "{name}: {field}");
    }
    check.done();
}

/// Documents that are kept as raw JSON: the schema names each field that the code reads.
#[test]
fn the_schemas_name_every_field_that_the_code_reads() {
    let schemas = schemas(&World::new());
    let source =
        |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model").join(path)).unwrap();
    for (name, path) in [
        ("claim", "claim.rs"),
        ("assignment", "assignment.rs"),
        ("message", "message.rs"),
        ("plan", "plan/mod.rs"),
        ("backlog", "backlog.rs"),
        ("manifest", "seat.rs"),
    ] {
        let source = source(path);
        let source = source.split("#[cfg(test)]").next().unwrap();
        // `text(&self.raw, "field")`, `self.raw.get("field")`, `text(link.as_object()?, "ref")`
        let reads = ["raw, \"", "raw?, \"", "raw.get(\"", ")?, \"", "contains_key(\""];
        let after =
            |start: &str| source.split(start).skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>();
        let read: BTreeSet<&str> = reads.iter().flat_map(|start| after(start)).collect();
        assert!(read.len() > 2, "{name}: {read:?}");
        let schema = schemas[name].to_string();
        let missing: Vec<_> = read.iter().filter(|field| !schema.contains(&format!("\"{field}\":"))).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
    let named: BTreeSet<&str> =
        schemas["event"]["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named, teof::model::event::CORE.into_iter().collect(), "the event's core fields");
}

#[test]
fn an_unknown_schema_is_told_with_the_nearest() {
    let error = World::new().refused(&["schema", "clam"]);
    assert_eq!((error["code"].as_str(), error["exit"].as_u64()), (Some("schema.unknown"), Some(4)));
    assert!(error["message"].as_str().unwrap().contains("did you mean claim?"), "{error}");
}
