//! Colours code: comments, strings, numbers and keywords, line by line.
//!
//! It knows as much of a language as helps a reader of a diff. Grammars would weigh more than the rest of the page.

use maud::{Markup, html};

/// What is special about a language.
pub struct Language {
    endings: &'static [&'static str],
    /// What begins a comment that ends with the line.
    line: &'static [&'static str],
    block: Option<(&'static str, &'static str)>,
    quotes: &'static [char],
    keywords: &'static str,
}

const C: (&[&str], Option<(&str, &str)>) = (&["//"], Some(("/*", "*/")));
const HASH: (&[&str], Option<(&str, &str)>) = (&["#"], None);

const LANGUAGES: &[Language] = &[
    Language {
        endings: &["rs"],
        line: C.0,
        block: C.1,
        // A single quote may be a lifetime.
        quotes: &['"'],
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
    },
    Language {
        endings: &["js", "mjs", "cjs", "ts", "tsx", "jsx"],
        line: C.0,
        block: C.1,
        quotes: &['"', '\'', '`'],
        keywords: "async await break case catch class const continue default delete do else enum export extends false finally for from function if implements import in instanceof interface let new null of return static super switch this throw true try type typeof undefined var void while yield",
    },
    Language {
        endings: &["go"],
        line: C.0,
        block: C.1,
        quotes: &['"', '\'', '`'],
        keywords: "break case chan const continue default defer else fallthrough false for func go goto if import interface map nil package range return select struct switch true type var",
    },
    Language {
        endings: &["c", "h", "cc", "cpp", "hpp", "cs", "java", "kt", "swift", "scala", "php", "zig", "dart"],
        line: C.0,
        block: C.1,
        quotes: &['"', '\''],
        keywords: "abstract auto bool boolean break byte case catch char class const continue default do double else enum extends extern false final finally float for fun func goto if implements import include inline int interface let long namespace new null nullptr override package private protected public return short signed sizeof static struct super switch template this throw throws true try typedef union unsigned using val var virtual void volatile while",
    },
    Language {
        endings: &["py", "pyi"],
        line: HASH.0,
        block: None,
        quotes: &['"', '\''],
        keywords: "and as assert async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return self True try while with yield",
    },
    Language {
        endings: &["sh", "bash", "zsh", "Makefile", "Dockerfile"],
        line: HASH.0,
        block: None,
        quotes: &['"', '\''],
        keywords: "case do done elif else esac exit export fi for function if in local return set then until while",
    },
    Language {
        endings: &["rb"],
        line: HASH.0,
        block: None,
        quotes: &['"', '\''],
        keywords: "and begin class def do else elsif end ensure false for if in module nil not or require rescue return self super then true unless until when while yield",
    },
    Language {
        endings: &["toml", "yaml", "yml", "ini", "cfg"],
        line: HASH.0,
        block: None,
        quotes: &['"', '\''],
        keywords: "true false null",
    },
    Language { endings: &["json"], line: &[], block: None, quotes: &['"'], keywords: "true false null" },
    Language {
        endings: &["css", "scss"],
        line: &[],
        block: C.1,
        quotes: &['"', '\''],
        keywords: "important media supports import",
    },
    Language {
        endings: &["sql"],
        line: &["--"],
        block: C.1,
        quotes: &['\''],
        keywords: "SELECT FROM WHERE AND OR NOT NULL INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE INDEX ALTER DROP JOIN LEFT ON AS ORDER BY GROUP LIMIT PRIMARY KEY REFERENCES select from where and or not null insert into values update set delete create table index alter drop join left on as order by group limit primary key references",
    },
];

/// The language of a file, by the end of its name.
pub fn language(path: &str) -> Option<&'static Language> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit('.').next().unwrap_or(name);
    LANGUAGES.iter().find(|language| language.endings.contains(&ending))
}

/// Reads the lines of one side of a hunk.
pub struct Lexer {
    language: Option<&'static Language>,
    /// The line before ended within a comment.
    in_comment: bool,
}

impl Lexer {
    pub fn new(language: Option<&'static Language>) -> Lexer {
        Lexer { language, in_comment: false }
    }

    /// A line with its colours.
    pub fn line(&mut self, line: &str) -> Markup {
        let pieces = self.pieces(line);
        html! {
            @for (class, piece) in pieces {
                @match class { Some(class) => span class=(class) { (piece) }, None => (piece) }
            }
        }
    }

    /// The line in pieces, each with its class.
    fn pieces<'l>(&mut self, line: &'l str) -> Vec<(Option<&'static str>, &'l str)> {
        let mut pieces = Vec::new();
        let (mut at, mut plain) = (0, 0);
        while at < line.len() {
            let (class, length) = self.next(&line[at..]);
            if class.is_some() {
                pieces.extend((plain < at).then(|| (None, &line[plain..at])));
                pieces.push((class, &line[at..at + length]));
                plain = at + length;
            }
            at += length;
        }
        pieces.extend((plain < line.len()).then(|| (None, &line[plain..])));
        pieces
    }

    /// The class and the length of what `rest`, which is not empty, begins with.
    fn next(&mut self, rest: &str) -> (Option<&'static str>, usize) {
        let Some(language) = self.language else { return (None, rest.len()) };
        let first = rest.chars().next().unwrap_or_default();
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let opened = language.block.filter(|(open, _)| rest.starts_with(open)).map_or(0, |(open, _)| open.len());
        if self.in_comment || opened > 0 {
            let end = language.block.and_then(|(_, close)| Some(rest[opened..].find(close)? + opened + close.len()));
            self.in_comment = end.is_none();
            (Some("c"), end.unwrap_or(rest.len()))
        } else if language.line.iter().any(|begin| rest.starts_with(begin)) {
            (Some("c"), rest.len())
        } else if language.quotes.contains(&first) {
            (Some("s"), string(rest, first))
        } else if is_of_word(first) {
            let word = &rest[..rest.find(|c| !is_of_word(c)).unwrap_or(rest.len())];
            let is_keyword = language.keywords.split(' ').any(|known| known == word);
            let class = if first.is_ascii_digit() { Some("n") } else { is_keyword.then_some("k") };
            (class, word.len())
        } else {
            (None, first.len_utf8())
        }
    }
}

/// How long the string is that `text` begins with: to its quote, or to the end of the line.
fn string(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, lines: &[&str]) -> String {
        let mut lexer = Lexer::new(language(path));
        let mut told = String::new();
        for line in lines {
            let pieces = lexer.pieces(line);
            assert_eq!(pieces.iter().map(|(_, piece)| *piece).collect::<String>(), *line, "nothing is lost");
            let coloured =
                pieces.iter().map(|(class, piece)| class.map_or((*piece).to_owned(), |c| format!("[{c}:{piece}]")));
            told.push_str(&coloured.collect::<String>());
            told.push('\n');
        }
        told
    }

    #[test]
    fn comments_strings_numbers_and_keywords_are_coloured() {
        assert_eq!(
            shown("a/b.rs", &["let x = \"a // \\\" b\"; // 1", "for_all(32u8, 'a')"]),
            "[k:let] x = [s:\"a // \\\" b\"]; [c:// 1]\nfor_all([n:32u8], 'a')\n"
        );
        assert_eq!(shown("x.c", &["a /* b", "if */ if (ä) 'c"]), "a [c:/* b]\n[c:if */] [k:if] (ä) [s:'c]\n");
        assert_eq!(shown("x.py", &["def f(): # n"]), "[k:def] f(): [c:# n]\n");
        assert_eq!(shown("LICENSE", &["for // \"x"]), "for // \"x\n");
        assert_eq!(shown("Makefile", &["", "# x"]), "\n[c:# x]\n");
    }
}
