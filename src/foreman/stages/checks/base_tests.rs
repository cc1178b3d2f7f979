//! Finds out whether a failed test fails on the job's base as well. The coder is told so; when its next pass fails in
//! the same way, it is not the cause, and another pass would be wasted.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::base::{Clock, Result};
use crate::foreman::reporting::envelope::StageReport;
use crate::foreman::reporting::report::End;
use crate::foreman::results::command_result::CommandResult;
use crate::foreman::stages::commit;
use crate::foreman::stages::context::StageContext;
use crate::model::command::Command;
use crate::model::run::stage::TESTER;

/// The code of a test's failure.
pub const FAILED: &str = "test.failed";

/// The code of the failure of a test that fails in the same way on the base.
pub const CODE: &str = "test.base";

/// Longer than a tick of a file system's clock.
const TICK: Duration = Duration::from_millis(20);

/// What a test that fails on the work does on the base.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnBase {
    /// It passes, or it was not tried.
    Passes,
    /// It fails and prints the same.
    FailsAlike,
    /// It fails and prints something else.
    FailsOtherwise,
}

/// Whether a finding is about a test that failed.
pub fn is_failure(code: &str) -> bool {
    [FAILED, CODE].contains(&code)
}

/// What the test of the last pass printed, when that test fails in the same way on the base.
pub fn last_failure(context: &StageContext) -> Option<String> {
    let last = context.report.stages.iter().rfind(|stage| stage.name == TESTER)?;
    let found = last.findings.iter().find(|found| found.code == CODE)?;
    found.message.split_once('\n').map(|(_, printed)| printed.to_owned())
}

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
    await_new_times();
    place.repository()?.reset(&place.branch, place.base)?;
    let ran = context.run(test, name, &mut Vec::new());
    let place = context.report.place()?;
    await_new_times();
    place.repository()?.reset(&place.branch, place.tip())?;
    ran
}

/// Waits, at most a second, until a file that is written gets a new time in whole seconds. Ignored caches that the
/// tests left know a source by no more than that and its size: Python's do.
fn await_new_times() {
    let began = Clock::Machine.now().unix();
    while Clock::Machine.now().unix() == began {
        std::thread::sleep(TICK);
    }
    // Clocks of file systems are a little behind.
    std::thread::sleep(TICK);
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
