//! Creates a plan in the playbook's format, with its justification next to it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::edit::new_step;
use super::requests::queue::{QueueRef, axis};
use super::{Evidence, store, validate};
use crate::base::{Refusal, Result, Stamp, digest, json as layout, names};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::plan::{Link, Plan, SUFFIX, Status};

/// What stands in a plan whose checkpoint nobody has described (the playbook's words).
pub const NO_CHECKPOINT: &str = "Define verification + receipts";

/// The input for a new plan.
#[derive(Clone, Debug, Default)]
pub struct NewPlan {
    /// Any text; becomes the slug.
    pub name: String,
    pub summary: String,
    pub actor: String,
    /// Owner of the checkpoint; the actor when `None`.
    pub owner: Option<String>,
    pub checkpoint: Option<String>,
    /// `(id, title)`; one step, the summary, when empty.
    pub steps: Vec<(String, String)>,
    pub priority: u64,
    pub impact_score: u64,
    pub impact_ref: Option<String>,
    pub layer: Option<String>,
    pub systemic_scale: Option<u64>,
    pub systemic_targets: Vec<String>,
    pub queue: Vec<QueueRef>,
    /// Its id, if already decided; otherwise built from the name and the day.
    pub id: Option<String>,
    /// The short name of its work as a task: the id without the day.
    pub task: Option<String>,
    /// Its sources, besides queue entries.
    pub links: Vec<Link>,
    /// More fields of its first step: `objective`, `notes`, `tests`, `diff_limit`.
    pub details: Map<String, Value>,
    /// The reason for it, in the requester's words.
    pub why: Option<String>,
    /// Whether its first step starts at once.
    pub begun: bool,
    /// Also create `_report/agent/<actor>/<plan>/design.md`.
    pub scaffold: bool,
}

/// The id of a new plan: `2026-01-05-<slug>`; with a short digest for a name without letters, such as
/// `2026-01-05-request-1a2b3c`.
pub fn id(name: &str, now: Stamp) -> Result<String> {
    Ok(format!("{}-{}", now.date(), telling(name, names::slug(name))?))
}

/// A short name for work described in words: `document-parser`; with a digest as in [`id`].
///
/// # Errors
/// `plan.name` when nothing is described.
pub fn short_name(objective: &str) -> Result<String> {
    telling(objective, names::short(objective))
}

/// The slug; a digest when nothing of the name can be written in it.
fn telling(name: &str, slug: String) -> Result<String> {
    if name.trim().is_empty() {
        return Err(Refusal::usage("plan.name", "the plan's name (or objective) is empty")
            .because("the plan's id is built from it")
            .next("describe the goal in a few words, such as \"Document the parser\"")
            .into());
    }
    match slug.is_empty() {
        true => Ok(format!("request-{}", &digest::sha256(name.as_bytes())[..6])),
        false => Ok(slug),
    }
}

/// The id of a new plan, as [`id`], with a number if a plan or a justification has that name.
pub fn free_id(hub: &Hub, name: &str) -> Result<String> {
    let first = id(name, hub.now())?;
    let numbered = (2..1000).map(|n| format!("{first}-{n}"));
    let free = std::iter::once(first.clone()).chain(numbered).find(|id| !is_taken(hub, id));
    free.ok_or_else(|| Refusal::guard("plan.name", format!("all names like {first} are taken")).into())
}

/// Whether a plan or a justification has that name.
pub fn is_taken(hub: &Hub, id: &str) -> bool {
    let justification = hub.path(&format!("{}/{id}.md", paths::PLANS));
    store::locate(hub, id).is_ok() || justification.is_ok_and(|path| path.exists())
}

/// Stages a new plan and its justification; returns the plan's path.
///
/// # Errors
/// When the systemic fields contradict each other or the queue entry, or the plan would not be valid; on commit, the
/// transaction is refused if one of the files exists.
pub fn create(writer: &Writer<'_>, transaction: &mut Transaction, new: &NewPlan) -> Result<String> {
    let now = writer.hub().now();
    let (id, text) = drafted(new, now)?;
    let path = format!("{}/{id}{SUFFIX}", paths::PLANS);
    transaction.create(path.as_str(), text);
    transaction.create(format!("{}/{id}.md", paths::PLANS), justification(new, &id));
    if new.scaffold {
        names::check_id("actor", &new.actor)?;
        transaction.create(format!("{}/{id}/design.md", paths::agent(&new.actor)), design(new, &id));
    }
    Ok(path)
}

/// The plan that [`create`] would write.
///
/// # Errors
/// Like [`create`].
pub fn draft(new: &NewPlan, now: Stamp) -> Result<Plan> {
    let (id, text) = drafted(new, now)?;
    Ok(Plan { raw: layout::parse_object(text.as_bytes(), std::path::Path::new(&id))? })
}

fn drafted(new: &NewPlan, now: Stamp) -> Result<(String, String)> {
    let id = match &new.id {
        Some(id) => id.clone(),
        None => id(&new.name, now)?,
    };
    new.steps.iter().try_for_each(|(step, _)| names::check_id("step", step).map(drop))?;
    let path = format!("{}/{id}{SUFFIX}", paths::PLANS);
    let text = layout::pretty(&document(new, &id, now)?) + "\n";
    let findings = validate::check(&path, text.as_bytes(), Some(&|_| Evidence::Tracked));
    match findings.first() {
        None => Ok((id, text)),
        Some(first) => Err(Refusal::usage("plan.invalid", format!("the new plan would be invalid: {}", first.message))
            .with("findings", json!(findings))
            .into()),
    }
}

fn document(new: &NewPlan, id: &str, now: Stamp) -> Result<Value> {
    let systemic = systemic(new)?;
    let mut steps: Vec<Value> = match new.steps.is_empty() {
        true => vec![new_step("S1", &new.summary, "")],
        false => new.steps.iter().map(|(id, title)| new_step(id, title, "")).collect(),
    };
    let status = if new.begun { Status::InProgress } else { Status::Queued };
    if let Some(first) = steps.first_mut().and_then(Value::as_object_mut) {
        first.insert("status".into(), status.as_str().into());
        first.extend(new.details.clone());
    }
    let queue = new.queue.iter().map(|queue| json!({"type": "queue", "ref": queue.path}));
    let links: Vec<Value> = queue.chain(new.links.iter().map(|link| json!(link))).collect();
    let mut document = json!({
        "version": 0,
        "plan_id": id,
        "created": now,
        "actor": new.actor,
        "summary": new.summary,
        "impact_ref": new.impact_ref.as_deref().unwrap_or(id),
        "systemic_targets": systemic.targets,
        "layer_targets": [systemic.layer],
        "priority": new.priority,
        "layer": systemic.layer,
        "systemic_scale": systemic.scale,
        "impact_score": new.impact_score,
        "status": status.as_str(),
        "steps": steps,
        "checkpoint": {
            "description": new.checkpoint.as_deref().unwrap_or(NO_CHECKPOINT),
            "owner": new.owner.as_deref().unwrap_or(&new.actor),
            "status": "pending",
        },
        "links": links,
        "receipts": [],
    });
    if let Some(task) = &new.task {
        document["task_id"] = json!(task);
    }
    Ok(document)
}

struct Systemic {
    scale: u64,
    targets: Vec<String>,
    layer: String,
}

/// The playbook's rules: the scale is the highest axis; `S<scale>` is always a target, and `S4` when the scale is
/// above 4; the queue entry must not be contradicted.
fn systemic(new: &NewPlan) -> Result<Systemic> {
    let wrong = |message: String, next: &str| Refusal::usage("plan.systemic", message).next(next);
    let mut axes = BTreeSet::new();
    for target in &new.systemic_targets {
        let axis = axis(target).ok_or_else(|| wrong(format!("invalid systemic target {target:?}"), "use S1 to S10"))?;
        axes.insert(axis);
    }
    if axes.is_empty() {
        axes.extend(new.queue.iter().flat_map(|queue| &queue.targets));
    }
    let coordinates: BTreeSet<_> = new.queue.iter().filter_map(|queue| queue.coordinate.clone()).collect();
    if coordinates.len() > 1 {
        return Err(wrong("the queue entries have different coordinates".into(), "create one plan for each").into());
    }
    let queued = coordinates.into_iter().next();
    let highest = axes.last().copied().or(queued.as_ref().map(|(scale, _)| *scale));
    let scale = match (new.systemic_scale, highest) {
        (Some(scale), Some(highest)) if scale < highest => {
            let message = format!("--systemic-scale {scale} is lower than the highest target S{highest}");
            return Err(wrong(message, "the scale is the highest axis: raise it, or remove the target").into());
        }
        (Some(scale), _) => scale,
        (None, Some(highest)) => highest,
        (None, None) => {
            let next = "pass --systemic-scale 1..10, --systemic-target S#, or a --queue-ref with a Coordinate";
            return Err(wrong("the plan has no systemic scale".into(), next).into());
        }
    };
    let layer = match (&new.layer, &queued) {
        (Some(layer), Some((_, queued))) if layer != queued => {
            let message = format!("--layer {layer} contradicts the queue entry ({queued})");
            return Err(wrong(message, "omit --layer, or fix the queue entry").into());
        }
        (Some(layer), _) => layer.clone(),
        (None, Some((_, queued))) => queued.clone(),
        (None, None) => {
            let next = "pass --layer L0..L6, or a --queue-ref with a Coordinate";
            return Err(wrong("the plan has no layer".into(), next).into());
        }
    };
    if let Some((queued, _)) = queued
        && queued != scale
    {
        let message = format!("the systemic scale {scale} contradicts the queue entry (S{queued})");
        return Err(wrong(message, "use the queue entry's scale, or fix the entry").into());
    }
    axes.insert(scale);
    if scale > 4 {
        axes.insert(4);
    }
    Ok(Systemic { scale, targets: axes.into_iter().map(|axis| format!("S{axis}")).collect(), layer })
}

fn justification(new: &NewPlan, id: &str) -> String {
    let from = new.queue.iter().map(|queue| &queue.path).chain(new.links.iter().map(|link| &link.to));
    let origin: String = from.map(|from| format!("- From: `{from}`\n")).collect();
    let why = new.why.as_deref().unwrap_or("What is wrong or missing today, and for whom.");
    format!(
        "# {}\n\n- Plan: `{}/{id}{SUFFIX}`\n- Actor: {}\n{origin}\n\
         ## Why\n\n{why}\n\n\
         ## Approach\n\nWhat will change, and which alternatives were considered.\n\n\
         ## Verification\n\nWhich tests and receipts will show that it works.\n\n\
         ## Risk and rollback\n\nWhat could go wrong, and how to undo it.\n",
        one_line(&new.summary),
        paths::PLANS,
        one_line(&new.actor),
    )
}

fn design(new: &NewPlan, id: &str) -> String {
    format!("# Design: {}\n\nPlan: `{id}`\n\n## Decisions\n\n## Open questions\n", one_line(&new.summary))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut NewPlan)) -> Result<Value> {
        let mut new = NewPlan {
            name: "Fix it".into(),
            summary: "Fix the parser".into(),
            actor: "codex-1".into(),
            layer: Some("L5".into()),
            systemic_scale: Some(6),
            ..NewPlan::default()
        };
        change(&mut new);
        document(&new, "2026-01-05-fix-it", Stamp::from_unix(1_767_607_200))
    }

    fn queued(text: &str) -> Vec<QueueRef> {
        vec![QueueRef::read("queue/1.md", text)]
    }

    #[test]
    fn a_new_plan_is_valid_and_laid_out_as_the_playbook_does() {
        let plan = plan(|_| {}).unwrap();
        let text = layout::pretty(&plan);
        let path = "_plans/2026-01-05-fix-it.plan.json";
        assert_eq!(validate::check(path, text.as_bytes(), Some(&|_| Evidence::Missing)), []);
        let keys: Vec<_> = plan.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = "version plan_id created actor summary impact_ref systemic_targets layer_targets priority layer systemic_scale impact_score status steps checkpoint links receipts";
        assert_eq!(keys.join(" "), wanted);
        assert_eq!(plan["systemic_targets"], json!(["S4", "S6"]));
        assert_eq!(plan["steps"][0]["title"], "Fix the parser");
    }

    #[test]
    fn the_scale_is_the_highest_axis() {
        let derived = plan(|new| {
            new.systemic_scale = None;
            new.systemic_targets = vec!["S3".into(), "S1".into()];
        });
        let derived = derived.unwrap();
        assert_eq!((&derived["systemic_scale"], &derived["systemic_targets"]), (&json!(3), &json!(["S1", "S3"])));
        assert!(plan(|new| new.systemic_targets = vec!["S7".into()]).is_err(), "given too low");
        assert!(plan(|new| new.systemic_targets = vec!["X".into()]).is_err());
        assert!(plan(|new| new.systemic_scale = None).is_err());
    }

    #[test]
    fn the_queue_entry_fills_in_and_is_not_contradicted() {
        let from_queue = |text: &'static str| {
            plan(|new| {
                (new.layer, new.systemic_scale) = (None, None);
                new.queue = queued(text);
            })
        };
        let plan_of = from_queue("# T\n\n**Coordinate:** S6:L4\n").unwrap();
        assert_eq!((&plan_of["layer"], &plan_of["systemic_scale"]), (&json!("L4"), &json!(6)));
        assert_eq!(plan_of["links"], json!([{"type": "queue", "ref": "queue/1.md"}]));
        assert!(from_queue("no coordinate").is_err());
        for contradiction in ["Coordinate: S6:L4", "Coordinate: S5:L5"] {
            assert!(plan(|new| new.queue = queued(contradiction)).is_err(), "{contradiction}");
        }
        assert!(plan(|new| new.queue = queued("Coordinate: S6:L5")).is_ok());
    }
}
