//! Reads the log of a job's worker as it grows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::coordinator::executor::workers::LOGS;
use crate::hub::Hub;

/// Bytes that are read at once. A line that is longer is passed over.
const MAX_READ: u64 = 64 << 10;

/// How far the log of one run was read.
#[derive(Debug, Default)]
pub struct LogTail {
    run: String,
    offset: u64,
}

impl LogTail {
    /// The run whose log is read.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Goes on with the log of another run, from its start; nothing changes for the same run.
    pub fn switch_to(&mut self, run: &str) {
        if self.run != run {
            (self.run, self.offset) = (run.to_owned(), 0);
        }
    }

    /// The whole lines that are new, without their newlines; none when the log does not exist yet.
    pub fn new_lines(&mut self, hub: &Hub) -> Vec<String> {
        let mut lines = Vec::new();
        let Ok(mut file) = File::open(hub.local(&format!("{LOGS}/{}.log", self.run))) else { return lines };
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
