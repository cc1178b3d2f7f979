//! The simulated world: tasks, claims, workers, and what each of the coordinator's actions does there.
//!
//! Everything is durable at once, as the real stores are; what is lost in a crash is lost in `mod.rs`.

use std::collections::{BTreeMap, BTreeSet};

use teof::base::Stamp;
use teof::coordinator::state::input::{How, Offer, Reviewed, RunState, Seat, Snapshot};
use teof::coordinator::state::{Ending, Job, Work};
use teof::coordinator::{Action, Reply, ReviewWord, State};
use teof::model::agent::Usage;
use teof::model::priority::Priority;
use teof::model::run::outcome::{Finding, Outcome, Suspended, Verdict};

/// How often the coder may try.
const PASSES: u32 = 3;
/// The task whose order can never be written: it ends, and costs nothing else.
const UNORDERED: &str = "ND-4";

/// A small, fast, seeded generator (SplitMix64): the same seed gives the same history everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.roll(from.len())])
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Open,
    InProgress,
    Done,
    Blocked,
}

/// What the work does when it is done undisturbed, run by run; the last one repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Succeed,
    Fail,
    Refuse,
    /// Refused, and the scan has a new finding of high severity.
    Alarm,
    /// Does nothing until it is told to end.
    Hang,
}

#[derive(Debug)]
pub struct Task {
    pub id: String,
    pub plan: Option<String>,
    pub status: Status,
    pub fates: Vec<Fate>,
    /// The agent that works on it; a person decides about its work.
    pub agent: Option<&'static str>,
    pub priority: Priority,
    /// How often its agent's account will run into its limit.
    pub limits: u32,
    /// How often its agent's service will be out of order.
    pub outages: u32,
    /// Another task that has to be done before.
    pub needs: Option<String>,
    /// A worker of it died or hung, or a person interfered: it need not end done.
    pub disturbed: bool,
}

#[derive(Debug)]
pub struct Claim {
    pub seat: String,
    pub epoch: u64,
    pub live: bool,
    /// Which job it was taken for; a person's has none.
    pub job: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Born,
    Locked,
    Worked,
    Wrote,
}

/// A worker process.
#[derive(Clone, Debug)]
pub struct Worker {
    pub run: String,
    pub job: String,
    pub task: String,
    pub plan: Option<String>,
    pub seat: String,
    pub epoch: u64,
    pub nth: u32,
    /// The coder's passes when it is done.
    pub passes: u32,
    pub at: At,
    pub told: Option<How>,
}

#[derive(Default)]
pub struct World {
    pub now: i64,
    pub tasks: Vec<Task>,
    pub claims: BTreeMap<String, Claim>,
    pub orders: BTreeSet<String>,
    pub workers: Vec<Worker>,
    pub outcomes: BTreeMap<String, Outcome>,
    /// Run to how often it committed.
    pub commits: BTreeMap<String, u32>,
    /// Task to how often it was set done by the coordinator.
    pub finished: BTreeMap<String, u32>,
    /// Notes and decisions by the action's number.
    pub lines: BTreeMap<u64, u32>,
    /// Runs whose commit is merged.
    pub target: BTreeSet<String>,
    /// Runs whose result a person decided about.
    pub decided: BTreeSet<String>,
    /// Run to the tokens that it used so far.
    pub used: BTreeMap<String, u64>,
    pub consent: bool,
    /// How many claims the coordinator took.
    pub taken: u64,
    pub holds: BTreeSet<String>,
    /// The pool.
    pub seats: BTreeSet<String>,
}

/// The seat of a person, which gets no unattended work; called as a made one would be.
pub const PERSON: &str = "worker-1";

fn seat(id: &str) -> Seat {
    Seat { id: id.into(), daily_limit: None, interactive: false }
}

impl World {
    pub fn new(dice: &mut Dice) -> Self {
        let seats = ["codex-1", "codex-2"].map(str::to_owned).into();
        let mut world = World { now: 1_767_600_000, consent: true, seats, ..World::default() };
        for plan in 0..1 + dice.roll(3) {
            for step in 0..1 + dice.roll(4) {
                let task = world.task(dice, format!("P{plan}-S{step}"), Some(format!("P{plan}")));
                world.tasks.push(task);
            }
        }
        for item in 0..dice.roll(6) {
            let task = world.task(dice, format!("ND-{item}"), None);
            world.tasks.push(task);
        }
        world
    }

    fn task(&self, dice: &mut Dice, id: String, plan: Option<String>) -> Task {
        let hurdles = [Fate::Fail, Fate::Fail, Fate::Hang, Fate::Succeed];
        let lasts = [Fate::Refuse, Fate::Alarm, Fate::Fail];
        let mut fates: Vec<_> = (0..dice.roll(3)).map(|_| hurdles[dice.roll(4)]).collect();
        fates.push(*lasts.get(dice.roll(12)).unwrap_or(&Fate::Succeed));
        let agent = [None, None, Some("claude"), Some("codex")][dice.roll(4)];
        let limits = if agent.is_some() && dice.one_in(3) { 1 + dice.roll(4) as u32 } else { 0 };
        let priority = Priority::text(["urgent", "high", "medium", "low"][dice.roll(4)]);
        let disturbed = id == UNORDERED;
        let outages = if agent.is_some() && dice.one_in(3) { 1 + dice.roll(5) as u32 } else { 0 };
        // Only on earlier ones: a cycle would never be done.
        let earlier: Vec<_> = self.tasks.iter().filter(|other| plan.is_none() || other.plan != plan).collect();
        let needs = if dice.one_in(4) { dice.pick(&earlier).map(|other| other.id.clone()) } else { None };
        Task { id, plan, status: Status::Open, fates, agent, priority, limits, outages, needs, disturbed }
    }

    pub fn stamp(&self) -> Stamp {
        Stamp::from_unix(self.now)
    }

    pub fn task_mut(&mut self, id: &str) -> &mut Task {
        self.tasks.iter_mut().find(|task| task.id == id).expect("a task of this world")
    }

    /// Whether somebody has a task, or its whole plan.
    fn is_held(&self, task: &str) -> bool {
        let plan = task.split_once("-S").map(|(plan, _)| plan);
        [Some(task), plan].into_iter().flatten().any(|name| self.claims.get(name).is_some_and(|claim| claim.live))
    }

    pub fn is_done(&self, task: &str) -> bool {
        self.tasks.iter().any(|found| found.id == task && found.status == Status::Done)
    }

    /// A person takes a whole plan, under its own name, as long as nobody has any of it.
    pub fn take_plan(&mut self, plan: &str) -> bool {
        let of_plan = |task: &&Task| task.plan.as_deref() == Some(plan);
        let is_free = self.tasks.iter().filter(of_plan).all(|task| !self.is_held(&task.id))
            && !self.workers.iter().any(|worker| worker.plan.as_deref() == Some(plan));
        if is_free {
            let epoch = self.claims.get(plan).map_or(0, |claim| claim.epoch) + 1;
            self.claims.insert(plan.to_owned(), Claim { seat: "ada".into(), epoch, live: true, job: None });
            self.tasks.iter_mut().filter(|task| task.plan.as_deref() == Some(plan)).for_each(|t| t.disturbed = true);
        }
        is_free
    }

    pub fn agent_of(&self, task: &str) -> Option<&'static str> {
        self.tasks.iter().find(|found| found.id == task)?.agent
    }

    pub fn owns(&self, job: &Job) -> bool {
        self.claims.get(&job.task).is_some_and(|c| c.live && c.job.as_deref() == Some(&job.id))
    }

    pub fn lock_holder(&self, task: &str) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.task == task && worker.at != At::Born)
    }

    /// What the real shell finds out from the processes, the run lock and the outcome file.
    pub fn run_is(&self, job: &Job) -> RunState {
        let run = job.run_id();
        if let Some(worker) = self.workers.iter().find(|worker| worker.run == run) {
            let fates = &self.tasks.iter().find(|task| task.id == worker.task).unwrap().fates;
            let hangs = fates[(worker.nth as usize - 1).min(fates.len() - 1)] == Fate::Hang;
            return if hangs && worker.at == At::Locked { RunState::Frozen } else { RunState::Alive };
        }
        self.outcomes.get(&run).map_or(RunState::Gone, |outcome| RunState::Ended(Box::new(outcome.clone())))
    }

    pub fn snapshot(&self, state: &State) -> Snapshot {
        let mut offers: Vec<_> = self.tasks.iter().filter(|task| self.is_open(task)).map(offer).collect();
        let submitted = |task: &String| state.submissions.iter().any(|submission| submission.task == *task);
        offers.sort_by_key(|offer| (!submitted(&offer.task), offer.priority));
        for offer in offers.iter_mut().filter(|offer| submitted(&offer.task)) {
            offer.source = Offer::SUBMISSION.into();
        }
        Snapshot {
            trials: None,
            no_room: None,
            seq: state.volatile.results,
            stop: (!self.consent).then(|| "no consent".to_owned()),
            unreadable: false,
            no_choice: None,
            danger: None,
            grant: Some((Stamp::from_unix(1), None)),
            only: None,
            again: None,
            holds: self.holds.clone(),
            offers,
            skipped: Vec::new(),
            seats: self.seats.iter().map(|id| seat(id)).chain([Seat { interactive: true, ..seat(PERSON) }]).collect(),
            seat_names: self.seats.iter().cloned().chain([PERSON.into()]).collect(),
            orphans: self.orphans(),
            reviews: self.merged(state),
        }
    }

    fn merged(&self, state: &State) -> Vec<Reviewed> {
        let under_review = state.live_jobs().filter(|job| job.is_under_review());
        let merged = under_review.filter(|job| job.commit().is_some_and(|commit| self.target.contains(commit)));
        let found = |job: &Job| Reviewed {
            job: job.id.clone(),
            run: job.run_id(),
            word: ReviewWord::Merged { commit: job.run_id() },
            by: "and found there".into(),
        };
        merged.map(found).collect()
    }

    pub fn is_open(&self, task: &Task) -> bool {
        let earlier = |other: &&Task| other.plan.is_some() && other.plan == task.plan && other.id < task.id;
        let in_order = self.tasks.iter().filter(earlier).all(|other| other.status == Status::Done);
        let ready = task.needs.as_ref().is_none_or(|needs| self.is_done(needs));
        task.status == Status::Open && in_order && ready && !self.is_held(&task.id) && !self.holds.contains(&task.id)
    }

    fn orphans(&self) -> Vec<String> {
        let lost = |task: &&Task| task.plan.is_none() && task.status == Status::InProgress && !self.is_held(&task.id);
        self.tasks.iter().filter(lost).map(|task| task.id.clone()).collect()
    }

    /// Performs an action as the real shell must: first looks whether it was performed already.
    pub fn perform(&mut self, id: u64, action: &Action, state: &State) -> Reply {
        let job = action.job().map(|job| state.job(job).expect("the job of an action is remembered").clone());
        match (action, job) {
            (Action::Assign { .. }, Some(job)) => self.assign(&job),
            (Action::Order { .. }, Some(job)) if job.task == UNORDERED => Reply::Broken { why: "no order".into() },
            (Action::Order { .. }, Some(job)) => {
                self.orders.insert(order(&job));
                let agents: Vec<_> = self.agent_of(&job.task).map(str::to_owned).into_iter().collect();
                let work = Work { staged: !agents.is_empty(), agents, passes: PASSES };
                Reply::Ordered { path: order(&job), work }
            }
            (Action::Spawn { run, .. }, Some(job)) => self.spawn(&job, run),
            (Action::Finalize { ending, .. }, Some(job)) => self.finalize(&job, *ending),
            (Action::Note { .. } | Action::Decide(_) | Action::Notify { .. }, _) => {
                self.lines.entry(id).or_insert(1);
                Reply::Done
            }
            (Action::Reset { task }, _) => {
                if self.orphans().contains(task) {
                    self.task_mut(task).status = Status::Open;
                }
                Reply::Done
            }
            (Action::Keep { .. } | Action::Await { .. }, Some(job)) => match self.owns(&job) {
                true => Reply::Done,
                false => Reply::Refused { why: "the claim is lost".into() },
            },
            (Action::Deliver { .. }, Some(_)) => match id % 5 {
                _ if !self.consent => Reply::NotNow { why: "no consent".into() },
                0 => Reply::Failed { why: "the remote is gone".into() },
                1 => Reply::Refused { why: "there is none".into() },
                _ => Reply::Delivered { pull_request: Some(id) },
            },
            (Action::Commit, _) => Reply::Done,
            _ => unreachable!("these actions have a job"),
        }
    }

    fn assign(&mut self, job: &Job) -> Reply {
        if self.owns(job) {
            return Reply::Assigned { epoch: self.claims[&job.task].epoch };
        }
        if job.epoch.is_some() || !self.is_open(self.tasks.iter().find(|task| task.id == job.task).unwrap()) {
            return Reply::Refused { why: "it is not free".into() };
        }
        if !self.consent {
            return Reply::NotNow { why: "no consent".into() };
        }
        let epoch = self.claims.get(&job.task).map_or(0, |claim| claim.epoch) + 1;
        let claim = Claim { seat: job.seat.clone(), epoch, live: true, job: Some(job.id.clone()) };
        self.claims.insert(job.task.clone(), claim);
        self.task_mut(&job.task).status = Status::InProgress;
        self.taken += 1;
        Reply::Assigned { epoch }
    }

    fn spawn(&mut self, job: &Job, run: &str) -> Reply {
        let used = job.rework.as_ref().map_or(0, |rework| rework.passes_used);
        assert!(used < PASSES, "the coder's passes are bounded");
        if !self.orders.contains(&order(job)) {
            return Reply::Refused { why: "it has no order".into() };
        }
        let alive = self.workers.iter().any(|worker| worker.run == run);
        if !alive && self.outcomes.get(run).is_some_and(|outcome| outcome.verdict == Verdict::Paused) {
            self.outcomes.remove(run);
        }
        if alive || self.outcomes.contains_key(run) {
            return Reply::Done;
        }
        if !self.consent {
            return Reply::NotNow { why: "no consent".into() };
        }
        self.workers.push(Worker {
            run: run.to_owned(),
            job: job.id.clone(),
            task: job.task.clone(),
            plan: job.plan.clone(),
            seat: job.seat.clone(),
            epoch: job.epoch.expect("a job is given before it runs"),
            nth: job.run,
            passes: 1 + job.rework.as_ref().map_or(0, |rework| rework.passes_used),
            at: At::Born,
            told: None,
        });
        Reply::Done
    }

    fn finalize(&mut self, job: &Job, ending: Ending) -> Reply {
        let decided = match job.decision.as_ref().map(|decision| &decision.word) {
            Some(ReviewWord::Merged { commit }) => Some(commit.as_str()),
            _ => None,
        };
        if !self.owns(job) {
            let is_free = self.claims.get(&job.task).is_none_or(|claim| !claim.live);
            if decided.is_some() && is_free && self.task_mut(&job.task).status != Status::Done {
                // Merged after its claim ended: as the executor does it.
                self.task_mut(&job.task).status = Status::Done;
                *self.finished.entry(job.task.clone()).or_default() += 1;
            }
            return Reply::Done;
        }
        if self.holds.contains(&job.task) {
            return Reply::NotNow { why: "on hold".into() };
        }
        // Merged while another end was on its way.
        let ending = if decided.is_some() { Ending::Done } else { ending };
        if ending == Ending::Done && self.agent_of(&job.task).is_some() {
            let merged = decided.or(job.commit()).is_some_and(|commit| self.target.contains(commit));
            assert!(merged, "{} is done before it is merged", job.task);
        }
        self.task_mut(&job.task).status = match ending {
            Ending::Done => Status::Done,
            Ending::Blocked => Status::Blocked,
            Ending::Cancelled | Ending::Dropped => Status::Open,
            Ending::Reverted => unreachable!("a revert finalizes nothing"),
        };
        if ending == Ending::Done {
            *self.finished.entry(job.task.clone()).or_default() += 1;
        }
        self.claims.get_mut(&job.task).unwrap().live = false;
        Reply::Done
    }

    pub fn tell(&mut self, run: &str, how: How) {
        for worker in self.workers.iter_mut().filter(|worker| worker.run == run) {
            worker.told = worker.told.max(Some(how));
        }
    }

    /// Moves one worker by one instruction.
    pub fn work(&mut self, which: usize) {
        let worker = self.workers[which].clone();
        let next = match worker.at {
            At::Born => {
                let over = self.outcomes.contains_key(&worker.run) || self.lock_holder(&worker.task).is_some();
                (!over).then_some(At::Locked)
            }
            At::Locked => self.do_the_work(&worker),
            At::Worked => {
                let outcome = self.outcome(&worker, Verdict::Succeeded);
                self.outcomes.insert(worker.run.clone(), outcome);
                Some(At::Wrote)
            }
            At::Wrote => None,
        };
        match next {
            Some(at) => self.workers[which].at = at,
            None => drop(self.workers.remove(which)),
        }
    }

    fn do_the_work(&mut self, worker: &Worker) -> Option<At> {
        *self.used.entry(worker.run.clone()).or_default() += 1000;
        let claim = self.claims.get(&worker.task);
        let ours = claim.is_some_and(|c| c.live && c.epoch == worker.epoch && c.seat == worker.seat);
        let task = self.tasks.iter_mut().find(|task| task.id == worker.task).unwrap();
        let committed = self.commits.contains_key(&worker.run);
        let fate = task.fates[(worker.nth as usize - 1).min(task.fates.len() - 1)];
        let verdict = match (worker.told, fate) {
            _ if !ours => Verdict::Refused,
            _ if committed => Verdict::Succeeded,
            (Some(How::Now), _) => Verdict::Failed,
            (Some(How::Stage), Fate::Hang) => return Some(At::Locked),
            (Some(How::Stage), _) => Verdict::Paused,
            _ if !self.consent => Verdict::Paused,
            (None, _) if task.limits > 0 => {
                task.limits -= 1;
                let agent = task.agent.expect("a limit is an agent's").to_owned();
                let until = Stamp::from_unix(self.now + 400 + i64::from(task.limits) * 300);
                let mut outcome = self.outcome(worker, Verdict::Paused);
                let reason = "the limit is reached".into();
                outcome.suspended = Some(Suspended { agent, until, reason, outage: false });
                self.outcomes.insert(worker.run.clone(), outcome);
                return Some(At::Wrote);
            }
            (None, _) if task.outages > 0 => {
                task.outages -= 1;
                let agent = task.agent.expect("an outage is an agent's").to_owned();
                let (until, reason) = (Stamp::from_unix(self.now), "overloaded".into());
                let mut outcome = self.outcome(worker, Verdict::Paused);
                outcome.suspended = Some(Suspended { agent, until, reason, outage: true });
                self.outcomes.insert(worker.run.clone(), outcome);
                return Some(At::Wrote);
            }
            (None, Fate::Succeed) => Verdict::Succeeded,
            (None, Fate::Fail) => Verdict::Failed,
            (None, Fate::Refuse | Fate::Alarm) => Verdict::Blocked,
            (None, Fate::Hang) => return Some(At::Locked),
        };
        if verdict == Verdict::Succeeded {
            *self.commits.entry(worker.run.clone()).or_default() += u32::from(!committed);
            return Some(At::Worked);
        }
        task.disturbed |= worker.told == Some(How::Now);
        let mut outcome = self.outcome(worker, verdict);
        if verdict == Verdict::Blocked && fate == Fate::Alarm {
            let (code, severity, message) = ("receipt.altered".into(), "high".into(), "a receipt was altered".into());
            outcome.scan.push(Finding { code, severity, message, path: None, line: None, hint: None, more: 0 });
        }
        self.outcomes.insert(worker.run.clone(), outcome);
        Some(At::Wrote)
    }

    fn outcome(&self, worker: &Worker, verdict: Verdict) -> Outcome {
        let output_tokens = self.used.get(&worker.run).copied().unwrap_or(0);
        Outcome {
            run: worker.run.clone(),
            job: Some(worker.job.clone()),
            task_id: worker.task.clone(),
            agent_id: worker.seat.clone(),
            verdict,
            reason: format!("{verdict:?}"),
            findings: Vec::new(),
            scan: Vec::new(),
            branch: String::new(),
            commit: (verdict == Verdict::Succeeded).then(|| worker.run.clone()),
            envelope: None,
            bundle: None,
            usage: Usage { output_tokens, ..Usage::default() },
            passes: worker.passes,
            session: None,
            suspended: None,
            quotas: Default::default(),
            needs_person: false,
            last_output: None,
            question: None,
            receipts: Vec::new(),
            started_at: self.stamp(),
            finished_at: self.stamp(),
        }
    }

    pub fn kill(&mut self, which: usize) {
        let worker = self.workers.remove(which);
        self.task_mut(&worker.task).disturbed = true;
    }
}

fn offer(task: &Task) -> Offer {
    Offer {
        paths: Vec::new(),
        task: task.id.clone(),
        plan: task.plan.clone(),
        step: task.plan.as_ref().map(|_| task.id.clone()),
        title: task.id.clone(),
        source: if task.plan.is_some() { "plan" } else { "backlog" }.into(),
        priority: task.priority,
        seat: None,
        origin: None,
        agents: task.agent.map(str::to_owned).into_iter().collect(),
        why: "it is the first".into(),
    }
}

/// What a job's present order is known by.
fn order(job: &Job) -> String {
    format!("{}-{}", job.id, job.rework.as_ref().map_or(0, |rework| rework.nth))
}
