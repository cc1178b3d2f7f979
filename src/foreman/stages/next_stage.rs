//! Decides the next stage of an order's pipeline from the finished stages.
//!
//! Pure: the same history gives the same stage, so a killed run continues from its last checkpoint. When the coder's
//! checks, the tests, the tester or the reviewer fail, the coder runs again with the findings, as often as the order
//! allows.

use crate::model::run::order::Order;
use crate::model::run::outcome::Finding;
use crate::model::run::stage::{CODER, FORWARD_PORT, PLANNER, REVIEWER, TESTER};

/// The pipeline of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The order has commands and no coder.
    pub commands: bool,
    pub planner: bool,
    /// The foreman's own tests, a tester, or both.
    pub tester: bool,
    pub reviewer: bool,
    /// Whether work of an earlier order is ported first.
    pub forward_port: bool,
    /// The allowed coder passes, and those used before this order.
    pub passes: u32,
    pub used: u32,
}

impl Plan {
    pub fn of(order: &Order) -> Plan {
        let has = |role: &str| order.stages.iter().any(|stage| stage == role);
        let commands = order.stages.is_empty();
        Plan {
            commands,
            // A rework starts at the coder.
            planner: has(PLANNER) && order.rework.is_none(),
            tester: has(TESTER) || !order.guardrails.tests.is_empty(),
            reviewer: has(REVIEWER),
            // Commands run again on the new base.
            forward_port: order.rework.is_some() && !commands,
            passes: order.passes,
            used: order.rework.as_ref().map_or(0, |rework| rework.passes_used),
        }
    }
}

/// A stage that has its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub stage: String,
    pub round: u32,
    pub passed: bool,
    pub findings: Vec<Finding>,
}

/// What to do next. Rounds count from 1 over all orders of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Commands,
    ForwardPort,
    Planner,
    /// Run the coder with the findings since its last pass.
    Coder {
        round: u32,
        findings: Vec<Finding>,
    },
    Tester {
        round: u32,
    },
    Reviewer {
        round: u32,
    },
    Finished,
    /// The coder has no passes left, or there is no coder; holds the last findings.
    Exhausted(Vec<Finding>),
}

/// `sent_back`: the findings of a rework; the coder's first pass gets them.
pub fn next(plan: &Plan, done: &[Done], sent_back: &[Finding]) -> Next {
    let is_done = |stage: &str| done.iter().any(|done| done.stage == stage);
    if plan.commands {
        return match done.last() {
            None => Next::Commands,
            Some(last) if !last.passed => Next::Exhausted(last.findings.clone()),
            Some(_) if plan.tester && !is_done(TESTER) => Next::Tester { round: 1 },
            Some(_) => Next::Finished,
        };
    }
    if plan.forward_port && !is_done(FORWARD_PORT) {
        return Next::ForwardPort;
    }
    if plan.planner && !is_done(PLANNER) {
        return Next::Planner;
    }
    let Some(last) = done.iter().rev().find(|done| [CODER, TESTER, REVIEWER].contains(&done.stage.as_str())) else {
        let carried = done.iter().filter(|done| done.stage == FORWARD_PORT).flat_map(|done| done.findings.clone());
        return coder(plan, plan.used, sent_back.iter().cloned().chain(carried).collect());
    };
    let round = last.round;
    match (last.stage.as_str(), last.passed) {
        (_, false) => coder(plan, round, last.findings.clone()),
        (CODER, true) if plan.tester => Next::Tester { round },
        (CODER | TESTER, true) if plan.reviewer => Next::Reviewer { round },
        _ => Next::Finished,
    }
}

fn coder(plan: &Plan, before: u32, findings: Vec<Finding>) -> Next {
    if before >= plan.passes {
        return Next::Exhausted(findings);
    }
    Next::Coder { round: before + 1, findings }
}

/// The coder's passes so far, including those before this order.
pub fn passes(plan: &Plan, done: &[Done]) -> u32 {
    done.iter().filter(|done| done.stage == CODER).map(|done| done.round).max().unwrap_or(plan.used)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::run::stage::COMMANDS;

    const ALL: Plan =
        Plan { commands: false, planner: true, tester: true, reviewer: true, forward_port: false, passes: 3, used: 0 };

    fn done(stage: &str, round: u32, passed: bool) -> Done {
        let findings = if passed { Vec::new() } else { vec![Finding::low("x", "", format!("{stage} {round}"))] };
        Done { stage: stage.into(), round, passed, findings }
    }

    /// Performs whatever comes next, with the verdicts given; then the last step.
    fn play(plan: &Plan, verdicts: &[bool]) -> (Vec<Done>, Next) {
        let mut history = Vec::new();
        let mut verdicts = verdicts.iter().copied().chain(std::iter::repeat(true));
        loop {
            let next = next(plan, &history, &[]);
            let (stage, round) = match &next {
                Next::Commands => (COMMANDS, 1),
                Next::ForwardPort => (FORWARD_PORT, 1),
                Next::Planner => (PLANNER, 1),
                Next::Coder { round, .. } => (CODER, *round),
                Next::Tester { round } => (TESTER, *round),
                Next::Reviewer { round } => (REVIEWER, *round),
                Next::Finished | Next::Exhausted(_) => return (history, next),
            };
            let judged = ![COMMANDS, FORWARD_PORT, PLANNER].contains(&stage);
            history.push(done(stage, round, !judged || verdicts.next().unwrap_or(true)));
        }
    }

    fn names(history: &[Done]) -> String {
        history.iter().map(|done| format!("{}{}", &done.stage[..1], done.round)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn stages_follow_each_other_and_findings_go_back_to_the_coder() {
        assert_eq!(names(&play(&ALL, &[]).0), "p1 c1 t1 r1");
        assert_eq!(names(&play(&ALL, &[true, false]).0), "p1 c1 t1 c2 t2 r2", "a failed test");
        assert_eq!(names(&play(&ALL, &[true, true, false, false]).0), "p1 c1 t1 r1 c2 c3 t3 r3");
        let alone = Plan { planner: false, tester: false, reviewer: false, ..ALL };
        assert_eq!(names(&play(&alone, &[]).0), "c1");
        let history = [done(PLANNER, 1, true), done(CODER, 1, true), done(TESTER, 1, false)];
        let Next::Coder { round: 2, findings } = next(&ALL, &history, &[]) else { panic!() };
        assert_eq!(findings[0].message, "tester 1");
    }

    #[test]
    fn commands_are_tested_once_and_a_failed_test_ends_them() {
        let commands = Plan { commands: true, planner: false, reviewer: false, ..ALL };
        assert_eq!(play(&commands, &[]), (vec![done(COMMANDS, 1, true), done(TESTER, 1, true)], Next::Finished));
        assert_eq!(names(&play(&Plan { tester: false, ..commands.clone() }, &[]).0), "c1");
        let (history, end) = play(&commands, &[false]);
        assert_eq!((names(&history).as_str(), end), ("c1 t1", Next::Exhausted(history[1].findings.clone())));
    }

    #[test]
    fn the_passes_of_all_orders_of_a_job_count_together() {
        let (history, end) = play(&ALL, &[false, false, false]);
        assert_eq!((names(&history).as_str(), matches!(end, Next::Exhausted(_))), ("p1 c1 c2 c3", true));
        let rework = Plan { planner: false, forward_port: true, used: 2, ..ALL };
        let (history, end) = play(&rework, &[true, true, false]);
        assert_eq!(names(&history), "c1 c3 t3 r3", "carry, then the one pass that is left");
        assert!(matches!(&end, Next::Exhausted(findings) if findings[0].message == "reviewer 3"));
        assert_eq!(passes(&rework, &history), 3);
        let spent = Plan { used: 3, ..rework };
        assert_eq!(next(&spent, &[done(FORWARD_PORT, 1, true)], &[]), Next::Exhausted(Vec::new()));
    }

    #[test]
    fn a_rework_gives_the_coder_the_findings() {
        let rework = Plan { planner: false, forward_port: true, used: 1, ..ALL };
        let why = Finding::low("review.rework", "", "rename it");
        let carried = Done { findings: vec![Finding::low("carry.conflict", "a", "x")], ..done(FORWARD_PORT, 1, true) };
        let Next::Coder { round: 2, findings } = next(&rework, &[carried], &[why]) else { panic!() };
        assert_eq!(findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["review.rework", "carry.conflict"]);
    }

    proptest! {
        #[test]
        fn every_history_ends_and_finishes_only_with_passed_tests_and_review(
            flags in any::<[bool; 4]>(), passes in 1_u32..5, used in 0_u32..5, verdicts in prop::collection::vec(any::<bool>(), 0..20)
        ) {
            let plan = Plan { commands: false, planner: flags[0], tester: flags[1], reviewer: flags[2], forward_port: flags[3], passes, used };
            let (history, end) = play(&plan, &verdicts);
            let coders = history.iter().filter(|done| done.stage == CODER).count() as u32;
            prop_assert!(coders <= passes.saturating_sub(used));
            if end == Next::Finished {
                let round = history.iter().filter(|done| done.stage == CODER).map(|done| done.round).max().unwrap();
                let passed = |stage: &str| history.iter().any(|d| d.stage == stage && d.round == round && d.passed);
                prop_assert!(passed(CODER) && (!plan.tester || passed(TESTER)) && (!plan.reviewer || passed(REVIEWER)));
            }
            for cut in 0..history.len() {
                let again = next(&plan, &history[..cut], &[]);
                let differs = matches!(again, Next::Finished | Next::Exhausted(_));
                prop_assert!(!differs, "a history that went on goes on when it is resumed");
            }
        }
    }
}
