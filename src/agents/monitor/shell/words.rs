//! Splits a shell's text into commands and words: quotes, comments, substitutions, here-documents. Pure.

use std::mem;

use super::here_document::HereDocument;

/// How deep texts of here-documents are searched for substitutions.
const DEEP: usize = 4;
const SHELLS: [&str; 5] = ["sh", "bash", "zsh", "dash", "ksh"];
/// Words behind which a command still begins.
pub(super) const KEYWORDS: [&str; 9] = ["then", "do", "else", "elif", "if", "while", "until", "!", "{"];
/// In the place of a substitution's output, which is not known.
const UNKNOWN: &str = "(…)";

pub(super) enum Piece {
    Command(Vec<String>),
    /// A here-document that a shell reads.
    Script(String),
}

/// The commands of a text; those in a substitution come before the one around it.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    Splitter::new(text, Quote::None, DEEP).split()
}

pub(super) fn is_shell(program: &str) -> bool {
    SHELLS.contains(&program)
}

/// A program's name without its folder.
pub(super) fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Quote {
    #[default]
    None,
    Single,
    /// `$'…'`
    Escaped,
    Double,
    HereDocument,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Subshell,
    /// `$(…)`, `<(…)`
    Substitution,
    Backquotes,
    /// `${…}`: a part of the word around it.
    Parameter,
}

/// What is open: the text itself, or one of the kinds of brackets.
#[derive(Default)]
struct Frame {
    kind: Kind,
    words: Vec<String>,
    word: Option<String>,
    quote: Quote,
    /// `case`s without `esac`: a `)` in them ends a pattern.
    cases: usize,
    /// It began with `((`: `<<` shifts, and `#` is a base.
    is_arithmetic: bool,
    /// A parameter within double quotes: `'` is an ordinary character.
    is_quoted: bool,
    /// A shell reads what these words print.
    feeds_shell: bool,
    /// The words of this command start a shell or are read by one.
    starts_shell: bool,
    /// So in this pipeline, and anywhere in this frame.
    in_pipeline: bool,
    anywhere: bool,
    /// The first here-document of this pipeline.
    documents_from: usize,
}

struct Splitter<'t> {
    text: &'t str,
    at: usize,
    now: Frame,
    outer: Vec<Frame>,
    /// How many of the outer frames and this one are in backquotes.
    backquotes: usize,
    /// The last character was an unquoted `<` or `>`.
    redirects: bool,
    documents: Vec<HereDocument>,
    /// A here-document had no end: the text is cut or not a shell's, and all of it is taken for commands.
    is_cut: bool,
    deep: usize,
    pieces: Vec<Piece>,
}

impl<'t> Splitter<'t> {
    fn new(text: &'t str, quote: Quote, deep: usize) -> Self {
        Splitter {
            text,
            at: 0,
            now: Frame { quote, ..Frame::default() },
            outer: Vec::new(),
            backquotes: 0,
            redirects: false,
            documents: Vec::new(),
            is_cut: false,
            deep,
            pieces: Vec::new(),
        }
    }

    fn split(mut self) -> Vec<Piece> {
        while let Some(c) = self.next() {
            let redirects = mem::take(&mut self.redirects);
            match self.now.quote {
                // A shell looks for the end of backquotes before it reads what is in them.
                _ if c == '`' && self.backquotes > 0 => self.close_backquotes(),
                Quote::None => self.unquoted(c, redirects),
                Quote::Single | Quote::Escaped if c == '\'' => self.now.quote = Quote::None,
                Quote::Double if c == '"' => self.now.quote = Quote::None,
                Quote::Single => self.push(c),
                _ if c == '\\' => self.escape(),
                Quote::Escaped => self.push(c),
                Quote::Double | Quote::HereDocument => match c {
                    '$' => self.dollar(),
                    '`' => self.open(Kind::Backquotes),
                    c => self.push(c),
                },
            }
        }
        while !self.outer.is_empty() {
            self.close();
        }
        // The text of a here-document is no command; only the substitutions in it are.
        if self.now.quote != Quote::HereDocument {
            self.end_pipeline();
        }
        self.pieces
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn push(&mut self, c: char) {
        self.now.word.get_or_insert_default().push(c);
    }

    fn unquoted(&mut self, c: char, redirects: bool) {
        let in_parameter = self.now.kind == Kind::Parameter;
        match c {
            '\'' if in_parameter && self.now.is_quoted => self.push(c),
            '\'' | '"' => {
                self.now.quote = if c == '"' { Quote::Double } else { Quote::Single };
                self.now.word.get_or_insert_default();
            }
            '\\' => self.escape(),
            '$' => self.dollar(),
            '`' => self.open(Kind::Backquotes),
            '}' if in_parameter => {
                self.push(c);
                self.close();
            }
            c if in_parameter => self.push(c),
            '#' if self.now.word.is_none() && !self.now.is_arithmetic => self.comment(),
            '<' if self.peek() == Some('<') && !self.now.is_arithmetic => self.here_document(),
            '(' if redirects => self.open(Kind::Substitution),
            '(' => {
                self.end_command();
                self.open(Kind::Subshell);
            }
            ')' => self.close_bracket(),
            // `2>&1`, `&>log` and `>|log`.
            '&' if redirects || self.peek() == Some('>') => self.push(c),
            '|' if redirects => self.push(c),
            '|' if self.peek() != Some('|') => self.end_command(),
            ';' | '&' | '|' => self.end_pipeline(),
            '\n' => {
                self.end_pipeline();
                self.read_here_documents();
            }
            c if c.is_whitespace() => self.end_word(),
            c => {
                self.redirects = c == '<' || c == '>';
                self.push(c);
            }
        }
    }

    fn escape(&mut self) {
        match self.next() {
            Some('\n') | None => {}
            // Backquotes in backquotes.
            Some('`') if self.backquotes > 0 => self.end_pipeline(),
            Some(c) => self.push(c),
        }
    }

    fn dollar(&mut self) {
        match self.peek() {
            Some('(') => {
                self.push('$');
                self.at += 1;
                self.open(Kind::Substitution);
            }
            Some('{') => {
                self.push('$');
                self.push('{');
                self.at += 1;
                self.open(Kind::Parameter);
            }
            Some('\'') if self.now.quote == Quote::None && !self.now.is_quoted => {
                self.at += 1;
                self.now.word.get_or_insert_default();
                self.now.quote = Quote::Escaped;
            }
            _ => self.push('$'),
        }
    }

    fn comment(&mut self) {
        let is_end = |c: char| c == '\n' || (c == '`' && self.backquotes > 0);
        let rest = &self.text[self.at..];
        self.at += rest.find(is_end).unwrap_or(rest.len());
    }

    fn open(&mut self, kind: Kind) {
        let is_double = self.text[self.at..].starts_with('(');
        let outer = &mut self.now;
        let inner = Frame {
            kind,
            word: if kind == Kind::Parameter { outer.word.take() } else { None },
            is_arithmetic: match kind {
                Kind::Subshell => is_double || outer.is_arithmetic,
                Kind::Substitution => is_double,
                _ => false,
            },
            is_quoted: matches!(outer.quote, Quote::Double | Quote::HereDocument) || outer.is_quoted,
            feeds_shell: outer.feeds_shell || (kind != Kind::Subshell && outer.starts_shell),
            documents_from: self.documents.len(),
            ..Frame::default()
        };
        self.backquotes += usize::from(kind == Kind::Backquotes);
        self.outer.push(mem::replace(&mut self.now, inner));
    }

    /// Closes what is open. Nothing else may be called after the outermost one.
    fn close(&mut self) {
        if self.now.kind != Kind::Parameter {
            self.end_pipeline();
        }
        let Some(outer) = self.outer.pop() else { return };
        let inner = mem::replace(&mut self.now, outer);
        self.now.anywhere |= inner.anywhere;
        self.now.in_pipeline |= inner.anywhere;
        match inner.kind {
            Kind::Parameter => self.now.word = inner.word,
            Kind::Subshell | Kind::Text => {}
            Kind::Substitution | Kind::Backquotes => self.now.word.get_or_insert_default().push_str(UNKNOWN),
        }
        self.backquotes -= usize::from(inner.kind == Kind::Backquotes);
    }

    fn close_backquotes(&mut self) {
        while self.now.kind != Kind::Backquotes {
            self.close();
        }
        self.close();
    }

    fn close_bracket(&mut self) {
        self.end_pipeline();
        if self.now.cases == 0 && matches!(self.now.kind, Kind::Subshell | Kind::Substitution) {
            self.close();
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.now.word.take() else { return };
        let now = &mut self.now;
        let first = now.words.first().map_or(word.as_str(), String::as_str);
        now.starts_shell |= is_shell(program(&word))
            || (now.words.last().is_none_or(|last| KEYWORDS.contains(&&**last))
                && ["eval", "source", ".", "su"].contains(&program(&word)))
            || (["sudo", "doas"].contains(&program(first)) && ["-i", "-s", "--login", "--shell"].contains(&&*word));
        now.words.push(word);
    }

    fn end_command(&mut self) {
        self.end_word();
        let now = &mut self.now;
        let starts_shell = mem::take(&mut now.starts_shell);
        now.in_pipeline |= starts_shell;
        now.anywhere |= starts_shell;
        match now.words.iter().map(String::as_str).find(|word| !KEYWORDS.contains(word)) {
            Some("case") => now.cases += 1,
            Some("esac") => now.cases = now.cases.saturating_sub(1),
            _ => {}
        }
        if !now.words.is_empty() {
            self.pieces.push(Piece::Command(mem::take(&mut now.words)));
        }
    }

    fn end_pipeline(&mut self) {
        self.end_command();
        let now = &mut self.now;
        if mem::take(&mut now.in_pipeline) || now.feeds_shell {
            let from = now.documents_from.min(self.documents.len());
            self.documents[from..].iter_mut().for_each(|document| document.is_script = true);
        }
        now.documents_from = self.documents.len();
    }

    /// After the first `<`.
    fn here_document(&mut self) {
        self.end_word();
        let rest = &self.text[self.at + 1..];
        if rest.starts_with('<') {
            self.at += 2;
            return self.now.words.push("<<<".to_owned());
        }
        self.at += 1;
        let Some((mut document, length)) = HereDocument::begin(rest) else { return };
        self.at += length;
        // Of a loop or a group, any command in it may read it.
        let of_group = self.now.words.first().is_none_or(|first| ["done", "}", "fi", "esac"].contains(&first.as_str()));
        document.is_script = of_group && self.now.anywhere;
        if !self.is_cut {
            self.documents.push(document);
        }
    }

    /// After the line that they belong to.
    fn read_here_documents(&mut self) {
        if self.documents.is_empty() {
            return;
        }
        for document in mem::take(&mut self.documents) {
            let text = self.text;
            let Some((body, length)) = document.text(&text[self.at..]).filter(|_| !self.is_cut) else {
                self.is_cut = true;
                continue;
            };
            self.at += length;
            if document.is_script {
                self.pieces.push(Piece::Script(body.to_owned()));
            } else if !document.is_literal && self.deep > 0 {
                self.pieces.extend(Splitter::new(body, Quote::HereDocument, self.deep - 1).split());
            }
        }
        self.now.documents_from = 0;
        self.outer.iter_mut().for_each(|frame| frame.documents_from = 0);
    }
}
