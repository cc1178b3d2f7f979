//! Reads the log of a job's worker as it grows, and tells what its lines mean.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::coordinator::executor::workers::LOGS;
use crate::foreman::calls::RAW_OUTPUT;
use crate::hub::Hub;

/// Bytes that are read at once. A line that is longer is passed over.
const MAX_READ: u64 = 64 << 10;
/// Before everything that is said about a stage.
const INDENT: &str = "      ";

/// How far the log of one run was read.
#[derive(Debug)]
pub struct LogTail {
    folder: PathBuf,
    run: String,
    offset: u64,
}

impl LogTail {
    /// At the start of the log of a run; no run yet where its name is empty.
    pub fn new(hub: &Hub, run: &str) -> LogTail {
        LogTail { folder: hub.local(LOGS), run: run.to_owned(), offset: 0 }
    }

    /// Behind everything that the log of a run has so far.
    pub fn at_end(hub: &Hub, run: &str) -> LogTail {
        let mut log = LogTail::new(hub, run);
        log.new_lines();
        log
    }

    /// The run whose log is read.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Goes on with the log of another run, from its start; nothing changes for the same run. Returns what was still
    /// unread of the old run.
    #[must_use]
    pub fn switch_to(&mut self, run: &str) -> Vec<String> {
        if self.run == run {
            return Vec::new();
        }
        let rest = self.new_lines();
        (self.run, self.offset) = (run.to_owned(), 0);
        rest
    }

    /// The whole lines that are new, without their newlines; none when the log does not exist yet.
    pub fn new_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let Ok(mut file) = File::open(self.folder.join(format!("{}.log", self.run))) else { return lines };
        loop {
            let mut bytes = Vec::new();
            let read =
                file.seek(SeekFrom::Start(self.offset)).and_then(|_| (&file).take(MAX_READ).read_to_end(&mut bytes));
            let Ok(read) = read else { return lines };
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                if read as u64 == MAX_READ {
                    self.offset += MAX_READ;
                    continue;
                }
                return lines;
            };
            self.offset += end as u64 + 1;
            lines.extend(String::from_utf8_lossy(&bytes[..end]).lines().map(str::to_owned));
        }
    }
}

/// What a line of a worker's log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// A stage or a command begins: `coder, round 1`, `[1/2] make test`.
    Stage(&'a str),
    Passed(&'a str),
    SentBack(&'a str),
    /// A command ended well, and in which time.
    Finished(&'a str),
    /// Anything else about the stage.
    Detail(&'a str),
    /// Where the agent's raw output is.
    RawOutput,
    /// Nothing about the progress: how the run ended, its findings, errors.
    Other,
}

/// What a line of a worker's log says.
pub fn said(line: &str) -> Said<'_> {
    let Some(inner) = line.strip_prefix(INDENT) else {
        return if is_stage(line) { Said::Stage(line) } else { Said::Other };
    };
    if inner.starts_with(RAW_OUTPUT) {
        return Said::RawOutput;
    }
    // The hint of a finding, or an answer for teof alone: the stage's outcome says the same in words.
    if inner.starts_with(' ') || inner.split_once(": ").is_some_and(|(_, said)| said.starts_with('{')) {
        return Said::Other;
    }
    let outcome = |begin| inner.strip_prefix(begin);
    match (outcome("passed: "), outcome("sent back: "), outcome("ok ")) {
        (Some(why), ..) => Said::Passed(why),
        (_, Some(why), _) => Said::SentBack(why),
        (.., Some(time)) => Said::Finished(time),
        _ => Said::Detail(inner),
    }
}

/// `<role>, round <n>`, `[<n>/<of>] <command>`, `set-up [<n>/<of>] <command>`, or `moved the work onto <target>,
/// <outcome>`.
fn is_stage(line: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_count = |text: &str| text.split_once('/').is_some_and(|(at, of)| is_number(at) && is_number(of));
    let command = line.strip_prefix("set-up ").unwrap_or(line).strip_prefix('[');
    let round = line.split_once(", round ").filter(|(role, _)| !role.contains([' ', ':']));
    command.and_then(|rest| rest.split_once("] ")).is_some_and(|(count, _)| is_count(count))
        || round.is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
        || line.starts_with("moved the work onto ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stages_and_what_is_said_about_them_are_progress() {
        let stages = [
            "coder, round 2",
            "coder, round 1: already committed by an earlier attempt",
            "[1/2] make test",
            "set-up [1/1] npm ci",
            "moved the work onto main, without conflicts",
        ];
        assert_eq!(stages.map(said), stages.map(Said::Stage));
        assert_eq!(said("      passed: wrote it"), Said::Passed("wrote it"));
        assert_eq!(said("      sent back: a test failed"), Said::SentBack("a test failed"));
        assert_eq!(said("      ok in 3s"), Said::Finished("in 3s"));
        assert_eq!(said("      claude: reads a file"), Said::Detail("claude: reads a file"));
        assert_eq!(said("      raw output: /tmp/x"), Said::RawOutput);
        for other in [
            "      claude: {\"analysis\": 1}",
            "receipt a.json",
            "succeeded: ready",
            "refused: the order is incomplete",
            "high   300 lines, round 2",
            "       split it",
            "error: the disk is full",
            "cause: no space",
            "fix: free some space",
            "warning: slow",
            "",
        ] {
            assert_eq!(said(other), Said::Other, "{other:?}");
        }
    }

    #[test]
    fn the_end_of_a_log_is_read_before_the_log_of_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogTail { folder: folder.path().to_owned(), run: "r1".into(), offset: 0 };
        std::fs::write(folder.path().join("r1.log"), "one\n").unwrap();
        assert_eq!(log.new_lines(), ["one"]);
        std::fs::write(folder.path().join("r1.log"), "one\ntwo\n").unwrap();
        std::fs::write(folder.path().join("r2.log"), "three\n").unwrap();
        assert_eq!(log.switch_to("r2"), ["two"]);
        assert_eq!(log.switch_to("r2"), [] as [&str; 0]);
        assert_eq!(log.new_lines(), ["three"]);
    }
}
