//! What the screen shows, as plain data: the board, what is selected, and what the person is doing. No I/O.

mod rows;
pub mod text;

use std::collections::VecDeque;
use std::sync::Arc;

use self::text::Text;
use crate::base::{Refusal, Stamp};
use crate::board::Snapshot;
use crate::faces::operator::Command;
use crate::review::Entry;

/// How many lines of a log are kept.
const LOG: usize = 5000;

/// A list on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Problems,
    Jobs,
    Review,
    Claims,
    Events,
}

impl Section {
    /// From the top of the screen to its end.
    pub const ALL: [Section; 5] = [Section::Problems, Section::Jobs, Section::Review, Section::Claims, Section::Events];

    pub fn title(self) -> &'static str {
        match self {
            Section::Problems => "PROBLEMS",
            Section::Jobs => "JOBS",
            Section::Review => "REVIEW",
            Section::Claims => "CLAIMS",
            Section::Events => "EVENTS",
        }
    }
}

/// The order of the jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As they were chosen, those with a problem first.
    #[default]
    Chosen,
    /// The longest run first.
    Time,
    /// The dearest first.
    Cost,
    /// Those first that did nothing for the longest time.
    Quiet,
}

impl Sort {
    pub fn next(self) -> Sort {
        match self {
            Sort::Chosen => Sort::Time,
            Sort::Time => Sort::Cost,
            Sort::Cost => Sort::Quiet,
            Sort::Quiet => Sort::Chosen,
        }
    }

    /// For a heading; empty for the usual order.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Chosen => "",
            Sort::Time => " (by time)",
            Sort::Cost => " (by cost)",
            Sort::Quiet => " (by quiet)",
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Sort::Chosen => "problems first, then in the order of choice",
            Sort::Time => "the longest run first",
            Sort::Cost => "the highest cost first",
            Sort::Quiet => "the longest without a sign of life first",
        }
    }
}

/// The selected row of a list: it stays selected when rows come and go above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    pub key: Option<String>,
    /// Where it was; the row there is selected when its own is gone.
    pub at: usize,
}

/// A part of the page of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Log,
    Diff,
}

impl Tab {
    pub const ALL: [Tab; 3] = [Tab::Overview, Tab::Log, Tab::Diff];
}

/// The page of one job.
#[derive(Clone, Debug)]
pub struct JobPage {
    /// Its long id.
    pub id: String,
    pub tab: Tab,
    /// The first line that is shown, for each tab.
    pub top: [usize; 3],
    /// The log stays at its end.
    pub follows: bool,
    pub detail: Detail,
}

/// What is known about the job on the page.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    pub run: String,
    pub log: Text,
    /// Its result, once it has one.
    pub result: Option<Arc<Entry>>,
    /// `None` until it was read.
    pub diff: Option<Text>,
    /// What the diff was made from.
    read_diff: Option<Arc<Vec<String>>>,
    /// Why something of it could not be read.
    pub unreadable: Option<String>,
}

/// What was read about a job since the last time.
#[derive(Clone, Debug, Default)]
pub struct News {
    pub job: String,
    pub run: String,
    /// The log was read from its start.
    pub is_new_log: bool,
    pub log: Vec<String>,
    pub result: Option<Arc<Entry>>,
    pub diff: Option<Arc<Vec<String>>>,
    pub unreadable: Option<String>,
}

impl Detail {
    /// Takes what is new, for a screen of so many columns.
    pub fn take(&mut self, news: News, columns: u16) {
        let width = text_width(columns);
        if news.is_new_log {
            self.log.set(Vec::new(), width);
        }
        self.log.extend(news.log);
        self.log.keep(LOG);
        (self.run, self.result, self.unreadable) = (news.run, news.result, news.unreadable);
        let is_known = match (&self.read_diff, &news.diff) {
            (Some(known), Some(new)) => Arc::ptr_eq(known, new),
            (known, new) => known.is_none() && new.is_none(),
        };
        if !is_known {
            self.diff = news.diff.as_ref().map(|lines| {
                let mut text = Text::default();
                text.set(lines.to_vec(), width);
                text
            });
            self.read_diff = news.diff;
        }
    }

    /// Takes another number of columns.
    pub fn rewrap(&mut self, columns: u16) {
        self.log.rewrap(text_width(columns));
        if let Some(diff) = &mut self.diff {
            diff.rewrap(text_width(columns));
        }
    }
}

/// Columns for text, between the margins.
pub fn text_width(columns: u16) -> usize {
    columns.saturating_sub(2).into()
}

/// What the keyboard writes into, or answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A command that waits for `y`.
    Confirm {
        command: Command,
        question: String,
    },
    /// A text that a command needs.
    Write {
        what: Written,
        job: String,
        question: String,
        text: String,
    },
    /// The filter, as it is written.
    Filter,
    Help,
    /// What was refused, and why; any key closes it.
    Refused(Vec<String>),
    /// A command still runs; `q` leaves all the same.
    Leave,
}

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Retry,
    Reject,
    Answer,
    Note,
}

/// A line for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    pub is_good: bool,
}

/// A command that is carried out.
#[derive(Clone, Debug)]
pub struct Busy {
    /// `Approving j7`
    pub what: String,
    /// What it does just now.
    pub doing: Option<String>,
    pub since: Stamp,
}

#[derive(Clone, Debug)]
pub struct State {
    /// The hub's folder.
    pub project: String,
    pub now: Stamp,
    /// Columns and rows.
    pub size: (u16, u16),
    pub board: Option<Arc<Snapshot>>,
    /// Why there is no newer board.
    pub unreadable: Option<String>,
    pub section: Section,
    pub selected: [Selected; 5],
    pub filter: String,
    pub sort: Sort,
    /// Finished jobs are shown too.
    pub shows_finished: bool,
    pub page: Option<JobPage>,
    pub prompt: Option<Prompt>,
    /// Commands that are carried out one after the other, the current one first.
    pub busy: VecDeque<Busy>,
    pub said: Option<Said>,
}

/// What came from outside.
#[derive(Clone, Debug)]
pub enum Input {
    Key(Key),
    /// Pasted text.
    Paste(String),
    /// A click at a column and a row.
    Click(u16, u16),
    /// The wheel: lines downward.
    Scroll(i32),
    Resize(u16, u16),
    Board(Arc<Snapshot>),
    Unreadable(String),
    News(News),
    /// What the current command does.
    Progress(String),
    /// What became of the current command.
    Done(Result<Vec<String>, Refusal>),
    /// Time passed.
    Tick,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Esc,
    Back,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl and a letter.
    Ctrl(char),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Perform(Command),
    /// Read what is new about the job on the page.
    Read(String),
    Suspend,
    /// Draw everything again.
    Redraw,
    Quit,
}

impl State {
    pub fn new(project: String, now: Stamp, size: (u16, u16)) -> State {
        State {
            project,
            now,
            size,
            board: None,
            unreadable: None,
            section: Section::Problems,
            selected: Default::default(),
            filter: String::new(),
            sort: Sort::default(),
            shows_finished: false,
            page: None,
            prompt: None,
            busy: VecDeque::new(),
            said: None,
        }
    }
}
