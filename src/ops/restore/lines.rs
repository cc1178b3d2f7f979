//! Rebuilds a log from git's lines, intact lines in the file, and acknowledged lines that exist nowhere else.

use std::collections::{HashMap, HashSet};

use crate::model::event::{Seal, check_seal};

/// The parts of a log.
pub struct Parts<'a> {
    /// Git's lines that no other current log has, in order.
    git: Vec<&'a [u8]>,
    /// Intact lines of the file that git does not have.
    survivors: Vec<&'a [u8]>,
    /// Acknowledged lines that exist nowhere else.
    marks: Vec<&'a [u8]>,
    pub from_git: usize,
    pub from_marks: usize,
    pub left_out: usize,
}

impl<'a> Parts<'a> {
    pub fn of(git: &'a [u8], now: &'a [u8], kept: &'a [u8], elsewhere: &HashSet<&[u8]>) -> Parts<'a> {
        let present: HashSet<&[u8]> = lines(now).collect();
        let committed: HashSet<&[u8]> = lines(git).collect();
        let mut left_out = 0;
        let survivors: Vec<&[u8]> = lines(now)
            .filter(|line| !committed.contains(line))
            .filter(|line| {
                let whole = is_whole(line);
                left_out += usize::from(!whole);
                whole
            })
            .collect();
        let git: Vec<&[u8]> = lines(git).filter(|line| present.contains(line) || !elsewhere.contains(line)).collect();
        let mut known: HashSet<&[u8]> = survivors.iter().copied().collect();
        let marks: Vec<&[u8]> = lines(kept)
            .filter(|line| is_whole(line) && !committed.contains(line) && !elsewhere.contains(line))
            .filter(|line| known.insert(line))
            .collect();
        let from_git = git.iter().filter(|line| !present.contains(*line)).count();
        Parts { from_git, from_marks: marks.len(), git, survivors, marks, left_out }
    }

    pub fn is_whole(&self) -> bool {
        self.from_git == 0 && self.from_marks == 0 && self.left_out == 0
    }

    /// Keeps equal lines as often as the file and the stored lines have them, if that makes the log long `enough`:
    /// they were acknowledged that often. Otherwise a line stored twice counts once.
    pub fn add_copies(&mut self, git: &[u8], now: &'a [u8], kept: &'a [u8], enough: impl Fn(usize) -> bool) {
        let there = count(self.all());
        let mut survivors = beyond(now, &there, &HashMap::new());
        survivors.retain(|line| is_whole(line));
        let there = count(self.all().chain(survivors.iter().copied()));
        // Lines in a record commit are no longer stored, so equal stored lines are later ones; lines in a person's
        // commit still are.
        for committed in [HashMap::new(), count(lines(git))] {
            let marks = beyond(kept, &there, &committed);
            let more: usize = survivors.iter().chain(&marks).map(|line| line.len() + 1).sum();
            if enough(self.whole().len() + more) {
                self.from_marks += marks.len();
                self.survivors.append(&mut survivors);
                self.marks.extend(marks);
                return;
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &'a [u8]> {
        self.git.iter().chain(&self.survivors).chain(&self.marks).copied()
    }

    pub fn whole(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in self.all() {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        bytes
    }
}

fn count<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HashMap<&'a [u8], usize> {
    lines.fold(HashMap::new(), |mut counts, line| {
        *counts.entry(line).or_default() += 1;
        counts
    })
}

/// The copies of lines beyond those already `there`, `without` some of them.
fn beyond<'a>(bytes: &'a [u8], there: &HashMap<&[u8], usize>, without: &HashMap<&[u8], usize>) -> Vec<&'a [u8]> {
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    let is_more = |line: &&'a [u8]| {
        let Some(there) = there.get(line) else { return false };
        let copies = seen.entry(line).or_default();
        *copies += 1;
        *copies > there.saturating_sub(without.get(line).copied().unwrap_or_default())
    };
    lines(bytes).filter(is_more).collect()
}

/// Adds missing lines.
pub fn add_lines(bytes: &mut Vec<u8>, more: &[u8]) {
    let known: HashSet<&[u8]> = lines(bytes).collect();
    let new: Vec<&[u8]> = lines(more).filter(|line| !known.contains(line)).collect();
    let new = new.join(&b'\n');
    if !new.is_empty() {
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&new);
        bytes.push(b'\n');
    }
}

/// The lines that are not blank, including text after the last newline.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

/// A JSON object that matches its id, if it has one.
fn is_whole(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
        && !matches!(check_seal(line), Seal::Wrong(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(git: &str, now: &str, kept: &str, elsewhere: &[&str]) -> (String, usize, usize, usize) {
        let elsewhere = elsewhere.iter().map(|line| line.as_bytes()).collect();
        let parts = Parts::of(git.as_bytes(), now.as_bytes(), kept.as_bytes(), &elsewhere);
        let whole = String::from_utf8(parts.whole()).unwrap().replace('\n', " ");
        (whole.trim_end().to_owned(), parts.from_git, parts.from_marks, parts.left_out)
    }

    #[test]
    fn a_log_is_rebuilt_from_its_parts() {
        let done = |whole: &str, git, marks, out| (whole.to_owned(), git, marks, out);
        let (git, kept) = ("{\"a\":1}\n{\"b\":1}\n", "{\"c\":1}\n{\"d\":1}\n");
        let all = "{\"a\":1} {\"b\":1} {\"c\":1} {\"d\":1}";
        assert_eq!(parts(git, "", kept, &[]), done(all, 2, 2, 0));
        assert_eq!(parts(git, git, kept, &[]), done(all, 0, 2, 0));
        assert_eq!(parts(git, &format!("{git}{kept}"), kept, &[]), done(all, 0, 0, 0));
        assert_eq!(
            parts(git, "{\"d\":1}\n{\"a\":1}\n", kept, &[]),
            done("{\"a\":1} {\"b\":1} {\"d\":1} {\"c\":1}", 1, 1, 0)
        );
        assert_eq!(parts("", "{\"a\":1}\nnot json\n{\"b\"", "", &[]), done("{\"a\":1}", 0, 0, 2));
        assert_eq!(parts("not json\n", "not json\n", "", &[]), done("not json", 0, 0, 0), "git has it: it stays");
        assert_eq!(parts(git, "", "", &["{\"a\":1}"]), done("{\"b\":1}", 1, 0, 0), "sealed elsewhere");
    }

    proptest! {
        #[test]
        fn no_whole_line_is_lost_and_a_second_time_changes_nothing(
            git in "(\\{\"[ab]\":[1-3]\\}\n|x\n){0,4}", now in "[{}\"ab:1x\n]{0,30}", kept in "(\\{\"[cd]\":1\\}\n){0,3}"
        ) {
            let elsewhere = HashSet::new();
            let whole = Parts::of(git.as_bytes(), now.as_bytes(), kept.as_bytes(), &elsewhere).whole();
            let there: HashSet<&[u8]> = lines(&whole).collect();
            let wanted = lines(git.as_bytes()).chain(lines(now.as_bytes()).chain(lines(kept.as_bytes())).filter(|l| is_whole(l)));
            for line in wanted {
                prop_assert!(there.contains(line));
            }
            prop_assert!(Parts::of(git.as_bytes(), &whole, kept.as_bytes(), &elsewhere).is_whole());
        }
    }
}
