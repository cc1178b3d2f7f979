//! Rules as data: those of gitleaks, for the secrets of some 170 services, and the shapes of tokens that they lack.
//!
//! An expression is compiled when a text contains one of its keywords, and is matched around the keywords only:
//! without a keyword it costs nothing. `scripts/gitleaks-rules.py` generates
//! `gitleaks.tsv`.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};

use super::assignment;
use super::random;
use super::shapes::MARK;

const DATA: [&str; 2] = [include_str!("gitleaks.tsv"), include_str!("services.tsv")];

/// How many bytes around a keyword an expression sees: more than any such secret needs.
const BEFORE: usize = 512;
const AFTER: usize = 2048;
/// Limit on the bytes that all expressions together read in one text: a hostile text may consist of keywords.
const MOST: usize = 64 << 20;
/// A text without a word of this length cannot match these rules.
const SHORTEST_WORD: usize = 12;
/// Keywords this short occur in many words: they count only before a token.
const SHORT_KEYWORD: usize = 3;
const TOKEN_AFTER_SHORT: usize = 16;

struct Rule {
    id: &'static str,
    entropy: f64,
    group: usize,
    allowed: &'static str,
    expression: &'static str,
    compiled: OnceLock<Option<(Regex, Option<Regex>)>>,
}

struct Rules {
    rules: Vec<Rule>,
    keywords: AhoCorasick,
    /// The rules of each keyword.
    of_keyword: Vec<Vec<usize>>,
}

static RULES: OnceLock<Rules> = OnceLock::new();

/// Every secret that a rule finds, in no order; spans may overlap.
pub(super) fn find(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    if !has_long_word(bytes) {
        return Vec::new();
    }
    let rules = RULES.get_or_init(Rules::read);
    let mut found = Vec::new();
    let mut left = MOST;
    for (rule, windows) in rules.windows(bytes) {
        for window in windows {
            let Some(rest) = left.checked_sub(window.len()) else { return found };
            left = rest;
            found.extend(rule.find(bytes, window));
        }
    }
    found
}

fn has_long_word(bytes: &[u8]) -> bool {
    let mut length = 0;
    bytes.iter().any(|byte| {
        length = if byte.is_ascii_whitespace() { 0 } else { length + 1 };
        length >= SHORTEST_WORD
    })
}

impl Rules {
    fn read() -> Rules {
        let mut keywords: Vec<&str> = Vec::new();
        let mut of_keyword: Vec<Vec<usize>> = Vec::new();
        let mut rules = Vec::new();
        for line in DATA.iter().flat_map(|data| data.lines()).filter(|line| !line.starts_with('#')) {
            let [id, entropy, group, words, allowed, expression] = columns(line);
            for word in words.split('|') {
                match keywords.iter().position(|known| *known == word) {
                    Some(at) => of_keyword[at].push(rules.len()),
                    None => {
                        keywords.push(word);
                        of_keyword.push(vec![rules.len()]);
                    }
                }
            }
            let (entropy, group) = (entropy.parse().unwrap_or_default(), group.parse().unwrap_or_default());
            rules.push(Rule { id, entropy, group, allowed, expression, compiled: OnceLock::new() });
        }
        let keywords = AhoCorasick::builder().ascii_case_insensitive(true).build(&keywords);
        Rules { rules, keywords: keywords.expect("a few hundred words make an automaton"), of_keyword }
    }

    /// For each rule whose keywords occur in the text, the ranges to search; no byte twice.
    fn windows(&self, bytes: &[u8]) -> Vec<(&Rule, Vec<Range<usize>>)> {
        let mut windows: Vec<Vec<Range<usize>>> = vec![Vec::new(); self.rules.len()];
        for hit in self.keywords.find_overlapping_iter(bytes) {
            if hit.len() <= SHORT_KEYWORD && !is_token_after(bytes, hit.end()) {
                continue;
            }
            let window = hit.start().saturating_sub(BEFORE)..(hit.end() + AFTER).min(bytes.len());
            for rule in &self.of_keyword[hit.pattern().as_usize()] {
                match windows[*rule].last_mut().filter(|last| window.start <= last.end) {
                    Some(last) => last.end = last.end.max(window.end),
                    None => windows[*rule].push(window.clone()),
                }
            }
        }
        self.rules.iter().zip(windows).filter(|(_, windows)| !windows.is_empty()).collect()
    }
}

fn columns(line: &'static str) -> [&'static str; 6] {
    let mut parts = line.split('\t');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

fn is_token_after(bytes: &[u8], end: usize) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~');
    bytes[end..].iter().take_while(|byte| is_part(byte)).take(TOKEN_AFTER_SHORT).count() == TOKEN_AFTER_SHORT
}

impl Rule {
    /// The secrets in one window of a text.
    fn find(&self, bytes: &[u8], window: Range<usize>) -> Vec<(&'static str, Range<usize>)> {
        let Some((expression, allowed)) = self.compiled.get_or_init(|| self.compile()) else { return Vec::new() };
        let mut found = Vec::new();
        // Not the window alone: `\b` looks at the byte before it.
        let text = &bytes[..window.end];
        let mut at = window.start;
        while let Some(captures) = expression.captures_at(text, at).filter(|_| at < text.len()) {
            let whole = captures.get(0).map_or(at..at, |found| found.range());
            at = whole.end.max(at + 1);
            let groups = 1..captures.len();
            let secret = match self.group {
                0 => groups.into_iter().find_map(|group| captures.get(group).filter(|found| !found.is_empty())),
                group => captures.get(group),
            };
            let span = secret.map_or(whole, |found| found.range());
            let secret = &bytes[span.clone()];
            let is_allowed = allowed.as_ref().is_some_and(|allowed| allowed.is_match(secret));
            let is_shown = secret.windows(MARK.len()).any(|part| part == MARK.as_bytes());
            let is_random = self.entropy == 0.0 || random::entropy(secret) > self.entropy;
            if !span.is_empty() && !is_allowed && !is_shown && is_random && !assignment::is_placeholder(secret) {
                found.push((self.id, on_characters(bytes, span)));
            }
        }
        found
    }

    /// `None` for an expression that this engine does not support; a test checks that there is none.
    fn compile(&self) -> Option<(Regex, Option<Regex>)> {
        // Bytes, not characters: smaller automata, and a text may not be UTF-8.
        let build = |text: &str| RegexBuilder::new(text).unicode(false).size_limit(64 << 20).build().ok();
        let allowed = Some(self.allowed).filter(|text| !text.is_empty());
        Some((build(self.expression)?, allowed.map(build).unwrap_or_default()))
    }
}

/// The span, widened to whole characters of UTF-8.
fn on_characters(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let is_inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let start = (0..=span.start).rev().take(4).find(|at| !is_inside(*at)).unwrap_or(span.start);
    let end = (span.end..bytes.len()).take(4).find(|at| !is_inside(*at)).unwrap_or(span.end);
    start..end.max(span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        find(text.as_bytes()).into_iter().map(|(kind, _)| kind).collect()
    }

    /// Put together here, so that this file holds none.
    fn made(parts: &[&str]) -> String {
        parts.concat()
    }

    #[test]
    fn every_rule_has_its_columns_and_compiles() {
        let rules = RULES.get_or_init(Rules::read);
        assert!(rules.rules.len() > 200, "{}", rules.rules.len());
        for rule in &rules.rules {
            let compiled = rule.compile();
            assert!(compiled.is_some(), "{}: {}", rule.id, rule.expression);
            assert_eq!(rule.allowed.is_empty(), compiled.unwrap().1.is_none(), "{}", rule.id);
        }
    }

    #[test]
    fn services_that_have_no_shape_of_their_own_are_found() {
        let hex = "8f14e45fceea167a5a36dedd4bea2543";
        for (kind, secret) in [
            ("digitalocean-pat", made(&["dop_v1_", hex, hex])),
            (
                "sendgrid-api-token",
                made(&["SG.", "ngeVfQFYQlKU0ufo8x5d1A.", "TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr"]),
            ),
            ("twilio-api-key", made(&["SK", hex])),
            ("databricks-api-token", made(&["dapi", hex])),
            ("shopify-access-token", made(&["shpat_", hex])),
            ("telegram-bot-api-token", made(&["telegram_token = 5934321871:A", "bcDEFghIJklmNOpqRStuvWXyz012345678"])),
            ("datadog-access-token", made(&["datadog_api_key: \"", "8f14e45fceea167a5a36dedd4bea2543f0e1d2c3", "\""])),
        ] {
            for text in [secret.clone(), format!("é {secret} é"), format!("{}\n{secret}\n", "x".repeat(5000))] {
                assert_eq!(kinds(&text), [kind], "{text}");
            }
        }
    }

    #[test]
    fn ordinary_words_are_not_secrets() {
        for text in [
            "the task asks for a risk review, see sourcegraph commit 026d848c0fd4e207d7f5737b5e4322f3fbb0261d now",
            "curl -u user:password https://example.org/a/long/path/to/something",
            "_report/agent/codex-1/runs/2026-01-05T100000Z-r-linear-adobe-facebook.json",
        ] {
            assert_eq!(kinds(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn a_text_of_keywords_is_bounded() {
        // Without windows and a limit this takes hours.
        find("adobe facebook linear curl sk asia sumo etsy=".repeat(20_000).as_bytes());
    }
}
