//! Estimates the complexity of a request, from 0 to 10, only from its fields. Pure.
//!
//! | looked at | points |
//! |---|---|
//! | words of objective, notes and acceptance | over 40: 1, over 150: 2, over 400: 3 |
//! | globs where it may write | none (everywhere) or over 3: 1 |
//! | lines that it may change | over 100: 1, over 400: 2 |
//! | tests and receipts that it must pass and leave | over 3: 1 |
//! | the plan's impact score | 4 and more: 1 |
//! | its systemic scale | 5 and more: 1, 8 and more: 2 |
//! | its layer | L0 to L4: 1 |
//! | the kind of work, by the words for it | small (typo, rename…): 0, ordinary: 1, hard (refactor, migrate…): 3 |
//!
//! A reproducible estimate: it only chooses a route.

use crate::hub::Settings;
use crate::model::plan::{Plan, Step};
use crate::model::run::order::Complexity;

/// The rated fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    pub objective: &'a str,
    pub notes: &'a str,
    pub acceptance: &'a str,
    /// The number of writable globs.
    pub allowed: usize,
    pub diff_limit: u64,
    /// Tests to pass and receipts to leave.
    pub checks: usize,
    pub impact: i64,
    pub scale: u64,
    pub layer: &'a str,
}

/// Word beginnings; searched only in the objective, because notes contain other text.
const HARD: [&str; 12] = [
    "refactor",
    "rewrit",
    "migrat",
    "redesign",
    "rearchitect",
    "concurren",
    "parallel",
    "security",
    "protocol",
    "architect",
    "performance",
    "distribut",
];
const SMALL: [&str; 8] = ["typo", "renam", "spelling", "comment", "wording", "bump", "readme", "reformat"];

impl<'a> Request<'a> {
    /// The request of a step, as its order would have it.
    pub fn of_step(settings: &Settings, plan: &'a Plan, step: &Step<'a>) -> Request<'a> {
        let guard = &settings.guard;
        let own = step.tests().into_iter().filter(|test| !guard.tests.iter().any(|known| known == test)).count();
        let expected = step.expected_receipts().map_or(0, |expected| expected.len());
        let allowed = step.allowed().len();
        Request {
            objective: step.objective().unwrap_or_default(),
            notes: step.notes().unwrap_or_default(),
            acceptance: plan.checkpoint().description().unwrap_or_default(),
            allowed: if allowed > 0 { allowed } else { guard.allowed.len() },
            diff_limit: step.diff_limit().unwrap_or(guard.diff_limit),
            checks: guard.tests.len() + own + expected,
            impact: plan.impact_score().unwrap_or_default(),
            scale: plan.systemic_scale().unwrap_or_default(),
            layer: plan.layer().unwrap_or_default(),
        }
    }
}

/// The score with its parts; the caller fills in the route.
pub fn score(request: &Request<'_>) -> Complexity {
    let words = [request.objective, request.notes, request.acceptance];
    let words: usize = words.iter().map(|text| text.split_whitespace().count()).sum();
    let parts = vec![
        (crate::base::text::counted(words, "word"), steps(words as u64, &[41, 151, 401])),
        (format!("{} writable globs", request.allowed), u8::from(request.allowed == 0 || request.allowed > 3)),
        (
            format!("at most {}", crate::base::text::counted(request.diff_limit, "line")),
            steps(request.diff_limit, &[101, 401]),
        ),
        (format!("{} tests and receipts", request.checks), steps(request.checks as u64, &[4])),
        (format!("impact {}", request.impact), u8::from(request.impact >= 4)),
        (format!("systemic scale {}", request.scale), steps(request.scale, &[5, 8])),
        (format!("layer {}", request.layer), u8::from(matches!(request.layer, "L0" | "L1" | "L2" | "L3" | "L4"))),
        kind(request.objective),
    ];
    let sum: u8 = parts.iter().map(|(_, points)| points).sum();
    Complexity { score: sum.min(10), parts, route: String::new() }
}

/// One point for each threshold that is reached.
fn steps(value: u64, thresholds: &[u64]) -> u8 {
    thresholds.iter().filter(|at| value >= **at).count() as u8
}

fn kind(objective: &str) -> (String, u8) {
    let objective = objective.to_lowercase();
    let words: Vec<&str> = objective.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let one_of = |list: &[&str]| words.iter().copied().find(|word| list.iter().any(|begin| word.starts_with(begin)));
    match (one_of(&HARD), one_of(&SMALL)) {
        (Some(word), _) => (format!("hard work ({word})"), 3),
        (None, Some(word)) => (format!("small work ({word})"), 0),
        (None, None) => ("ordinary work".into(), 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(request: Request<'_>) -> u8 {
        score(&request).score
    }

    #[test]
    fn small_work_in_one_place_is_easy_and_a_migration_everywhere_is_hard() {
        let typo = Request { objective: "Fix a typo", allowed: 1, diff_limit: 20, layer: "L5", ..Request::default() };
        assert_eq!(of(typo), 0);
        let long = "word ".repeat(500);
        let all = Request {
            objective: "Migrate the store",
            notes: &long,
            allowed: 0,
            diff_limit: 2000,
            checks: 9,
            impact: 9,
            scale: 9,
            layer: "L2",
            ..typo
        };
        assert_eq!(of(all), 10);
        assert_eq!(score(&all).parts.iter().map(|(_, points)| points).sum::<u8>(), 14, "each part is told in full");
        assert_eq!(of(Request { objective: "Add a flag", ..typo }), 1);
        assert_eq!(of(Request { objective: "Rename what the refactoring left", ..typo }), 3, "hard words win");
    }

    proptest! {
        #[test]
        fn more_of_anything_never_looks_easier(words in 0..600usize, lines in 0..900u64, scale in 0..11u64, checks in 0..9usize) {
            let notes = "w ".repeat(words);
            let base = Request { objective: "x", notes: &notes, allowed: 1, diff_limit: lines, scale, checks, ..Request::default() };
            let more = "w ".repeat(words + 100);
            for harder in [Request { notes: &more, ..base }, Request { diff_limit: lines + 100, ..base },
                Request { scale: scale + 1, ..base }, Request { checks: checks + 1, ..base }, Request { impact: 5, ..base }] {
                prop_assert!(of(harder) >= of(base) && of(harder) <= 10);
            }
        }
    }
}
