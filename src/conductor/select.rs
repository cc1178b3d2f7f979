//! The one selector: candidates in, choice out. `conductor`, the coordinator and `bus claim --next`
//! all use it, so that they agree on what comes next and why the rest has to wait.
//!
//! Pure: reads no file and asks no clock. [`sources`](super::sources) finds the facts; every
//! decision that they lead to is made here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::candidate::{Candidate, Source, Standing, Taker, Work};

/// What the choice is held to.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    pub taker: Taker<'a>,
    /// Why the backlog's prerequisites do not hold; stops its items, and nothing else.
    pub prerequisites: Option<String>,
    /// Tasks that are not to be chosen, each with the reason.
    pub excluded: BTreeMap<String, String>,
}

impl<'a> Rules<'a> {
    pub fn new(taker: Taker<'a>) -> Self {
        Self { taker, prerequisites: None, excluded: BTreeMap::new() }
    }
}

/// Why a candidate was passed over; the codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The source cannot be understood.
    Damaged,
    /// A submission that names nothing which could be done now.
    Unavailable,
    /// All steps of its plan are done, and a person is to close it.
    Unclosed,
    /// Its file may still be being written.
    Settling,
    /// The same task, or another step of the same plan, is ahead of it.
    Duplicate,
    Excluded,
    Claimed,
    /// The plan that it belongs to is being worked on under another task.
    PlanBusy,
    /// In progress, and nobody has it.
    Orphaned,
    OnHold,
    Blocked,
    /// Something that it depends on is not done.
    Waits,
    /// It depends on something that does not exist, or on itself.
    NeverReady,
    Assigned,
    Prerequisites,
    NothingToRun,
    NotApproved,
    /// A person has to complete it.
    Incomplete,
    /// It could have been chosen; something better was.
    Outranked,
}

impl Reason {
    /// Whether nothing changes until a person does something: reported once.
    pub fn needs_person(self) -> bool {
        use Reason::{Damaged, Incomplete, NeverReady, NotApproved, NothingToRun, Unavailable, Unclosed};
        matches!(self, Damaged | Unavailable | Unclosed | NeverReady | NothingToRun | NotApproved | Incomplete)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub task_id: String,
    pub reason: Reason,
    pub text: String,
}

/// Everything that may be taken, best first; and what may not, in the same order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ranking {
    pub eligible: Vec<Candidate>,
    pub skipped: Vec<Skipped>,
}

/// One choice, for the decision log: `chosen` and `skipped` together are all candidates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Choice {
    pub chosen: Option<Candidate>,
    pub skipped: Vec<Skipped>,
}

/// Judges and orders the candidates. Their order in `candidates` does not matter.
pub fn rank(mut candidates: Vec<Candidate>, rules: &Rules<'_>) -> Ranking {
    candidates.sort_by(|a, b| order(a).cmp(&order(b)));
    let busy = busy_plans(&candidates);
    let mut seen = Seen::default();
    let mut ranking = Ranking::default();
    for candidate in candidates {
        match obstacle(&candidate, rules).or_else(|| crowded(&candidate, &busy)).or_else(|| seen.before(&candidate)) {
            Some((reason, text)) => ranking.skipped.push(Skipped { task_id: candidate.task_id, reason, text }),
            None => {
                seen.add(&candidate);
                ranking.eligible.push(candidate);
            }
        }
    }
    ranking
}

/// The best candidate; all others are skipped, each with its reason.
pub fn choose(candidates: Vec<Candidate>, rules: &Rules<'_>) -> Choice {
    rank(candidates, rules).into_choice()
}

impl Ranking {
    pub fn into_choice(self) -> Choice {
        let mut eligible = self.eligible.into_iter();
        let chosen = eligible.next();
        let mut skipped = self.skipped;
        if let Some(chosen) = &chosen {
            let text = format!("{} comes first", chosen.task_id);
            skipped.extend(eligible.map(|c| Skipped {
                task_id: c.task_id,
                reason: Reason::Outranked,
                text: text.clone(),
            }));
        }
        Choice { chosen, skipped }
    }
}

/// Submissions in their order, then priority, position, age, id. The rest only settles ties between
/// entries that are equal up to their id, so that the order of the input never decides.
fn order(c: &Candidate) -> impl Ord + '_ {
    let age = c.created.map_or((true, 0), |at| (false, at.unix()));
    let place = (Reverse(c.submitted.is_some()), c.submitted, c.priority, c.source, c.position);
    (place, age, &c.task_id, &c.plan_id, &c.step_id, &c.title)
}

/// What keeps one candidate from being taken, whatever the others are. The first reason that a
/// person would want to hear wins: broken before held, held before unready.
fn obstacle(c: &Candidate, rules: &Rules<'_>) -> Option<(Reason, String)> {
    match &c.standing {
        Standing::Damaged(why) => return Some((Reason::Damaged, why.clone())),
        Standing::Unavailable(why) => return Some((Reason::Unavailable, why.clone())),
        Standing::Unclosed(why) => return Some((Reason::Unclosed, why.clone())),
        Standing::Settling => {
            return Some((Reason::Settling, "its file was written a moment ago: it is taken once it is still".into()));
        }
        _ => {}
    }
    if let Some(why) = rules.excluded.get(&c.task_id) {
        return Some((Reason::Excluded, why.clone()));
    }
    if let Some(holder) = &c.held {
        return Some((Reason::Claimed, holder.words(&c.task_id)));
    }
    if let Some(who) = &c.on_hold {
        return Some((Reason::OnHold, format!("on hold: {who}")));
    }
    match &c.standing {
        Standing::Blocked(what) => return Some((Reason::Blocked, what.clone())),
        Standing::InProgress => return Some((Reason::Orphaned, "in progress, and no live claim has it".into())),
        _ => {}
    }
    if let Some(wait) = &c.waits {
        let reason = if wait.needs_person() { Reason::NeverReady } else { Reason::Waits };
        return Some((reason, wait.describe()));
    }
    if c.source == Source::Backlog
        && let Some(why) = &rules.prerequisites
    {
        return Some((Reason::Prerequisites, why.clone()));
    }
    match rules.taker {
        Taker::Seat(seat) => match &c.assigned_to {
            Some(other) if other != seat => Some((Reason::Assigned, format!("assigned to {other}"))),
            _ => None,
        },
        Taker::Worker => unready(c),
    }
}

/// What an unattended worker lacks.
fn unready(c: &Candidate) -> Option<(Reason, String)> {
    match &c.work {
        Work::Nothing => {
            return Some((
                Reason::NothingToRun,
                "it has neither commands nor an agent: somebody has to take it, or bind an agent in [roles.coder]"
                    .into(),
            ));
        }
        Work::NotApproved(why) => return Some((Reason::NotApproved, why.clone())),
        Work::UnknownAgent(name, next) => {
            let why = format!("it needs the agent {name}, which is not set up here: {next}");
            return Some((Reason::NothingToRun, why));
        }
        Work::NoRoute(why) => return Some((Reason::NothingToRun, why.clone())),
        Work::Commands | Work::Agents(_) => {}
    }
    (!c.missing.is_empty()).then(|| (Reason::Incomplete, format!("it waits for a person; missing: {}", lacks(c))))
}

/// The playbook's words for what is missing, each with what would be enough.
fn lacks(c: &Candidate) -> String {
    let test = match (&c.plan_id, &c.step_id) {
        (Some(plan), Some(step)) => {
            format!("teof plan step set {plan} {step} --test \"…\", then teof plan approve {plan}; or for all work, ")
        }
        _ => String::new(),
    };
    let test = format!("{test}[guard] tests in teof.toml, then teof consent grant");
    let each = c.missing.iter().map(|name| match *name {
        "goal" => "goal (an objective)".to_owned(),
        "acceptance" => "acceptance (what the checkpoint is)".to_owned(),
        "verification" => format!("verification (a test, or a receipt that it must leave: {test})"),
        "risk" => "risk (a diff limit)".to_owned(),
        "targets" => "targets (a layer and systemic targets)".to_owned(),
        other => other.to_owned(),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Plans of which some task is held, with that task: one running step per plan.
fn busy_plans(candidates: &[Candidate]) -> HashMap<String, String> {
    let held = candidates.iter().filter(|c| c.held.is_some());
    held.filter_map(|c| Some((c.plan_id.clone()?, c.task_id.clone()))).rev().collect()
}

fn crowded(c: &Candidate, busy: &HashMap<String, String>) -> Option<(Reason, String)> {
    let plan = c.plan_id.as_ref()?;
    let task = busy.get(plan)?;
    Some((Reason::PlanBusy, format!("its plan {plan} is worked on under {task}")))
}

/// What is eligible so far.
#[derive(Default)]
struct Seen {
    tasks: HashSet<String>,
    /// Plan to the task that stands for its step.
    plans: HashMap<String, String>,
}

impl Seen {
    fn add(&mut self, c: &Candidate) {
        self.tasks.insert(c.task_id.clone());
        if let Some(plan) = &c.plan_id {
            self.plans.insert(plan.clone(), c.task_id.clone());
        }
    }

    fn before(&self, c: &Candidate) -> Option<(Reason, String)> {
        if self.tasks.contains(&c.task_id) {
            return Some((Reason::Duplicate, "the same task is listed before".into()));
        }
        let plan = c.plan_id.as_ref()?;
        let task = self.plans.get(plan)?;
        Some((Reason::Duplicate, format!("its plan's next step is offered as {task}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Stamp;
    use crate::conductor::candidate::Holder;
    use crate::model::claim::ClaimStatus;
    use crate::model::priority::Priority;
    use crate::plans::dependencies::Wait;

    fn item(task: &str, position: usize) -> Candidate {
        Candidate {
            task_id: task.into(),
            source: Source::Backlog,
            plan_id: None,
            step_id: None,
            title: String::new(),
            submitted: None,
            priority: Priority::MEDIUM,
            position,
            created: None,
            assigned_to: None,
            standing: Standing::Open,
            waits: None,
            held: None,
            on_hold: None,
            origin: None,
            work: Work::Commands,
            route: None,
            missing: Vec::new(),
        }
    }

    fn step(plan: &str, created: i64) -> Candidate {
        Candidate {
            source: Source::Plan,
            plan_id: Some(plan.into()),
            step_id: Some("S1".into()),
            created: Some(Stamp::from_unix(created)),
            ..item(&format!("{plan}-S1"), 0)
        }
    }

    fn held(task: &str) -> Option<Holder> {
        Some(Holder { agent: "codex-2".into(), task_id: task.into(), status: ClaimStatus::Active, until: None })
    }

    fn order_of(candidates: Vec<Candidate>) -> Vec<String> {
        let ranking = rank(candidates, &Rules::new(Taker::Worker));
        ranking.eligible.into_iter().map(|c| c.task_id).collect()
    }

    #[test]
    fn submissions_then_priority_then_position_then_age_then_id_decide() {
        let submitted = |place, c: Candidate| Candidate { submitted: Some(place), priority: Priority::LOW, ..c };
        let high = |c: Candidate| Candidate { priority: Priority::HIGH, ..c };
        let ageless = Candidate { created: None, ..step("q", 0) };
        let wanted = vec![
            submitted(0, step("z", 9)),
            submitted(1, item("Z", 9)),
            high(item("Y", 8)),
            high(step("y", 7)),
            item("B", 0),
            item("A", 1),
            step("old", 1),
            step("a", 2),
            step("b", 2),
            ageless,
        ];
        let names: Vec<_> = wanted.iter().map(|c| c.task_id.clone()).collect();
        assert_eq!(order_of(wanted.into_iter().rev().collect()), names);
    }

    #[test]
    fn every_obstacle_has_its_reason() {
        let rules = Rules {
            prerequisites: Some("trust 0.5 is below 0.7".into()),
            excluded: BTreeMap::from([("OUT".into(), "skipped by ana".into())]),
            ..Rules::new(Taker::Worker)
        };
        let standing = |standing| Candidate { standing, ..step("p", 0) };
        let cases = [
            (Reason::Damaged, standing(Standing::Damaged("x".into()))),
            (Reason::Unavailable, standing(Standing::Unavailable("x".into()))),
            (Reason::Unclosed, standing(Standing::Unclosed("x".into()))),
            (Reason::Blocked, standing(Standing::Blocked("x".into()))),
            (Reason::Orphaned, standing(Standing::InProgress)),
            (Reason::Excluded, item("OUT", 0)),
            (Reason::Claimed, Candidate { held: held("A"), ..item("A", 0) }),
            (Reason::Claimed, Candidate { held: held("PLAN-p"), standing: Standing::InProgress, ..step("p", 0) }),
            (Reason::OnHold, Candidate { on_hold: Some("ana: wait".into()), ..step("p", 0) }),
            (Reason::Waits, Candidate { waits: Some(Wait::For("B".into())), ..step("p", 0) }),
            (Reason::NeverReady, Candidate { waits: Some(Wait::Unknown("B".into())), ..step("p", 0) }),
            (Reason::Prerequisites, item("A", 0)),
            (Reason::NothingToRun, Candidate { work: Work::Nothing, ..step("p", 0) }),
            (Reason::NothingToRun, Candidate { work: Work::UnknownAgent("x".into(), "y".into()), ..step("p", 0) }),
            (Reason::NotApproved, Candidate { work: Work::NotApproved("rm".into()), ..step("p", 0) }),
            (Reason::Incomplete, Candidate { missing: vec!["goal"], ..step("p", 0) }),
        ];
        for (reason, candidate) in cases {
            let choice = choose(vec![candidate.clone()], &rules);
            assert_eq!((choice.chosen, choice.skipped[0].reason), (None, reason), "{candidate:?}");
        }
        assert_eq!(
            choose(vec![step("p", 0)], &rules).chosen,
            Some(step("p", 0)),
            "prerequisites bind the backlog only"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_what_would_do() {
        let choice = choose(
            vec![Candidate { missing: vec!["verification", "risk"], ..step("p", 0) }],
            &Rules::new(Taker::Worker),
        );
        let why = &choice.skipped[0].text;
        assert!(why.contains("missing: verification (a test, or a receipt that it must leave: "), "{why}");
        assert!(why.contains("[guard] tests in teof.toml") && why.ends_with("), risk (a diff limit)"), "{why}");
    }

    #[test]
    fn a_seat_takes_what_is_its_own_or_nobodys_and_needs_nothing_to_run() {
        let work = Work::Nothing;
        let rules = Rules::new(Taker::Seat("codex-1"));
        let free = Candidate { work: work.clone(), ..item("A", 1) };
        let mine = Candidate { assigned_to: Some("codex-1".into()), ..free.clone() };
        let theirs = Candidate { assigned_to: Some("codex-2".into()), ..free.clone() };
        assert!(choose(vec![free], &rules).chosen.is_some());
        assert!(choose(vec![mine], &rules).chosen.is_some());
        assert_eq!(choose(vec![theirs.clone()], &rules).skipped[0].reason, Reason::Assigned);
        let given = choose(vec![Candidate { work: Work::Commands, ..theirs }], &Rules::new(Taker::Worker));
        assert_eq!(given.chosen.unwrap().assigned_to.as_deref(), Some("codex-2"), "the coordinator asks that seat");
    }

    #[test]
    fn one_step_of_a_plan_is_offered_and_none_while_another_runs() {
        let of_plan = |task: &str, position| Candidate { plan_id: Some("p".into()), ..item(task, position) };
        let rules = Rules::new(Taker::Worker);
        let choice = choose(vec![of_plan("B", 1), of_plan("A", 0), of_plan("A", 2)], &rules);
        assert_eq!(choice.chosen.unwrap().task_id, "A");
        assert_eq!(choice.skipped.iter().map(|s| s.reason).collect::<Vec<_>>(), [Reason::Duplicate; 2]);
        let running = Candidate { held: held("B"), ..of_plan("B", 1) };
        let choice = choose(vec![of_plan("A", 0), running], &rules);
        assert_eq!(choice.skipped[0].text, "its plan p is worked on under B");
        assert_eq!((choice.skipped[0].reason, choice.skipped[1].reason), (Reason::PlanBusy, Reason::Claimed));
    }

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        let standing = prop_oneof![
            4 => Just(Standing::Open),
            1 => Just(Standing::InProgress),
            1 => Just(Standing::Blocked("b".into())),
            1 => Just(Standing::Damaged("d".into())),
        ];
        let source = prop_oneof![Just(Source::Backlog), Just(Source::Plan)];
        let facts = (0..4u8, any::<bool>(), proptest::option::of(0..3i64), proptest::option::weighted(0.2, 0..3usize));
        (standing, source, 0..6u8, proptest::option::of(0..4u8), facts).prop_map(
            |(standing, source, task, plan, (priority, is_held, created, submitted))| Candidate {
                standing,
                source,
                plan_id: plan.map(|n| format!("p{n}")),
                priority: Priority::text(&priority.to_string()),
                held: held("x").filter(|_| is_held && priority == 0),
                created: created.map(Stamp::from_unix),
                submitted,
                ..item(&format!("T{task}"), 0)
            },
        )
    }

    proptest! {
        #[test]
        fn the_order_of_the_input_never_decides_and_nothing_gets_lost(
            mut candidates in proptest::collection::vec(any_candidate(), 0..12),
            seed in any::<u64>(),
        ) {
            // In the stores no two entries have the same place.
            for (place, candidate) in candidates.iter_mut().enumerate() {
                candidate.position = place;
            }
            let rules = Rules::new(Taker::Worker);
            let choice = choose(candidates.clone(), &rules);
            let mut all: Vec<_> = choice.skipped.iter().map(|s| &s.task_id).chain(choice.chosen.as_ref().map(|c| &c.task_id)).collect();
            let mut given: Vec<_> = candidates.iter().map(|c| &c.task_id).collect();
            all.sort();
            given.sort();
            prop_assert_eq!(all, given);
            let mut shuffled = candidates.clone();
            shuffled.sort_by_key(|c| crate::base::digest::sha256(format!("{seed} {}", c.position).as_bytes()));
            prop_assert_eq!(choose(shuffled, &rules), choice);
        }
    }
}
