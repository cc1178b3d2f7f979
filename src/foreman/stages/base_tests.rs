//! Finds out whether a failed test fails on the job's base as well. Then the coder is not the cause, and further passes
//! would be wasted.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::commit;
use super::context::StageContext;
use super::next_stage::TESTER;
use crate::base::Result;
use crate::foreman::commands::runner::CommandResult;
use crate::foreman::reporting::report::{End, StageReport};
use crate::model::command::Command;

/// Whether the base is worth a test: the work's first tests failed, and no person has said anything about it. Who
/// retries the work with a note wants it done on this base.
pub fn is_in_doubt(context: &StageContext) -> bool {
    let order = &context.report.work.order;
    let is_first = !context.report.stages.iter().any(|stage| stage.name == TESTER);
    is_first && order.rework.is_none() && order.said_before.is_empty()
}

/// Runs a test on the base, in the job's worktree, which is at its last checkpoint again afterwards. `Break` ends the
/// run.
pub fn run(
    context: &mut StageContext,
    stage: &mut StageReport,
    test: &Command,
    name: &str,
) -> Result<ControlFlow<End, CommandResult>> {
    // Files left by the test would get lost.
    commit::take_back(context, stage)?;
    let place = context.report.place()?;
    place.repository()?.reset(&place.branch, place.base)?;
    let ran = context.run(test, name, &mut Vec::new());
    let place = context.report.place()?;
    place.repository()?.reset(&place.branch, place.tip())?;
    ran
}

/// Whether two outputs say the same, numbers and order aside. An empty one says nothing.
pub fn is_same(one: &str, other: &str) -> bool {
    let lines = |text: &str| -> BTreeSet<String> {
        let plain = |line: &str| line.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        text.lines().map(|line| plain(line.trim())).filter(|line| !line.is_empty()).collect()
    };
    let one = lines(one);
    !one.is_empty() && one == lines(other)
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn outputs_are_compared_without_numbers_and_order() {
        assert!(is_same("a: no module x\nran 2 tests in 0.02s\n", "ran 2 tests in 0.31s\na: no module x"));
        assert!(!is_same("a: no module x\n", "a: no module y\n"));
        assert!(!is_same("", "\n"), "nothing was said");
    }
}
