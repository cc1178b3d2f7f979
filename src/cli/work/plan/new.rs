//! `teof plan new`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Refusal, Result, files};
use crate::bus::claims;
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::cli::support::help::MORE;
use crate::guard::operator;
use crate::guard::secrets;
use crate::hub::{Hub, Transaction};
use crate::model::plan::SUFFIX;
use crate::model::priority::Priority;
use crate::ops::tasks::plan_edit::{self, Editor};
use crate::plans::new::{self, NewPlan};
use crate::plans::requests::queue::QueueRef;

/// Create a plan with its justification
///
/// The id is today's date and NAME. The justification, _plans/<id>.md, is created with it; nothing is written
/// unless both are valid. A person needs only a name and a summary. A seat says priority, impact, layer and targets
/// too, and a claim must name its plan, so that no two seats draft the same one.
///
/// With --json: {plan_id, path, justification}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan new parser --summary \"Write the parser\"\n\
\x20 teof plan new parser-2 --summary \"Write the parser\" --priority high --impact-score 5")]
pub struct Args {
    /// A few words; the id is made of them
    name: String,
    /// What the plan should achieve
    #[arg(long, value_name = "TEXT")]
    summary: String,
    /// Act as this seat, or as a person: operator [default: TEOF_AGENT, else the seat that booted here]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
    /// The plan's author [default: the seat that creates it, else git's user.name]
    #[arg(long, value_name = "WHO", help_heading = MORE)]
    actor: Option<String>,
    /// Who is responsible for the checkpoint [default: the actor]
    #[arg(long, value_name = "WHO", help_heading = MORE)]
    owner: Option<String>,
    /// How to tell that the goal is reached
    #[arg(long, value_name = "TEXT")]
    checkpoint: Option<String>,
    /// A step; repeatable [default: one step, the summary]
    #[arg(long = "step", value_name = "ID:TITLE", value_parser = step)]
    steps: Vec<(String, String)>,
    /// critical, high, medium, low, or a number (1 is the most urgent) [default for a person: medium]
    #[arg(long, value_parser = priority)]
    priority: Option<u64>,
    /// Importance: a higher number is more important [default for a person: 1]
    #[arg(long, value_name = "NUMBER")]
    impact_score: Option<u64>,
    /// Reference for the impact [default: the plan's id]
    #[arg(long, value_name = "TEXT", help_heading = MORE)]
    impact_ref: Option<String>,
    /// L0 to L6 [default: the queue entry's, else L5 for a person]
    #[arg(long, help_heading = MORE)]
    layer: Option<String>,
    /// 1 to 10 [default: the highest target, else the queue entry's]
    #[arg(long, value_name = "NUMBER", help_heading = MORE)]
    systemic_scale: Option<u64>,
    /// S1 to S10; repeatable; S4 is added above scale 4 [default: the queue entry's, else S6 for a person]
    #[arg(long = "systemic-target", value_name = "S#", help_heading = MORE)]
    systemic_targets: Vec<String>,
    /// The queue entry it comes from, such as queue/041-parser.md; repeatable
    #[arg(long = "queue-ref", value_name = "PATH")]
    queue: Vec<String>,
    /// Also create _report/agent/<actor>/<plan>/design.md
    #[arg(long, help_heading = MORE)]
    scaffold: bool,
    /// Create it although no claim names it
    #[arg(long, help_heading = MORE)]
    allow_unclaimed: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("make another plan")?;
    let hub = app.hub()?;
    let id = new::id(&args.name, hub.now())?;
    let queue = args.queue.iter().map(|path| queue_ref(hub, path)).collect::<Result<_>>()?;
    secrets::check_json("plan", &json!([args.name, args.summary, args.checkpoint, args.impact_ref, args.steps]))?;
    let maker = super::shared::editor(app, &Flags { agent: args.agent, ..Flags::default() })?;
    let is_person = matches!(maker, Editor::Person(_));
    let actor = match (args.actor, &maker) {
        (Some(actor), _) => actor,
        (None, Editor::Person(name)) => name.clone(),
        (None, Editor::Seat(author)) => author.agent.clone(),
    };
    let bare = args.queue.is_empty() && is_person;
    let no_target = args.systemic_targets.is_empty() && args.systemic_scale.is_none();
    let new = NewPlan {
        name: args.name,
        summary: args.summary,
        actor,
        owner: args.owner,
        checkpoint: args.checkpoint,
        steps: args.steps,
        priority: given(
            "--priority",
            args.priority,
            is_person.then(|| Priority::named("medium")).flatten().map(|priority| u64::from(priority.rank())),
        )?,
        impact_score: given("--impact-score", args.impact_score, is_person.then_some(1))?,
        impact_ref: args.impact_ref,
        layer: args.layer.or_else(|| bare.then(|| LAYER.to_owned())),
        systemic_scale: args.systemic_scale,
        systemic_targets: match bare && no_target {
            true => vec![TARGET.to_owned()],
            false => args.systemic_targets,
        },
        queue,
        scaffold: args.scaffold,
        ..NewPlan::default()
    };
    let mut writer = hub.lock("plan new")?;
    if !args.allow_unclaimed && !is_person {
        require_claim(hub, &id)?;
    }
    let mut transaction = Transaction::new(format!("plan new {id}"));
    let path = new::create(&writer, &mut transaction, &new)?;
    plan_edit::stage_creation_event(&writer, &mut transaction, &maker, "plan new", &id)?;
    writer.commit(transaction)?;
    let justification = path.replace(SUFFIX, ".md");
    app.result(&json!({"plan_id": id, "path": path, "justification": justification}), || hub.shown(&path));
    app.say(format!("Optional: say in {} why the plan is worth doing.", hub.shown(&justification)));
    Ok(ExitCode::SUCCESS)
}

/// Where ordinary code is: the layer and the systemic target of a person's plan that says none. Both are explained in
/// docs/glossary.md.
const LAYER: &str = "L5";
const TARGET: &str = "S6";

/// What was given, else the default of a person.
fn given(flag: &str, value: Option<u64>, default: Option<u64>) -> Result<u64> {
    value.or(default).ok_or_else(|| {
        Refusal::usage("plan.missing", format!("{flag} is missing"))
            .because("a seat must state the priority and the impact of its plan; only people have defaults")
            .next("see what it means: teof plan new --help")
            .next("or create it as a person: add --agent operator")
            .into()
    })
}

/// The playbook's guard: some live claim must name the plan.
fn require_claim(hub: &Hub, id: &str) -> Result<()> {
    if claims::list(hub)?.whole.iter().any(|(_, claim)| claim.is_live() && claim.plan_id() == Some(id)) {
        return Ok(());
    }
    Err(Refusal::guard("plan.unclaimed", format!("no seat has claimed {id}"))
        .because("a plan is drafted under a claim that names it, so that no two seats draft the same one")
        .next(format!("claim it: teof bus claim <task> --plan {id}"))
        .next("or create it without a claim: --allow-unclaimed")
        .into())
}

fn queue_ref(hub: &Hub, path: &str) -> Result<QueueRef> {
    let bytes = files::read(&hub.path(path)?, files::MAX_DOCUMENT)?.ok_or_else(|| {
        Refusal::not_found("queue.not_found", format!("no such queue entry: {path}")).next("see: ls queue/")
    })?;
    Ok(QueueRef::read(path, &String::from_utf8_lossy(&bytes)))
}

/// For clap: on the one scale of urgency; plans carry its numbers.
fn priority(text: &str) -> Result<u64, String> {
    let named = Priority::named(text).map(|priority| u64::from(priority.rank()));
    named.ok_or_else(|| "it must be critical, high, medium, low or a number".to_owned())
}

/// For clap: `S1:Write the parser`.
fn step(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((id, title)) if !id.trim().is_empty() && !title.trim().is_empty() => {
            Ok((id.trim().to_owned(), title.trim().to_owned()))
        }
        _ => Err("write it as ID:TITLE, such as S1:Write the parser".to_owned()),
    }
}
