//! A report: sections with lists and tables, before anything is escaped or laid out.

use crate::base::Stamp;

/// What a cell means to its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Attention,
    Quiet,
}

/// Text and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

impl Cell {
    pub fn new(tone: Tone, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(Tone::Plain, text)
    }
}

/// What a section contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    List(Vec<Cell>),
    /// Every row has a cell for each heading.
    Table {
        headings: Vec<&'static str>,
        rows: Vec<Vec<Cell>>,
    },
}

impl Body {
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries or rows.
    pub fn len(&self) -> usize {
        match self {
            Body::List(entries) => entries.len(),
            Body::Table { rows, .. } => rows.len(),
        }
    }
}

/// A heading with what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: &'static str,
    /// A sentence below the heading.
    pub note: Option<String>,
    pub body: Body,
}

impl Section {
    pub fn list(title: &'static str, entries: Vec<Cell>) -> Section {
        Section { title, note: None, body: Body::List(entries) }
    }

    pub fn table(title: &'static str, headings: &[&'static str], rows: Vec<Vec<Cell>>) -> Section {
        Section { title, note: None, body: Body::Table { headings: headings.to_vec(), rows } }
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Section {
        self.note = Some(note.into());
        self
    }
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub title: &'static str,
    pub generated_at: Stamp,
    pub sections: Vec<Section>,
}
