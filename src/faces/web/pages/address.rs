//! Which pages there are, and their paths.

use crate::base::names;

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Board,
    Review,
    Plans,
    /// Of so many hours; else of as many as have something to show.
    Timeline(Option<Range>),
    Costs,
    /// A job, by its id, long or short.
    Job(String),
}

/// How far back the timeline goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    Hour,
    EightHours,
    Day,
}

impl Range {
    pub const ALL: [Range; 3] = [Range::Hour, Range::EightHours, Range::Day];

    pub fn hours(self) -> i64 {
        match self {
            Range::Hour => 1,
            Range::EightHours => 8,
            Range::Day => 24,
        }
    }
}

/// The pages that every page links to.
pub const MENU: [(Address, &str); 5] = [
    (Address::Board, "Board"),
    (Address::Review, "Review"),
    (Address::Plans, "Plans"),
    (Address::Timeline(None), "Timeline"),
    (Address::Costs, "Costs"),
];

impl Address {
    /// The page of a path; `None` when there is none.
    pub fn parse(path: &str) -> Option<Address> {
        if let Some(job) = path.strip_prefix("/jobs/") {
            return names::check_id("job", job).ok().map(|_| Address::Job(job.to_owned()));
        }
        let ranges = Range::ALL.into_iter().map(|range| Address::Timeline(Some(range)));
        MENU.into_iter().map(|(page, _)| page).chain(ranges).find(|page| page.path() == path)
    }

    pub fn path(&self) -> String {
        match self {
            Address::Board => "/".to_owned(),
            Address::Review => "/review".to_owned(),
            Address::Plans => "/plans".to_owned(),
            Address::Timeline(None) => "/timeline".to_owned(),
            Address::Timeline(Some(range)) => format!("/timeline/{}h", range.hours()),
            Address::Costs => "/costs".to_owned(),
            Address::Job(job) => format!("/jobs/{job}"),
        }
    }

    /// What tells the page from others in the style sheet.
    pub fn class(&self) -> &'static str {
        match self {
            Address::Board => "board",
            Address::Review => "review",
            Address::Plans => "plans",
            Address::Timeline(_) => "timeline",
            Address::Costs => "costs",
            Address::Job(_) => "job",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_paths_are_pages() {
        for (address, _) in MENU {
            assert_eq!(Address::parse(&address.path()), Some(address));
        }
        for range in Range::ALL {
            let address = Address::Timeline(Some(range));
            assert_eq!(Address::parse(&address.path()), Some(address));
        }
        assert_eq!(Address::parse("/jobs/j1"), Some(Address::Job("j1".to_owned())));
        for path in
            ["", "/jobs/", "/jobs/../x", "/jobs/j1/", "/timeline/2h", "/src", "//", "/etc/passwd", "/jobs/%2e%2e"]
        {
            assert_eq!(Address::parse(path), None, "{path}");
        }
    }
}
