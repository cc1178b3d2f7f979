//! The selector: candidates in, choice out. `conductor`, the coordinator and `bus claim --next` use it, so that they
//! agree on what is next and why the rest waits.
//!
//! Pure: reads no file and asks no clock. [`sources`](super::sources) collects the facts; all decisions are made
//! here.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::candidate::Candidate;
use super::eligibility::obstacle;
pub use super::eligibility::{Criteria, Reason};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub task_id: String,
    pub reason: Reason,
    pub text: String,
}

/// Eligible work, best first, and other work in the same order.
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

/// Filters and orders the candidates. Their order in `candidates` does not matter.
pub fn rank(mut candidates: Vec<Candidate>, criteria: &Criteria<'_>) -> Ranking {
    candidates.sort_by(|a, b| order(a).cmp(&order(b)));
    let busy = busy_plans(&candidates);
    let mut seen = Seen::default();
    let mut ranking = Ranking::default();
    for candidate in candidates {
        match obstacle(&candidate, criteria)
            .or_else(|| plan_busy(&candidate, &busy))
            .or_else(|| seen.before(&candidate))
        {
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
pub fn choose(candidates: Vec<Candidate>, criteria: &Criteria<'_>) -> Choice {
    rank(candidates, criteria).into_choice()
}

impl Ranking {
    pub fn into_choice(self) -> Choice {
        let mut eligible = self.eligible.into_iter();
        let chosen = eligible.next();
        let mut skipped = self.skipped;
        if let Some(chosen) = &chosen {
            let text = format!("{} is next", chosen.task_id);
            skipped.extend(eligible.map(|c| Skipped {
                task_id: c.task_id,
                reason: Reason::Outranked,
                text: text.clone(),
            }));
        }
        Choice { chosen, skipped }
    }
}

/// Submissions first; among them and among the rest: priority, then the order of submission, position, age, id. The
/// rest only breaks ties, so that the order of the input never matters.
fn order(c: &Candidate) -> impl Ord + '_ {
    let age = c.created.map_or((true, 0), |at| (false, at.unix()));
    let place = (Reverse(c.submitted.is_some()), c.priority, c.submitted, c.source, c.position);
    (place, age, &c.task_id, &c.plan_id, &c.step_id, &c.title)
}

/// Plans with a held task, and that task: one running step per plan.
fn busy_plans(candidates: &[Candidate]) -> HashMap<String, String> {
    let held = candidates.iter().filter(|c| c.held.is_some());
    held.filter_map(|c| Some((c.plan_id.clone()?, c.task_id.clone()))).rev().collect()
}

fn plan_busy(c: &Candidate, busy: &HashMap<String, String>) -> Option<(Reason, String)> {
    let plan = c.plan_id.as_ref()?;
    let task = busy.get(plan)?;
    Some((Reason::PlanBusy, format!("{task} is already running for its plan {plan}")))
}

/// The eligible candidates so far.
#[derive(Default)]
struct Seen {
    tasks: HashSet<String>,
    /// For each plan, the task of its step.
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
            return Some((Reason::Duplicate, "the same task is listed earlier".into()));
        }
        let plan = c.plan_id.as_ref()?;
        let task = self.plans.get(plan)?;
        Some((Reason::Duplicate, format!("its plan's next step is already listed as {task}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::collections::BTreeMap;

    use super::*;
    use crate::base::Stamp;
    use crate::conductor::candidate::{Holder, Source, Standing, Taker, Work};
    use crate::model::claim::ClaimStatus;
    use crate::model::priority::Priority;
    use crate::plans::dependencies::Wait;

    fn item(task: &str, position: usize) -> Candidate {
        Candidate { position, work: Work::Commands, ..Candidate::new(task, Source::Backlog) }
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
        let (agent, task_id) = ("codex-2".into(), task.into());
        Some(Holder { agent, task_id, status: ClaimStatus::Active, until: None, lease_over: false })
    }

    fn order_of(candidates: Vec<Candidate>) -> Vec<String> {
        let ranking = rank(candidates, &Criteria::new(Taker::Worker));
        ranking.eligible.into_iter().map(|c| c.task_id).collect()
    }

    #[test]
    fn submissions_then_priority_then_position_then_age_then_id_decide() {
        let submitted = |place, priority, c: Candidate| Candidate { submitted: Some(place), priority, ..c };
        let high = |c: Candidate| Candidate { priority: Priority::HIGH, ..c };
        let ageless = Candidate { created: None, ..step("q", 0) };
        let wanted = vec![
            submitted(2, Priority::MEDIUM, step("urgent", 9)),
            submitted(0, Priority::LOW, step("z", 9)),
            submitted(1, Priority::LOW, item("Z", 9)),
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
        let criteria = Criteria {
            prerequisites: Some("trust 0.5 is below 0.7".into()),
            excluded: BTreeMap::from([("OUT".into(), "skipped by ana".into())]),
            ..Criteria::new(Taker::Worker)
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
            (
                Reason::LeaseOver,
                Candidate { held: held("A").map(|by| Holder { lease_over: true, ..by }), ..item("A", 0) },
            ),
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
            let choice = choose(vec![candidate.clone()], &criteria);
            assert_eq!((choice.chosen, choice.skipped[0].reason), (None, reason), "{candidate:?}");
        }
        assert_eq!(
            choose(vec![step("p", 0)], &criteria).chosen,
            Some(step("p", 0)),
            "prerequisites bind the backlog only"
        );
    }

    #[test]
    fn missing_parts_are_named_with_the_fix() {
        let choice = choose(
            vec![Candidate { missing: vec!["verification", "risk"], ..step("p", 0) }],
            &Criteria::new(Taker::Worker),
        );
        let why = &choice.skipped[0].text;
        assert!(why.contains("a person must add: verification (a test, or an expected receipt: "), "{why}");
        assert!(why.contains("teof init --test") && why.ends_with("), risk (a diff limit)"), "{why}");
    }

    #[test]
    fn a_seat_takes_its_own_or_unassigned_work() {
        let work = Work::Nothing;
        let criteria = Criteria::new(Taker::Seat("codex-1"));
        let free = Candidate { work: work.clone(), ..item("A", 1) };
        let mine = Candidate { assigned_to: Some("codex-1".into()), ..free.clone() };
        let theirs = Candidate { assigned_to: Some("codex-2".into()), ..free.clone() };
        assert!(choose(vec![free], &criteria).chosen.is_some());
        assert!(choose(vec![mine], &criteria).chosen.is_some());
        assert_eq!(choose(vec![theirs.clone()], &criteria).skipped[0].reason, Reason::Assigned);
        let given = choose(vec![Candidate { work: Work::Commands, ..theirs }], &Criteria::new(Taker::Worker));
        assert_eq!(given.chosen.unwrap().assigned_to.as_deref(), Some("codex-2"), "the coordinator asks that seat");
    }

    #[test]
    fn one_step_of_a_plan_is_offered_and_none_while_another_runs() {
        let of_plan = |task: &str, position| Candidate { plan_id: Some("p".into()), ..item(task, position) };
        let criteria = Criteria::new(Taker::Worker);
        let choice = choose(vec![of_plan("B", 1), of_plan("A", 0), of_plan("A", 2)], &criteria);
        assert_eq!(choice.chosen.unwrap().task_id, "A");
        assert_eq!(choice.skipped.iter().map(|s| s.reason).collect::<Vec<_>>(), [Reason::Duplicate; 2]);
        let running = Candidate { held: held("B"), ..of_plan("B", 1) };
        let choice = choose(vec![of_plan("A", 0), running], &criteria);
        assert_eq!(choice.skipped[0].text, "B is already running for its plan p");
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
            let criteria = Criteria::new(Taker::Worker);
            let choice = choose(candidates.clone(), &criteria);
            let mut all: Vec<_> = choice.skipped.iter().map(|s| &s.task_id).chain(choice.chosen.as_ref().map(|c| &c.task_id)).collect();
            let mut given: Vec<_> = candidates.iter().map(|c| &c.task_id).collect();
            all.sort();
            given.sort();
            prop_assert_eq!(all, given);
            let mut shuffled = candidates.clone();
            shuffled.sort_by_key(|c| crate::base::digest::sha256(format!("{seed} {}", c.position).as_bytes()));
            prop_assert_eq!(choose(shuffled, &criteria), choice);
        }
    }
}
