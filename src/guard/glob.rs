//! Path patterns in `.gitignore` syntax, case-insensitive.
//!
//! `*` and `?` stay within a name, `[a-z]` and `[!a-z]` are one character, `**` is any number of folders. A pattern
//! without a slash (except a trailing one) matches at any depth. One that matches a folder covers everything in it; a
//! trailing slash matches folders only. Case is ignored because on some file systems `Vault/` and `vault/` are one
//! folder. The crate `globset` ignores the case of ASCII letters only.

/// A parsed pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    text: String,
    names: Vec<Vec<char>>,
    folder: bool,
}

/// Parses each pattern.
pub fn all(patterns: &[String]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::new(pattern)).collect()
}

impl Glob {
    pub fn new(pattern: &str) -> Self {
        let text = pattern.trim();
        let folder = text.ends_with('/');
        let inner = text.trim_end_matches('/');
        let mut names: Vec<Vec<char>> =
            inner.split('/').filter(|name| !name.is_empty() && *name != ".").map(fold).collect();
        if !inner.contains('/') && !names.is_empty() {
            names.insert(0, vec!['*', '*']);
        }
        Self { text: text.to_owned(), names, folder }
    }

    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern covers `path` (relative, with `/`).
    pub fn covers(&self, path: &str) -> bool {
        let path: Vec<Vec<char>> = path.split('/').filter(|name| !name.is_empty()).map(fold).collect();
        // The pattern ended before the path: a parent folder matched.
        self.matches(&path, |rest| if self.folder { rest > 0 } else { true })
    }

    /// Whether the pattern matches the whole of `path`, not only a folder on its way.
    pub fn is_match(&self, path: &str) -> bool {
        let path: Vec<Vec<char>> = path.split('/').filter(|name| !name.is_empty()).map(fold).collect();
        self.matches(&path, |rest| rest == 0)
    }

    /// Whether a path may exist that both cover. A plain name without a slash is taken for one at the top, since it
    /// hardly means every folder of that name.
    pub fn overlaps(&self, other: &Glob) -> bool {
        may_meet(self.anchored(), other.anchored())
    }

    fn anchored(&self) -> &[Vec<char>] {
        match self.names.as_slice() {
            [stars, name] if is_stars(stars) && !self.text.contains("**") && !is_pattern(name) => &self.names[1..],
            names => names,
        }
    }

    /// Two-pointer matching: on a mismatch the last `**` takes one more name.
    fn matches(&self, path: &[Vec<char>], enough: impl Fn(usize) -> bool) -> bool {
        let (mut p, mut n) = (0, 0);
        let mut star = None;
        if self.names.is_empty() {
            return false;
        }
        loop {
            if p == self.names.len() && enough(path.len() - n) {
                return true;
            }
            if p < self.names.len() && is_stars(&self.names[p]) {
                star = Some((p, n));
                p += 1;
            } else if p < self.names.len() && n < path.len() && name_matches(&self.names[p], &path[n]) {
                p += 1;
                n += 1;
            } else if let Some((star_p, star_n)) = star.filter(|(_, star_n)| *star_n < path.len()) {
                star = Some((star_p, star_n + 1));
                p = star_p + 1;
                n = star_n + 1;
            } else {
                return false;
            }
        }
    }
}

/// Whether two lists of names may match the same path, or one a folder on the other's way. Never wrong when it says no.
fn may_meet(a: &[Vec<char>], b: &[Vec<char>]) -> bool {
    match (a, b) {
        // Everything below is covered.
        ([], _) | (_, []) => true,
        ([stars, ..], _) | (_, [stars, ..]) if is_stars(stars) && (a.len() > MOST || b.len() > MOST) => true,
        ([stars, rest @ ..], [_, others @ ..]) if is_stars(stars) => may_meet(rest, b) || may_meet(a, others),
        (_, [stars, ..]) if is_stars(stars) => may_meet(b, a),
        ([left, rest @ ..], [right, others @ ..]) => names_may_meet(left, right) && may_meet(rest, others),
    }
}

/// Longer patterns with `**` are taken to meet everything, because the search grows with their length.
const MOST: usize = 12;

fn names_may_meet(a: &[char], b: &[char]) -> bool {
    match (is_pattern(a), is_pattern(b)) {
        (false, false) => a == b,
        (true, false) => name_matches(a, b),
        (false, true) => name_matches(b, a),
        (true, true) => {
            let plain = |name: &[char]| name.iter().take_while(|c| !WILD.contains(c)).count();
            let both = plain(a).min(plain(b));
            a[..both] == b[..both]
        }
    }
}

const WILD: [char; 4] = ['*', '?', '[', '\\'];

fn is_pattern(name: &[char]) -> bool {
    name.iter().any(|c| WILD.contains(c))
}

/// The first of `globs` that covers `path`.
pub fn first_cover<'a>(globs: &'a [Glob], path: &str) -> Option<&'a Glob> {
    globs.iter().find(|glob| glob.covers(path))
}

fn fold(name: &str) -> Vec<char> {
    name.chars().flat_map(char::to_lowercase).collect()
}

fn is_stars(name: &[char]) -> bool {
    name == ['*', '*']
}

fn name_matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p).and_then(|_| one_matches(&pattern[p..], name[n])) {
            _ if pattern.get(p) == Some(&'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(width) => {
                p += width;
                n += 1;
            }
            None => match star {
                Some((star_p, star_n)) => {
                    star = Some((star_p, star_n + 1));
                    p = star_p + 1;
                    n = star_n + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How many characters of the pattern `c` used up; `None` when it does not match.
fn one_matches(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['\\', literal, ..] => (*literal == c).then_some(2),
        ['[', rest @ ..] => match class(rest, c) {
            Some((matched, width)) => matched.then_some(width + 1),
            None => (c == '[').then_some(1),
        },
        [literal, ..] => (*literal == c).then_some(1),
        [] => None,
    }
}

/// Whether `c` is in the class that follows a `[`, and how long the class is; `None` when it is not closed.
fn class(rest: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(rest.first(), Some('!' | '^'));
    let mut i = usize::from(negated);
    let first = i;
    let mut found = false;
    loop {
        match rest.get(i)? {
            ']' if i > first => return Some((found != negated, i + 1)),
            low => {
                let high = rest.get(i + 2).filter(|high| rest[i + 1] == '-' && **high != ']');
                found |= high.map_or(*low == c, |high| (*low..=*high).contains(&c));
                i += if high.is_some() { 3 } else { 1 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_follow_gitignore_rules() {
        let cases = [
            ("*.rs", "src/deep/main.rs", true),
            ("src/*.rs", "src/deep/main.rs", false),
            ("src/**/*.rs", "src/main.rs", true),
            ("src/**/*.rs", "src/a/b/main.rs", true),
            ("src", "a/src/b.txt", true),
            ("/src", "a/src/b.txt", false),
            ("/src", "src/b.txt", true),
            ("src/", "src", false),
            ("src/", "src/x", true),
            ("vault/", "Vault/10/x.md", true),
            (".git", "sub/.GIT/config", true),
            (".git", ".gitignore", false),
            ("/AGENT_MANIFEST*.json", "agent_manifest.codex-1.JSON", true),
            ("/AGENT_MANIFEST*.json", "docs/AGENT_MANIFEST.json", false),
            ("a?c", "abc", true),
            ("a[0-9]c", "a5c", true),
            ("a[!0-9]c", "a5c", false),
            ("a[]]c", "a]c", true),
            ("a[c", "a[c", true),
            ("**", "any/thing", true),
            ("**/x", "x", true),
            ("docs/**", "docs/a/b", true),
            ("", "x", false),
            ("/", "x", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(Glob::new(pattern).covers(path), expected, "{pattern} {path}");
        }
        assert!(!Glob::new("/runs").is_match("runs/a.json"));
        assert!(Glob::new("/runs/*.json").is_match("runs/a.json"));
    }

    #[test]
    fn patterns_overlap_when_one_path_may_be_under_both() {
        for (a, b, expected) in [
            ("src/", "src/parser.rs", true),
            ("src/parser/", "src/lexer/", false),
            ("src/**/*.rs", "src/parser/", true),
            ("src/*.rs", "src/*.md", true),
            ("src/a*", "src/b*", false),
            ("*.md", "docs/", true),
            ("docs", "src", false),
            ("**/tests/**", "src/a/tests/x.rs", true),
            ("/src/a.rs", "SRC/A.RS", true),
            ("docs/**", "src/**", false),
        ] {
            assert_eq!(Glob::new(a).overlaps(&Glob::new(b)), expected, "{a} {b}");
            assert_eq!(Glob::new(b).overlaps(&Glob::new(a)), expected, "{b} {a}");
        }
        let long = "/".to_owned() + &"**/".repeat(200) + "x";
        assert!(Glob::new(&long).overlaps(&Glob::new(&long)));
    }

    #[test]
    fn stars_do_not_explode() {
        let pattern = "/".to_owned() + &"**/".repeat(200) + "x";
        assert!(!Glob::new(&pattern).covers(&"a/".repeat(500)));
        assert!(!Glob::new(&"*a".repeat(200)).covers(&"a".repeat(5_000).replace("aa", "ab")));
    }

    proptest! {
        #[test]
        fn any_pattern_answers_for_any_path(pattern in "\\PC{0,30}", path in "\\PC{0,30}") {
            Glob::new(&pattern).covers(&path);
        }

        #[test]
        fn a_plain_path_covers_itself_and_what_is_in_it(path in "[a-z]{1,5}(/[a-z]{1,5}){0,3}") {
            let glob = Glob::new(&format!("/{path}"));
            let (inside, beside) = (format!("{path}/x"), format!("{path}x"));
            prop_assert!(glob.covers(&path) && glob.covers(&inside) && !glob.covers(&beside));
        }
    }
}
