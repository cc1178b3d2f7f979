//! Times for people: relative and local on a terminal, UTC as in the record everywhere else.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::Duration;

use chrono::{DateTime, Local, NaiveDateTime};

use crate::base::Stamp;
pub use crate::base::time::duration;

/// The characters of a time as the record holds it: `2026-01-05T10:00:00Z`.
const LENGTH: usize = 20;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// How a command shows times.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    now: Stamp,
    is_local: bool,
}

impl Times {
    /// Relative and local where stdout is a terminal, except in a document.
    pub fn new(now: Stamp, is_document: bool) -> Times {
        Times { now, is_local: !is_document && std::io::stdout().is_terminal() }
    }

    /// For what is printed on stderr: relative and local where that is a terminal.
    pub fn on_stderr(now: Stamp) -> Times {
        Times { now, is_local: std::io::stderr().is_terminal() }
    }

    /// When something happened: `12 s ago`, `3 min ago`, `14:30`, `yesterday 14:30`, `5 Jan 14:30`, `5 Jan 2025`.
    pub fn ago(&self, at: Stamp) -> String {
        let seconds = self.now.unix() - at.unix();
        match seconds {
            _ if !self.is_local => at.to_string(),
            0..2 => "just now".to_owned(),
            2..MINUTE => format!("{seconds} s ago"),
            MINUTE..HOUR => format!("{} min ago", seconds / MINUTE),
            _ => self.at(at),
        }
    }

    /// A moment, past or future: `14:30`, `tomorrow 09:00`, `5 Jan 14:30`.
    pub fn at(&self, at: Stamp) -> String {
        if self.is_local { clock(local(at), local(self.now)) } else { at.to_string() }
    }

    /// As [`Times::at`], for a time as the record holds it; a text that is no time stays as it is.
    pub fn at_written(&self, at: &str) -> String {
        Stamp::parse(at).map_or_else(|| at.to_owned(), |at| self.at(at))
    }

    /// A text with the times in it as [`Times::at`] shows them.
    pub fn in_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.is_local {
            return Cow::Borrowed(text);
        }
        let (mut shown, mut done) = (String::new(), 0);
        for (z, _) in text.match_indices('Z') {
            let stamp = (z + 1).checked_sub(LENGTH).filter(|from| *from >= done && !is_in_name(text, *from, z + 1));
            let Some((from, at)) = stamp.and_then(|from| Some((from, Stamp::parse(text.get(from..=z)?)?))) else {
                continue;
            };
            shown += &text[done..from];
            shown += &self.at(at);
            done = z + 1;
        }
        Cow::Owned(shown + &text[done..])
    }

    /// The time of day to the second, `14:30:05`: local, or UTC.
    pub fn clock(&self, at: Stamp) -> String {
        match self.is_local {
            true => local(at).format("%H:%M:%S").to_string(),
            false => at.to_string().get(11..19).unwrap_or_default().to_owned(),
        }
    }

    /// How long it is until then.
    pub fn until(&self, at: Stamp) -> Duration {
        at.since(self.now)
    }

    /// How long something has lasted that started at `since`: `12m 05s`. Elsewhere the time at which it started,
    /// so that the text stays as it is while nothing happens.
    pub fn lasting(&self, since: Stamp) -> String {
        if self.is_local { duration(self.now.since(since)) } else { since.to_string() }
    }
}

/// Whether a part of a text belongs to the name of a file or to a longer word.
fn is_in_name(text: &str, from: usize, to: usize) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/');
    let before = text.get(..from).and_then(|before| before.chars().next_back());
    let mut after = text.get(to..).unwrap_or_default().chars();
    let next = after.next();
    let has_extension = next == Some('.') && after.next().is_some_and(goes_on);
    before.is_some_and(|c| goes_on(c) || c == '.') || next.is_some_and(goes_on) || has_extension
}

fn local(at: Stamp) -> NaiveDateTime {
    DateTime::from_timestamp(at.unix(), 0).unwrap_or_default().with_timezone(&Local).naive_local()
}

fn clock(at: NaiveDateTime, now: NaiveDateTime) -> String {
    let days = (at.date() - now.date()).num_days();
    match days {
        0 => at.format("%H:%M").to_string(),
        1 => at.format("tomorrow %H:%M").to_string(),
        -1 => at.format("yesterday %H:%M").to_string(),
        _ if days.abs() < 180 => at.format("%-d %b %H:%M").to_string(),
        _ => at.format("%-d %b %Y").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_on_a_terminal_and_utc_elsewhere() {
        let now = Stamp::parse("2026-01-05T10:00:00Z").unwrap();
        let (terminal, piped) = (Times { now, is_local: true }, Times { now, is_local: false });
        let back = |seconds| now.minus(Duration::from_secs(seconds));
        assert_eq!(terminal.ago(now), "just now");
        assert_eq!(terminal.ago(back(12)), "12 s ago");
        assert_eq!(terminal.ago(back(200)), "3 min ago");
        assert_eq!(piped.ago(back(200)), "2026-01-05T09:56:40Z");
        assert_eq!(piped.at(now), "2026-01-05T10:00:00Z");
        assert_eq!(piped.clock(now), "10:00:00");
        assert_eq!(terminal.clock(now), local(now).format("%H:%M:%S").to_string());
        assert_eq!(terminal.lasting(back(200)), "3m 20s");
        assert_eq!(piped.lasting(back(200)), "2026-01-05T09:56:40Z");
        let said = "Zoë is not called until 2026-01-05T09:56:40Z: wait";
        assert_eq!(terminal.in_text(said), format!("Zoë is not called until {}: wait", terminal.at(back(200))));
        assert_eq!(piped.in_text(said), said);
        let at = terminal.at(back(200));
        for (said, shown) in [
            ("dashboard: _report/dashboard-2026-01-05T09:56:40Z.json", None),
            ("see logs/2026-01-05T09:56:40Z, and Zürich", None),
            ("2026-01-05T09:56:40Z.log", None),
            ("(2026-01-05T09:56:40Z) 2026-01-05T09:56:40Z.", Some(format!("({at}) {at}."))),
        ] {
            assert_eq!(terminal.in_text(said), shown.unwrap_or(said.to_owned()), "a name stays as it is");
        }
    }

    #[test]
    fn times_of_other_days_name_the_day() {
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        let cases = [
            ("2026-01-05 08:30", "08:30"),
            ("2026-01-04 23:59", "yesterday 23:59"),
            ("2026-01-06 09:00", "tomorrow 09:00"),
            ("2025-12-24 18:00", "24 Dec 18:00"),
            ("2024-12-24 18:00", "24 Dec 2024"),
        ];
        for (then, shown) in cases {
            assert_eq!(clock(at(then), at("2026-01-05 10:00")), shown);
        }
    }
}
