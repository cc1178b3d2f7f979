//! Lists findings up to a limit and counts the rest, so that a log with a million bad lines stays readable.

use std::collections::HashMap;

use super::Finding;

/// How many findings of one code about one file are listed.
pub const PER_FILE: usize = 100;
/// How many findings of one code are listed, over all files.
pub const PER_CODE: usize = 1000;

/// Collects findings; beyond the limit of a kind it only counts.
#[derive(Debug)]
pub struct Capped {
    listed: Vec<Finding>,
    kinds: HashMap<(String, Option<String>), Kind>,
    limit: usize,
    by_file: bool,
}

/// The findings of one kind.
#[derive(Debug, Default)]
struct Kind {
    listed: usize,
    /// The last one beyond the limit; it represents all of them.
    last: Option<Finding>,
}

impl Capped {
    /// At most [`PER_FILE`] of each code for each file.
    pub fn per_file() -> Capped {
        Capped { listed: Vec::new(), kinds: HashMap::new(), limit: PER_FILE, by_file: true }
    }

    /// At most [`PER_CODE`] of each code.
    pub fn per_code() -> Capped {
        Capped { listed: Vec::new(), kinds: HashMap::new(), limit: PER_CODE, by_file: false }
    }

    pub fn push(&mut self, mut found: Finding) {
        let key = (found.code.clone(), found.path.clone().filter(|_| self.by_file));
        let kind = self.kinds.entry(key).or_default();
        if kind.listed < self.limit {
            kind.listed += 1;
            return self.listed.push(found);
        }
        if let Some(before) = kind.last.take() {
            found.more += 1 + before.more;
        }
        kind.last = Some(found);
    }

    /// The listed findings, plus the last finding of each kind that exceeded its limit, with the number it
    /// represents.
    pub fn into_findings(self) -> Vec<Finding> {
        let mut found = self.listed;
        found.extend(self.kinds.into_values().filter_map(|kind| kind.last));
        found
    }
}

impl Extend<Finding> for Capped {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, found: T) {
        found.into_iter().for_each(|found| self.push(found));
    }
}

/// Lists at most [`PER_CODE`] findings of each code.
pub fn per_code(found: Vec<Finding>) -> Vec<Finding> {
    let mut capped = Capped::per_code();
    capped.extend(found);
    capped.into_findings()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_over_the_limit_are_counted_once() {
        let mut capped = Capped::per_file();
        for line in 1..=1000 {
            capped.push(Finding::high("event.field", "a.jsonl", "no ts").at(line));
        }
        capped.push(Finding::high("event.field", "b.jsonl", "no ts").at(1));
        let found = capped.into_findings();
        assert_eq!(found.len(), PER_FILE + 2);
        let more = found.iter().find(|found| found.more > 0).unwrap();
        assert_eq!((more.more, more.line), (899, Some(1000)));
        let again = per_code([found.clone(), found].concat());
        let count: u64 = again.iter().map(|found| 1 + found.more).sum();
        assert_eq!((again.len(), count), (2 * PER_FILE + 4, 2002));
    }
}
