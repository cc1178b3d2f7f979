//! Plan edits by seats and people: who may make them, and their events.
//!
//! A seat needs a fresh session and the claim of the step that it changes (of the plan, for edits of the whole). A
//! person needs neither; the event then names the overridden claims. During a hold, nobody can mark a step done.

use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result};
use crate::bus::{claim_rules, claims, events};
use crate::guard::claim::{self, Author};
use crate::guard::operator::{self, OPERATOR, Person};
use crate::guard::trust;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::claim::ClaimFile;
use crate::model::event::Event;
use crate::ops::claims::held::{self, Work};
use crate::ops::context;
use crate::plans::same_work::{Part, Place};
use crate::plans::{edit as plans_edit, store};

/// The author of the edit.
#[derive(Clone, Debug)]
pub enum Editor {
    /// If it gives an epoch, that is checked against its claim.
    Seat(Author),
    /// A person's name.
    Person(String),
}

/// The edited plan or step.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The command: "plan step set".
    pub command: &'a str,
    /// The plan's path, relative to the hub.
    pub plan: &'a str,
    /// `None`: the plan as a whole.
    pub step: Option<&'a str>,
    /// Whether the step is marked done.
    pub done: bool,
}

/// The edit for its event: a summary without the author ("set S1 to done"), and the changes.
pub type EditNote = (String, Map<String, Value>);

/// Runs `stage` under the lock, adds the event, and commits the transaction; returns remarks for people. An edit that
/// changes nothing has no event.
///
/// # Errors
/// A stale session; `plan.not_claimed` (exit 1), `claim.not_yours` and `claim.epoch` (exit 3); `task.on_hold` (exit
/// 1); what `stage` refuses.
pub fn apply(
    hub: &Hub,
    editor: &Editor,
    edit: Edit<'_>,
    stage: impl FnOnce(&mut Writer<'_>, &mut Transaction) -> Result<EditNote>,
) -> Result<Vec<String>> {
    let stale = match editor {
        Editor::Seat(author) => {
            let own = own_claim(hub, author, edit)?.map(|(task, _)| task);
            let shown = Author { epoch: claim::shown_epoch(author.epoch, own.as_deref())?, ..author.clone() };
            claim::admit(hub, &shown, own.as_deref(), edit.command)?
        }
        Editor::Person(_) => None,
    };
    let what = format!("{} {}", edit.command, store::id_of(edit.plan));
    let mut writer = hub.lock(&what)?;
    claim::check_inherited_epoch(hub)?;
    let passed_over = check(hub, editor, edit)?;
    let mut transaction = Transaction::new(what);
    let (summary, meta) = stage(&mut writer, &mut transaction)?;
    if transaction.is_empty() {
        return Ok(Vec::new());
    }
    let mut event = event(hub, editor, edit, &summary, meta);
    let mut remarks = Vec::new();
    if !passed_over.is_empty() {
        remarks.push(format!("edited although others have claimed it: {} (recorded)", passed_over.join(", ")));
        event = event.meta("passed_over", json!(passed_over));
    }
    events::stage(&writer, &mut transaction, &event)?;
    if let Some(stale) = stale {
        stale.record(&mut transaction);
        remarks.push(format!("continued anyway: {}", stale.message));
    }
    writer.commit(transaction)?;
    Ok(remarks)
}

/// Adds the event of a plan created in the same transaction by `editor` with `command`.
///
/// # Errors
/// As [`events::stage`].
pub fn stage_creation_event(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    editor: &Editor,
    command: &str,
    plan: &str,
) -> Result<()> {
    let edit = Edit { command, plan, step: None, done: false };
    events::stage(writer, transaction, &event(writer.hub(), editor, edit, "created the plan", Map::new())).map(drop)
}

/// Approves the commands of a plan on this machine, and logs it.
///
/// # Errors
/// As [`operator::require`].
pub fn approve(hub: &Hub, plan: &str, digest: &str, by: &str) -> Result<()> {
    let recognised = operator::require("approve commands")?;
    let meta = [("digest", json!(digest)), ("recognised", json!(recognised))];
    let meta = meta.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let edit = Edit { command: "plan approve", plan, step: None, done: false };
    let event = event(hub, &Editor::Person(by.to_owned()), edit, "approved its commands", meta);
    let mut writer = hub.lock("plan approve")?;
    let mut transaction = Transaction::new("plan approve");
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)?;
    drop(writer);
    // Last: a crash before this leaves the commands unapproved.
    trust::approve(hub, store::id_of(plan), digest, by)
}

fn event(hub: &Hub, editor: &Editor, edit: Edit<'_>, summary: &str, meta: Map<String, Value>) -> Event {
    let (author, by) = match editor {
        Editor::Seat(author) => (author.clone(), &author.agent),
        Editor::Person(name) => {
            let person = Person { name: name.clone(), recognised: operator::seen() };
            (Author { person: Some(person), ..Author::new(OPERATOR) }, name)
        }
    };
    let id = store::id_of(edit.plan);
    let mut event = Event::new(&author.agent, "plan", format!("{id}: {by} {summary}"));
    event.plan_id = Some(id.to_owned());
    event = event.meta("command", edit.command);
    if let Some(step) = edit.step {
        event = event.meta("step", step);
    }
    event.meta.extend(meta);
    context::with_recognition(hub, &author, event)
}

/// Under the lock: checks whether the editor may edit; returns the claims that a person overrides.
fn check(hub: &Hub, editor: &Editor, edit: Edit<'_>) -> Result<Vec<String>> {
    let work = work(hub, edit)?;
    let held = claims_of(hub, edit, &work)?;
    if edit.done {
        work.check(hub, "step is done")?;
        held.iter().try_for_each(|(task, _)| held::check(hub, task, "step is done"))?;
    }
    let author = match editor {
        Editor::Person(_) => {
            let named = |(task, claim): (String, ClaimFile)| format!("{task} by {}", claim.agent_id().unwrap_or("?"));
            let of_others = held.into_iter().filter(|(_, claim)| claim.agent_id() != Some(OPERATOR));
            return Ok(of_others.map(named).collect());
        }
        Editor::Seat(author) => author,
    };
    match held.iter().find(|(_, claim)| claim.agent_id() == Some(&author.agent)) {
        Some((task, claim)) => {
            if let Some(epoch) = claim::shown_epoch(author.epoch, Some(task))? {
                claim_rules::is_current(task, Some(claim), epoch)?;
            }
            Ok(Vec::new())
        }
        None => {
            // A slip of the step's name is told as that.
            let plan = store::find(hub, edit.plan)?.plan;
            edit.step.map_or(Ok(()), |step| plans_edit::step_of(&plan, step).map(drop))?;
            Err(unclaimed(held.first(), author, edit).into())
        }
    }
}

fn unclaimed(held: Option<&(String, ClaimFile)>, author: &Author, edit: Edit<'_>) -> Refusal {
    let id = store::id_of(edit.plan);
    let what = edit.step.map_or(id.to_owned(), |step| format!("step {step} of {id}"));
    let person = "a person needs no claim: run it at a terminal with --agent operator";
    match held {
        Some((task, claim)) => {
            let owner = claim.agent_id().unwrap_or("somebody");
            Refusal::held("claim.not_yours", format!("{what} is claimed by {owner}, not by {}", author.agent))
                .because(format!("{owner} holds {task}"))
                .next(format!("ask {owner}: teof bus message --task agent-{owner} --type request --summary …"))
                .next(person)
                .with("task_id", task.as_str())
                .with("agent_id", owner)
        }
        None => {
            let task = edit.step.map_or(id.to_owned(), |step| format!("{id}-{step}"));
            Refusal::guard("plan.not_claimed", format!("{} does not hold the claim of {what}", author.agent))
                .because("a seat needs the claim of the step that it edits")
                .next(format!("claim it: teof task pickup {task} --plan {id}"))
                .next(person)
        }
    }
}

fn own_claim(hub: &Hub, author: &Author, edit: Edit<'_>) -> Result<Option<(String, ClaimFile)>> {
    Ok(claims_of(hub, edit, &work(hub, edit)?)?.into_iter().find(|(_, claim)| claim.agent_id() == Some(&author.agent)))
}

/// The live claims of the edited work under any name: the step's, the plan's, an item's that names the plan.
fn claims_of(hub: &Hub, edit: Edit<'_>, work: &Work<'_>) -> Result<Vec<(String, ClaimFile)>> {
    let id = store::id_of(edit.plan);
    let names = [vec![work.task.to_string()], work.others(hub)?].concat();
    let of_another_step = |task: &String| edit.step.is_some() && task.starts_with(&format!("{id}-"));
    let mut found = claims::list(hub)?.whole;
    found.retain(|(task, claim)| {
        let of_plan = claim.plan_id() == Some(id) && !of_another_step(task);
        claim.is_live() && (of_plan || names.contains(task))
    });
    Ok(found)
}

/// The edited plan or step as work that a seat may hold.
fn work(hub: &Hub, edit: Edit<'_>) -> Result<Work<'static>> {
    let part = edit.step.map_or(Part::Whole, |step| Part::Step(step.to_owned()));
    Work::of_plan(hub, Place { plan: store::id_of(edit.plan).to_owned(), part })
}
