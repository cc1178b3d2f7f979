//! The heads of a log: what it held when they were taken. Pure; [`chain_heads`](super::chain_heads) takes those of the
//! record.
//!
//! A log is a set of lines, and the lines of one author form a chain by `prev`. The heads are the lines that no other
//! line names as its predecessor. Whoever has them can tell from any later state of the log, in whatever order a merge
//! left its lines, that no line before them was removed or rewritten, and that the log was not cut off before them.
//!
//! As a trailer: the number of the lines that the named heads cover, the digest of these lines (the first half of a
//! SHA-256), and the newest heads, [`MOST`] at most. Where there are more, `all`, number and digest of all lines of then
//! follow. The lines of the authors that are not named are found by their place: before the newest head, and after none
//! of the named ones. A merge may have put others there, so that a difference in these proves nothing: it is told as
//! unchecked.
//! Lines that other tools wrote without an id are not covered.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::base::digest;
use crate::model::event::{self, Seal};

/// How many heads a trailer names; of more, those whose line is the newest.
const MOST: usize = 32;
/// What precedes number and digest of all lines in a trailer.
const ALL: &str = "all";
/// Hex digits of the digest over the covered lines, and of an id.
const DIGEST: usize = 32;
const ID: usize = 16;

/// The heads of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Heads {
    /// How many lines they cover.
    pub lines: u64,
    /// The first 32 hex digits of the SHA-256 of the sorted SHA-256s of the covered lines.
    pub digest: String,
    /// The ids of the last lines.
    pub ids: Vec<String>,
    /// All lines of then, where there were more authors than ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<All>,
}

/// All lines of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct All {
    pub lines: u64,
    /// As that of the covered lines.
    pub digest: String,
}

/// The lines of a log that heads cover.
#[derive(Debug, PartialEq, Eq)]
pub struct Covered<'c> {
    pub ids: HashSet<&'c str>,
    /// Whether these are all lines of then. Otherwise lines of authors that are not named are gone, or a merge put
    /// others before the heads.
    pub is_whole: bool,
}

/// Why a log is not a continuation of the one whose heads are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The log ends before this line, which was its author's last one.
    Head(String),
    /// A line before the heads is missing; the second id is of the line that names it.
    Line(String, String),
    /// The covered lines differ.
    Lines { now: u64 },
}

/// The lines of a log that have a right id.
#[derive(Debug, Default)]
pub struct Chain {
    lines: HashMap<String, Link>,
    /// In the order of the files.
    ids: Vec<String>,
    /// The ids of lines that do not match their id.
    altered: Vec<String>,
}

#[derive(Debug)]
struct Link {
    prev: Option<String>,
    sha256: String,
}

#[derive(Deserialize)]
struct Prev<'b> {
    #[serde(borrow, default, deserialize_with = "event::lenient")]
    prev: Option<Cow<'b, str>>,
}

impl Chain {
    /// Reads the files of a log.
    pub fn read<'b>(files: impl IntoIterator<Item = &'b [u8]>) -> Chain {
        Chain::until(files, &|_| false)
    }

    /// Reads the files of a log up to the first line that is `last`, inclusive.
    pub(super) fn until<'b>(files: impl IntoIterator<Item = &'b [u8]>, last: &dyn Fn(&[u8]) -> bool) -> Chain {
        let mut chain = Chain::default();
        for line in files.into_iter().flat_map(|file| file.split(|b| *b == b'\n')).map(<[u8]>::trim_ascii) {
            let id = match event::check_seal(line) {
                Seal::Right(id) => id,
                Seal::Wrong(id) => {
                    chain.altered.push(id.to_owned());
                    continue;
                }
                Seal::Unchained => continue,
            };
            let prev = serde_json::from_slice::<Prev>(line).ok().and_then(|found| found.prev).map(Cow::into_owned);
            if chain.lines.insert(id.to_owned(), Link { prev, sha256: digest::sha256(line) }).is_none() {
                chain.ids.push(id.to_owned());
            }
            if last(line) {
                break;
            }
        }
        chain
    }

    /// Whether the log has the line with this id.
    pub fn has(&self, id: &str) -> bool {
        self.lines.contains_key(id)
    }

    /// Whether the log has every line of another one.
    pub fn continues(&self, other: &Chain) -> bool {
        other.ids.iter().all(|id| self.has(id))
    }

    /// Lines that were altered, and lines whose predecessor is missing.
    pub fn problems(&self) -> Vec<String> {
        let altered = self.altered.iter().map(|id| format!("the line {id} was altered"));
        let gone = |id: &String| self.lines[id].prev.as_deref().filter(|prev| !self.has(prev));
        let gaps = self.ids.iter().filter_map(|id| Some((id, gone(id)?)));
        altered.chain(gaps.map(|(id, prev)| format!("the line {prev} before {id} is missing"))).collect()
    }

    pub fn heads(&self) -> Heads {
        let named: HashSet<&str> = self.lines.values().filter_map(|link| link.prev.as_deref()).collect();
        let last: Vec<_> = self.ids.iter().filter(|id| !named.contains(id.as_str())).cloned().collect();
        let ids = last[last.len().saturating_sub(MOST)..].to_vec();
        let (lines, digest) = self.summary(&self.covered(&ids).unwrap_or_default());
        let all = (ids.len() < last.len()).then(|| {
            let (lines, digest) = self.summary(&self.covered(&last).unwrap_or_default());
            All { lines, digest }
        });
        Heads { lines, digest, ids, all }
    }

    /// Checks that this log continues the one that had these heads.
    pub fn check(&self, heads: &Heads) -> Result<Covered<'_>, Broken> {
        let named = self.covered(&heads.ids)?;
        let (lines, digest) = self.summary(&named);
        let is_named = lines == heads.lines && digest == heads.digest;
        // Trailers of one older version have number and digest of all lines alone.
        let is_of_all = !is_named && heads.all.is_none() && heads.ids.len() == MOST && lines < heads.lines;
        if !is_named && !is_of_all {
            return Err(Broken::Lines { now: lines });
        }
        let of_all = heads.all.as_ref().map(|all| (all.lines, all.digest.as_str()));
        let Some((lines, digest)) = of_all.or(is_of_all.then_some((heads.lines, &heads.digest))) else {
            return Ok(Covered { ids: named, is_whole: true });
        };
        let all = self.lines_of_then(heads, named.clone());
        let (now, its) = self.summary(&all);
        let is_whole = now == lines && its == digest;
        Ok(Covered { ids: if is_whole { all } else { named }, is_whole })
    }

    /// With the lines of other authors that are before the newest head and follow none of the heads.
    fn lines_of_then<'c>(&'c self, heads: &Heads, mut found: HashSet<&'c str>) -> HashSet<&'c str> {
        let mut after: HashMap<&str, Vec<&str>> = HashMap::new();
        for (id, link) in &self.lines {
            link.prev.iter().for_each(|prev| after.entry(prev).or_default().push(id));
        }
        let mut later = HashSet::new();
        let mut next: Vec<&str> = heads.ids.iter().map(String::as_str).collect();
        while let Some(id) = next.pop() {
            next.extend(after.get(id).into_iter().flatten().filter(|id| later.insert(**id)));
        }
        let newest = self.ids.iter().rposition(|id| heads.ids.contains(id)).unwrap_or_default();
        found.extend(self.ids[..=newest].iter().map(String::as_str).filter(|id| !later.contains(id)));
        found
    }

    /// The heads' lines and all lines before them.
    fn covered(&self, heads: &[String]) -> Result<HashSet<&str>, Broken> {
        let mut covered = HashSet::new();
        for head in heads {
            let mut named_by = None;
            let mut next = Some(head.as_str());
            while let Some(id) = next {
                let Some((id, link)) = self.lines.get_key_value(id) else {
                    return Err(match named_by {
                        None => Broken::Head(id.to_owned()),
                        Some(by) => Broken::Line(id.to_owned(), by),
                    });
                };
                if !covered.insert(id.as_str()) {
                    break;
                }
                named_by = Some(id.clone());
                next = link.prev.as_deref();
            }
        }
        Ok(covered)
    }

    /// Number and digest of lines.
    fn summary(&self, covered: &HashSet<&str>) -> (u64, String) {
        let mut lines: Vec<_> = covered.iter().filter_map(|id| Some(self.lines.get(*id)?.sha256.as_str())).collect();
        lines.sort_unstable();
        (covered.len() as u64, digest::sha256(lines.concat().as_bytes())[..DIGEST].to_owned())
    }
}

impl Heads {
    /// The value of the trailer.
    pub fn to_text(&self) -> String {
        let parts = [self.lines.to_string(), self.digest.clone()];
        let all = self.all.iter().flat_map(|all| [ALL.to_owned(), all.lines.to_string(), all.digest.clone()]);
        parts.into_iter().chain(self.ids.iter().cloned()).chain(all).collect::<Vec<_>>().join(" ")
    }

    /// Reads the value of a trailer; `None` for anything that [`Heads::to_text`] does not write.
    pub fn parse(value: &str) -> Option<Heads> {
        let is_hex = |word: &str, digits: usize| word.len() == digits && word.bytes().all(|b| b.is_ascii_hexdigit());
        let summary = |lines: Option<&str>, digest: Option<&str>| {
            Some((lines?.parse().ok()?, digest.filter(|word| is_hex(word, DIGEST))?.to_owned()))
        };
        let mut words = value.split(' ');
        let (lines, digest) = summary(words.next(), words.next())?;
        let ids: Vec<String> = words.clone().take_while(|word| *word != ALL).map(str::to_owned).collect();
        let mut rest = words.skip(ids.len());
        let all = match rest.next() {
            None => None,
            Some(_) => Some(summary(rest.next(), rest.next()).map(|(lines, digest)| All { lines, digest })?),
        };
        let is_whole = rest.next().is_none() && ids.iter().all(|id| is_hex(id, ID));
        is_whole.then_some(Heads { lines, digest, ids, all })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Stamp;
    use crate::model::event::Event;

    /// `count` lines of each author, one after the other.
    fn log(authors: &[&str], count: usize) -> Vec<Vec<u8>> {
        let mut last: HashMap<&str, String> = HashMap::new();
        let mut lines = Vec::new();
        for n in 0..count {
            for author in authors {
                let event = Event::new(author, "status", n.to_string());
                let (line, id) = event.line(Stamp::from_unix(n as i64), last.get(author).map(String::as_str));
                last.insert(author, id);
                lines.push(line);
            }
        }
        lines
    }

    fn heads(lines: &[Vec<u8>]) -> Heads {
        Chain::read([lines.concat().as_slice()]).heads()
    }

    fn check(lines: &[Vec<u8>], heads: &Heads) -> Result<usize, Broken> {
        Chain::read([lines.concat().as_slice()]).check(heads).map(|covered| covered.ids.len())
    }

    #[test]
    fn a_longer_log_in_any_order_and_in_any_files_still_has_the_lines_of_the_heads() {
        let all = log(&["a", "b", "c"], 4);
        let then = heads(&all[..9]);
        assert_eq!((then.lines, then.ids.len()), (9, 3));
        assert_eq!(Heads::parse(&then.to_text()), Some(then.clone()));
        assert_eq!(check(&all, &then), Ok(9));
        let turned: Vec<_> = all.iter().rev().cloned().chain([all[0].clone()]).collect();
        assert_eq!(check(&turned, &then), Ok(9), "a union merge may order and double them");
        let (sealed, current) = (all[..5].concat(), all[5..].concat());
        assert_eq!(Chain::read([&sealed[..], &current]).check(&then).map(|covered| covered.ids.len()), Ok(9));
    }

    #[test]
    fn a_cut_log_a_removed_line_and_a_rewritten_chain_are_told_apart() {
        let all = log(&["a"], 4);
        let then = heads(&all);
        assert_eq!(check(&all[..3], &then), Err(Broken::Head(then.ids[0].clone())));
        let gap = [&all[..1], &all[2..]].concat();
        assert!(matches!(check(&gap, &then), Err(Broken::Line(..))));
        let other = log(&["a"], 5);
        let forged = Heads { ids: heads(&other).ids, ..then };
        assert_eq!(check(&other, &forged), Err(Broken::Lines { now: 5 }), "heads of another state");
    }

    #[test]
    fn only_what_the_trailer_writes_is_read() {
        for value in [
            "",
            "3",
            "x 0",
            "3 abc",
            "3 0123456789abcdef0123456789abcdef 12",
            "3  0123456789abcdef0123456789abcdef",
            "3 0123456789abcdef0123456789abcdef all 3",
            "3 0123456789abcdef0123456789abcdef all 3 0123456789abcdef0123456789abcdef 4",
        ] {
            assert_eq!(Heads::parse(value), None, "{value:?}");
        }
    }

    fn whole(lines: &[Vec<u8>], heads: &Heads) -> Result<bool, Broken> {
        Chain::read([lines.concat().as_slice()]).check(heads).map(|covered| covered.is_whole)
    }

    /// More authors than a trailer names.
    fn many() -> Vec<String> {
        (0..MOST + 3).map(|n| format!("a{n}")).collect()
    }

    #[test]
    fn the_newest_of_many_heads_are_named_and_all_lines_of_then_are_counted() {
        let names = many();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (all, longer) = (log(&names, 2), log(&names, 4));
        let then = heads(&all);
        assert_eq!((then.ids.len(), then.lines), (MOST, 2 * MOST as u64));
        assert_eq!(then.all.as_ref().map(|all| all.lines), Some(2 * names.len() as u64));
        assert_eq!(Heads::parse(&then.to_text()), Some(then.clone()));
        let chain = Chain::read([all.concat().as_slice()]);
        let summary = |ids: &HashSet<&str>| chain.summary(ids);
        // As older versions wrote them: the lines of the named heads alone, or all lines alone.
        let (lines, digest) = summary(&chain.covered(&then.ids).unwrap());
        let of_named = Heads { lines, digest, ids: then.ids.clone(), all: None };
        let (lines, digest) = summary(&chain.ids.iter().map(String::as_str).collect());
        let of_all = Heads { lines, digest, ids: then.ids.clone(), all: None };
        for (heads, count) in [(&then, all.len()), (&of_named, 2 * MOST), (&of_all, all.len())] {
            for lines in [&all, &longer] {
                assert_eq!((check(lines, heads), whole(lines, heads)), (Ok(count), Ok(true)));
            }
        }
        let kept = |lines: &[Vec<u8>], without: &[usize]| {
            let kept = lines.iter().enumerate().filter(|(at, _)| !without.contains(at));
            kept.map(|(_, line)| line.clone()).collect::<Vec<_>>()
        };
        // The first author's last line is older than all that are named, and the last author's is named.
        for without in [vec![0], vec![names.len()], vec![0, names.len()]] {
            for lines in [&all, &longer] {
                assert_eq!(whole(&kept(lines, &without), &then), Ok(false), "{without:?}");
                assert_eq!(whole(&kept(lines, &without), &of_all), Ok(false), "{without:?}");
            }
        }
        for heads in [&then, &of_named, &of_all] {
            assert!(check(&kept(&all, &[2 * names.len() - 1]), heads).is_err());
            assert!(check(&kept(&all, &[names.len() - 1]), heads).is_err());
        }
        let other = Heads { digest: "0".repeat(DIGEST), ..then.clone() };
        assert_eq!(check(&all, &other), Err(Broken::Lines { now: 2 * MOST as u64 }));
    }

    #[test]
    fn a_union_merge_that_puts_a_line_before_the_heads_of_many_authors_is_no_alteration() {
        let names = many();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let all = log(&names, 2);
        let (then, new) = (heads(&all), log(&["new"], 1).remove(0));
        for at in [0, all.len() - 1] {
            let mut merged = all.clone();
            merged.insert(at, new.clone());
            assert_eq!((check(&merged, &then), whole(&merged, &then)), (Ok(2 * MOST), Ok(false)));
        }
        let few = log(&names[..MOST], 2);
        let merged = [&few[..few.len() - 1], &[new], &few[few.len() - 1..]].concat();
        assert_eq!(whole(&merged, &heads(&few)), Ok(true), "all heads are named");
    }

    proptest! {
        /// Each line is there, or is missing.
        #[test]
        fn the_log_fits_the_heads_exactly_when_every_covered_line_is_there(kept in prop::collection::vec(any::<bool>(), 9)) {
            let all = log(&["a", "b", "c"], 3);
            let then = heads(&all);
            let some: Vec<_> = all.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(line, _)| line.clone()).collect();
            prop_assert_eq!(check(&some, &then).is_ok(), kept.iter().all(|kept| *kept));
        }
    }
}
