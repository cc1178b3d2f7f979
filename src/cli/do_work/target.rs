//! The work that `teof do` is about: found among what there is, or new.

use crate::agents;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::ask;
use crate::cli::unattended::coordinator::objective::{self, Details};
use crate::cli::unattended::coordinator::{send, submit, submit_names};
use crate::conductor::candidate::{Taker, Work};
use crate::conductor::select::Reason;
use crate::conductor::sources::{Scope, Submission};
use crate::conductor::{self, routing};
use crate::coordinator::state::input::Command;
use crate::coordinator::state::{Job, Phase, State, store};
use crate::foreman::calls::notes;
use crate::foreman::commands::executor;
use crate::hub::Hub;
use crate::plans;
use submit_names::Asked;

/// The work under its names.
#[derive(Clone, Debug)]
pub struct Target {
    /// What people call it; also what the consent is for.
    pub name: String,
    task: String,
    plan: Option<String>,
    step: Option<String>,
}

impl Target {
    fn new(hub: &Hub, task: &str, plan: Option<&str>, step: Option<&str>) -> Target {
        let short = plan.and_then(|plan| plans::find(hub, plan).ok()?.plan.short_task().map(str::to_owned));
        let name = if short.as_deref() == Some(task) { task } else { plan.filter(|_| step.is_none()).unwrap_or(task) };
        Target {
            name: name.to_owned(),
            task: task.to_owned(),
            plan: plan.map(str::to_owned),
            step: step.map(str::to_owned),
        }
    }

    /// Its task, plan and step.
    pub fn names(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.task, self.plan.as_deref(), self.step.as_deref())
    }

    /// Whether the job does this work.
    pub fn is_done_by(&self, job: &Job) -> bool {
        let same_step = self.step.is_none() || job.step.is_none() || self.step == job.step;
        job.is_called(&self.name)
            || job.task == self.task
            || (self.plan.is_some() && job.plan == self.plan && same_step)
    }

    /// Its job that is not over.
    pub fn job<'a>(&self, state: &'a State) -> Option<&'a Job> {
        state.live_jobs().find(|job| self.is_done_by(job))
    }

    /// Its newest job; `None` while it is queued.
    pub fn newest<'a>(&self, state: &'a State) -> Option<&'a Job> {
        let of_this = || state.jobs.iter().rev().filter(|job| self.is_done_by(job));
        let live = of_this().find(|job| !job.is_over());
        live.or_else(|| of_this().next().filter(|_| !self.is_queued(state)))
    }

    fn is_queued(&self, state: &State) -> bool {
        let same_step = |step: &Option<String>| self.step.is_none() || step.is_none() || self.step == *step;
        state.submissions.iter().any(|one| {
            one.is_called(&self.name)
                || one.task == self.task
                || (self.plan.is_some() && one.plan == self.plan && same_step(&one.step))
        })
    }

    /// Whether it is queued or has a job: then nothing needs to be submitted.
    fn is_under_way(&self, state: &State) -> bool {
        self.is_queued(state) || self.job(state).is_some()
    }
}

/// What a call asks for.
pub enum Wanted {
    New(Box<Details>),
    Known(Box<Asked>, Target),
}

impl Wanted {
    /// The work, where it has a name already.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Wanted::New(_) => None,
            Wanted::Known(_, target) => Some(target),
        }
    }
}

/// What the call asks for, checked: somebody can do it. `yes`: nothing is asked. Writes nothing.
///
/// # Errors
/// `do.empty` (exit 2); as for a submission; `do.cannot_run` (exit 1) for work that no agent and no command can do.
pub fn wanted(app: &App, hub: &Hub, what: &str, details: Details, yes: bool) -> Result<Wanted> {
    let what = what.trim();
    if what.is_empty() {
        return Err(Refusal::usage("do.empty", "the description of the work is empty")
            .next("describe it in a sentence: teof do \"Document the parser\"")
            .next("or name a task: teof task list")
            .into());
    }
    let known = if what.contains(char::is_whitespace) {
        notes::check("objective", what)?;
        let Some(plan) = same(app, hub, what, &details, yes)? else {
            objective::check(hub, &details)?;
            let route = routing::route(hub.settings()?, None, 0);
            check_agents(hub, &route.map(|route| route.agents).unwrap_or_default())?;
            return Ok(Wanted::New(Box::new(details)));
        };
        plan
    } else if details == Details::default() {
        what.to_owned()
    } else {
        return Err(Refusal::usage("do.task_has_details", format!("{} is the name of a task", text::safe(what)))
            .because("--test, --notes, --name, --acceptance and --diff-limit describe new work only")
            .next(format!("do the task as it is: teof do {}", text::shell_word(what)))
            .next("or describe the work in a sentence: teof do \"Document the parser\"")
            .into());
    };
    let asked = submit_names::resolve(hub, &known).map_err(more_words)?;
    let target = Target::new(hub, &asked.task, asked.plan.as_deref(), asked.step.as_deref());
    if target.job(&store::load(hub)?).is_none() {
        can_run(hub, &target)?;
    }
    Ok(Wanted::Known(Box::new(asked), target))
}

/// The plan of the same words that is not done yet and that the person wants to go on with.
fn same(app: &App, hub: &Hub, objective: &str, details: &Details, yes: bool) -> Result<Option<String>> {
    let is_more_than_words = Details { tests: Vec::new(), ..details.clone() } != Details::default();
    if is_more_than_words {
        return Ok(None);
    }
    let state = store::load(hub)?;
    let is_same = |plan: &plans::PlanFile| {
        let tests = || plan.plan.current_step().map(|step| step.tests()).unwrap_or_default();
        plan.plan.is_open() && tests() == details.tests
    };
    let Some(plan) = plans::of_words(hub, objective).into_iter().rfind(is_same) else {
        ask_again(app, hub, objective, yes)?;
        return Ok(None);
    };
    let target = Target::new(hub, plan.plan.short_task().unwrap_or(plan.id()), Some(plan.id()), None);
    let stands = text::safe(&match target.newest(&state) {
        Some(job) => stands(job),
        None if target.is_queued(&state) => format!("{} is queued", target.name),
        None => format!("{} is planned", target.name),
    });
    if yes || !ask::is_possible(app) {
        if !app.json() {
            app.say(format!("{stands}; continuing it"));
        }
        return Ok(Some(plan.id().to_owned()));
    }
    loop {
        let answer = ask::line(&format!("{stands}. [c]ontinue it, start a [n]ew job, [q]uit:"))?;
        match answer.as_deref().map(str::to_lowercase).as_deref() {
            Some("c" | "continue") => return Ok(Some(plan.id().to_owned())),
            Some("n" | "new") => return Ok(None),
            None | Some("q" | "quit") => return Err(declined(stands).into()),
            Some(_) => ask::hint("Type one of the letters in brackets."),
        }
    }
}

/// `j2 is blocked`
fn stands(job: &Job) -> String {
    let short = job.short();
    match job.phase {
        Phase::Question { .. } => format!("{short} waits for an answer"),
        Phase::Review { .. } => format!("{short} waits for review"),
        Phase::Waiting { .. } => format!("{short} waits to resume"),
        _ => format!("{short} is {}", job.label()),
    }
}

fn declined(why: String) -> Refusal {
    Refusal::guard("do.declined", "nothing was started").because(why).next("see how things stand: teof status")
}

/// Where the same words were done before, a person says whether to pay for it again.
fn ask_again(app: &App, hub: &Hub, objective: &str, yes: bool) -> Result<()> {
    let same = plans::of_words(hub, objective);
    let Some(plan) = same.into_iter().rfind(|plan| !plan.plan.is_open()) else { return Ok(()) };
    let name = text::safe(plan.plan.short_task().unwrap_or(plan.id()));
    match !yes && ask::is_possible(app) {
        true if !ask::yes(&format!("{name} is done, with the same words. Do it once more?"), false)? => {
            Err(Refusal::guard("do.declined", "nothing was started")
                .because(format!("{name} is done"))
                .next("see what it did: teof report")
                .into())
        }
        true => Ok(()),
        false => {
            if !app.json() {
                app.say(format!("{name} is done, with the same words; doing it once more"));
            }
            Ok(())
        }
    }
}

/// Refuses work that would wait for ever, because nobody can do it.
fn can_run(hub: &Hub, target: &Target) -> Result<()> {
    let (task, plan, step) = target.names();
    let wanted = Submission {
        task_id: task.to_owned(),
        plan_id: plan.map(str::to_owned),
        step_id: step.map(str::to_owned),
        priority: None,
    };
    let scope = Scope { submissions: vec![wanted], ..Scope::default() };
    let found = conductor::observe(hub, &scope, Taker::Worker, Default::default())?;
    let hopeless = [Reason::NothingToRun, Reason::NotApproved, Reason::Incomplete];
    let skipped = found.ranking.skipped.into_iter().find(|skipped| hopeless.contains(&skipped.reason));
    let Some(skipped) = skipped else {
        return found.ranking.eligible.first().map_or(Ok(()), |candidate| match &candidate.work {
            Work::Agents(names) => check_agents(hub, names),
            _ => Ok(()),
        });
    };
    let name = text::safe(&target.name);
    let refusal = Refusal::guard("do.cannot_run", format!("{name} cannot run unattended")).because(skipped.text);
    Err(match skipped.reason {
        Reason::NothingToRun => refusal
            .next("see which agents are here: teof agent doctor")
            .next("then choose one: teof init --role coder=NAME"),
        _ => refusal.next(format!("when that is done: teof do {name}")),
    }
    .into())
}

/// Refuses when a role's agent is unknown or not installed.
fn check_agents(hub: &Hub, names: &[String]) -> Result<()> {
    let settings = hub.settings()?;
    let refuse = |name: &str, why: String| {
        Refusal::guard("do.cannot_run", format!("the agent {} cannot run", text::safe(name)))
            .because(why)
            .next("see which agents are here: teof agent doctor")
            .next("install it, or let another agent do the work: teof init --role coder=NAME")
    };
    let in_image = executor::in_containers(hub)?;
    for name in names {
        if let Some((name, why)) = routing::unknown_agent(settings, [name]) {
            return Err(refuse(&name, why).into());
        }
        let program = agents::find(settings, name)?.program().to_owned();
        if !in_image && agents::find_program(&program, &hub.root).is_none() {
            return Err(refuse(name, format!("its program is not installed: {}", text::safe(&program))).into());
        }
    }
    Ok(())
}

/// A single word is taken for a task's name.
fn more_words(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Refusal>() {
        Ok(refusal) => refusal.next("or describe the work in a sentence: teof do \"Document the parser\"").into(),
        Err(error) => error,
    }
}

/// Queues the work ahead of everything else, unless it is under way.
///
/// # Errors
/// `coordinator.refused` (exit 1), as when the queue is full.
pub fn submit(app: &App, hub: &Hub, what: &str, wanted: Wanted) -> Result<Target> {
    let command = match wanted {
        Wanted::Known(_, target) if target.is_under_way(&store::load(hub)?) => return Ok(target),
        Wanted::Known(asked, _) => submit::task(app, hub, *asked, None)?,
        Wanted::New(details) => objective::submission(app, hub, what.trim(), &details)?,
    };
    let Command::Submit { task, plan, step, .. } = &command else { anyhow::bail!("expected a submission") };
    // The step of a plan of one step is no name of its own.
    let target = Target::new(hub, task, plan.as_deref(), step.as_deref());
    match send::have_done(app, &app.speaker()?, command, None)? {
        // A coordinator that watches the plans may have started it before it read the command.
        Some(answer) if !answer.ok && !target.is_under_way(&store::load(hub)?) => {
            Err(Refusal::guard("coordinator.refused", answer.text).next("see how things stand: teof status").into())
        }
        _ => Ok(target),
    }
}
