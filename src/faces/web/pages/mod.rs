//! The pages, and what all of them have in common.
//!
//! A page is a list of parts, each with an id; a part that changed is sent to the open page and replaces the old one.
//! All text is escaped by the templates; [`super::answer::visible`] shows what a browser would hide.

mod address;
mod board;
mod charts;
mod costs;
mod frame;
mod job;
mod parts;
mod plans;
mod review;
mod timeline;
mod view;

use maud::Markup;

pub use address::Address;
pub use frame::trouble;
pub use job::names as job_names;
pub use view::{DiffCache, View};

/// A page of parts.
pub struct Page {
    title: String,
    /// The parts below the heading, by id.
    parts: Vec<(&'static str, Markup)>,
    /// The parts around them that all pages have.
    common: Vec<(&'static str, Markup)>,
}

impl Page {
    /// The page of an address; `None` for a job that does not exist.
    pub fn render(address: &Address, view: &View<'_>) -> Option<Page> {
        let (title, parts) = match address {
            Address::Board => ("Board".to_owned(), board::parts(view)),
            Address::Review => ("Review".to_owned(), review::parts(view)),
            Address::Plans => ("Plans".to_owned(), plans::parts(view)),
            Address::Timeline(range) => ("Timeline".to_owned(), timeline::parts(view, *range)),
            Address::Costs => ("Costs".to_owned(), costs::parts(view)),
            Address::Job(name) => job::page(view, name)?,
        };
        Some(Page { title, parts, common: frame::common(view, address) })
    }

    /// Every part that can change, with its HTML.
    pub fn all_parts(self) -> Vec<(&'static str, String)> {
        self.common.into_iter().chain(self.parts).map(|(id, html)| (id, html.into_string())).collect()
    }

    /// The whole document; `project` is shown in its head.
    pub fn whole(self, address: &Address, project: &str) -> String {
        frame::document(address, project, &self.title, &self.common, &self.parts).into_string()
    }
}

/// How long the log is that the page shows, if it shows one: it grows without the board.
pub fn log_length(address: &Address, view: &View<'_>) -> Option<u64> {
    let Address::Job(name) = address else { return None };
    let log = &view.snapshot.job(name)?.log;
    std::fs::metadata(log).ok().map(|found| found.len())
}
