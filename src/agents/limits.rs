//! Recognises texts about an account's limit, and the time that they name.
//!
//! A time of day is the next such time after `now`. Where no zone is named, or one that is not known here,
//! it is read as UTC: the presets of agents that print local times give them UTC as their zone.

use std::time::Duration;

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta};

use crate::base::Stamp;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A named time that passed so many seconds ago is over, and not that of tomorrow.
const PASSED: i64 = 600;
/// The longest wait that a text can cause; also keeps sums of times in range.
pub const LONGEST: Duration = Duration::from_secs(40 * 24 * 3600);

/// Whether a text mentions an account's limit.
pub fn mentions_limit(text: &str) -> bool {
    let lower = plain(text);
    let has = |words: &[&str]| words.iter().all(|word| lower.contains(word));
    [
        &["hit your", "limit"][..],
        &["reached your", "limit"],
        &["limit reached"],
        &["cap reached"],
        &["out of extra usage"],
        &["used your usage"],
        &["free usage exceeded"],
        &["rate limit"],
        &["rate_limit"],
        &["ratelimit"],
        &["too many requests"],
        &["quota", "exhausted"],
        &["quota", "exceeded"],
        &["quota will reset"],
        &["exhausted your capacity"],
        &["resource_exhausted"],
    ]
    .into_iter()
    .any(has)
}

/// When the limit ends, according to the text; `None` if it does not say.
pub fn until(text: &str, now: Stamp) -> Option<Stamp> {
    let lower = plain(text);
    let after = |mark: &str| lower.find(mark).map(|at| lower[at + mark.len()..].trim_start());
    if let Some(at) = lower.split('|').skip(1).find_map(|rest| epoch_of(rest.trim())) {
        return Some(at);
    }
    for mark in ["resets at", "resets on", "resets", "reset at", "try again at", "try again on", "available at"] {
        if let Some(at) = after(mark).and_then(|rest| moment(rest, now)) {
            return Some(at);
        }
    }
    for mark in ["resets in", "reset in", "reset after", "try again in", "retry in", "retry after", "available in"] {
        if let Some(span) = after(mark).and_then(span) {
            return Some(now.plus(span));
        }
    }
    None
}

/// The text without the time that it names: callers show the time once, in their own format.
pub fn without_time(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    // The time counts from any moment here: only whether there is one is asked.
    let names_one = |at: &usize| until(&text[*at..], Stamp::from_unix(0)).is_some();
    let marks = ["resets", "reset a", "reset i", "try again", "retry", "available", "|", "your quota will reset"];
    let found = marks.iter().flat_map(|mark| lower.match_indices(mark).map(|(at, _)| at)).filter(names_one).min();
    let said = found.map_or(text, |at| &text[..at]);
    let said = said.trim_end_matches(|c: char| c.is_whitespace() || "·|,;:(-".contains(c));
    let said = ["or please", "please", "or"].iter().fold(said, |said, word| {
        said.strip_suffix(word).filter(|rest| rest.ends_with(' ')).map_or(said, str::trim_end)
    });
    if said.is_empty() { text } else { said }
}

/// A time that is given as a number: seconds since 1970, or milliseconds.
pub fn epoch(number: u64) -> Option<Stamp> {
    let seconds = if number > 100_000_000_000 { number / 1000 } else { number };
    // A smaller number (before 2001) is not a time.
    (1_000_000_000..100_000_000_000).contains(&seconds).then(|| Stamp::from_unix(seconds.cast_signed()))
}

fn epoch_of(text: &str) -> Option<Stamp> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits < 10 { None } else { text[..digits].parse().ok().and_then(epoch) }
}

/// Lower case, and the apostrophe that keyboards have.
fn plain(text: &str) -> String {
    text.chars().take(4000).flat_map(char::to_lowercase).map(|c| if c == '\u{2019}' { '\'' } else { c }).collect()
}

/// `3:07am (utc)`, `8pm`, `14:30`, `oct 6, 1pm (utc)`, `oct 6th, 2026 1:05 pm`, an RFC 3339 time, an epoch.
fn moment(text: &str, now: Stamp) -> Option<Stamp> {
    let first = text.split_whitespace().next()?.trim_end_matches([',', '.', ')', ';']);
    if let Some(at) = Stamp::parse(&first.to_uppercase()).or_else(|| epoch_of(first)) {
        return Some(at);
    }
    match month_and_day(text) {
        Some((month, day, rest)) => dated(month, day, rest, now),
        None => clock(text).map(|time| next(time, now)),
    }
}

/// The next time that clocks show `time`, at most a day from now; now, if they showed it a moment ago: programs name the
/// minute, and end some time after they knew.
fn next(time: NaiveTime, now: Stamp) -> Stamp {
    let day = DAY.as_secs().cast_signed();
    let wanted = time.signed_duration_since(NaiveTime::MIN).num_seconds();
    let wait = (wanted - now.unix()).rem_euclid(day);
    if day - wait <= PASSED || wait == 0 { now } else { now.plus(Duration::from_secs(wait.unsigned_abs())) }
}

fn dated(month: u32, day: u32, rest: &str, now: Stamp) -> Option<Stamp> {
    let rest = rest.trim_start_matches([',', ' ']);
    let (year, rest) = match number(rest) {
        Some((year, after, 4)) => (Some(year.cast_signed()), after.trim_start_matches([',', ' '])),
        _ => (None, rest),
    };
    let time = clock(rest.strip_prefix("at ").unwrap_or(rest)).unwrap_or(NaiveTime::MIN);
    let this_year = NaiveDate::default().checked_add_signed(TimeDelta::seconds(now.unix()))?.year();
    let on = |year: i32| {
        let at = NaiveDate::from_ymd_opt(year, month, day)?.and_time(time).and_utc().timestamp();
        Some(Stamp::from_unix(at))
    };
    match year {
        Some(year) => on(year),
        // Without a year it is the next such day.
        None => on(this_year).filter(|at| now.unix() - at.unix() <= PASSED).or_else(|| on(this_year + 1)),
    }
    .filter(|at| at.since(now) <= LONGEST)
}

fn month_and_day(text: &str) -> Option<(u32, u32, &str)> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = MONTHS.iter().position(|month| text.starts_with(month))?;
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(['.', ' ']);
    let (day, rest, _) = number(rest)?;
    let rest = ["st", "nd", "rd", "th"].into_iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
    Some((month as u32 + 1, day, rest))
}

/// `3:07am`, `8 pm`, `14:30`; a bare number is not a time of day.
fn clock(text: &str) -> Option<NaiveTime> {
    let (hour, rest, _) = number(text)?;
    let (minute, rest) = match rest.strip_prefix(':').and_then(number) {
        Some((minute, rest, 2)) => (Some(minute), rest),
        _ => (None, rest),
    };
    let rest = rest.trim_start();
    let half = |mark: &str| [mark.to_owned(), format!("{}.m", &mark[..1])].iter().any(|mark| rest.starts_with(mark));
    let hour = match (half("am"), half("pm")) {
        (false, false) => minute.and(Some(hour))?,
        _ if !(1..=12).contains(&hour) => return None,
        (true, _) => hour % 12,
        (_, true) => hour % 12 + 12,
    };
    NaiveTime::from_hms_opt(hour, minute.unwrap_or(0), 0)
}

/// `2h13m`, `48m20.5s`, `3 days 4 hours`, `3600.5s`, `90`; a bare number is seconds.
fn span(text: &str) -> Option<Duration> {
    let (mut total, mut found, mut rest) = (0.0_f64, false, text);
    while let Some((amount, after)) = decimal(rest) {
        let after = after.trim_start();
        let unit = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let scale = match &after[..unit] {
            "ms" | "millisecond" | "milliseconds" => 0.001,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            _ => break,
        };
        total += amount * scale;
        found = true;
        rest = after[unit..].trim_start_matches([',', ' ']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    (found && total <= LONGEST.as_secs_f64()).then(|| Duration::from_secs(total.ceil() as u64))
}

fn decimal(text: &str) -> Option<(f64, &str)> {
    let (_, rest, _) = number(text)?;
    let rest = match rest.strip_prefix('.').and_then(number) {
        Some((_, rest, _)) => rest,
        None => rest,
    };
    let amount = text[..text.len() - rest.len()].parse().ok()?;
    Some((amount, rest))
}

/// A whole number at the beginning, what follows it, and how many digits it has.
fn number(text: &str) -> Option<(u32, &str, usize)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((text[..digits].parse().ok()?, &text[digits..], digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<String> {
        until(text, Stamp::parse("2026-11-21T02:00:00Z").unwrap()).map(|at| at.to_string())
    }

    #[test]
    fn the_time_that_is_named_is_found() {
        for (text, wanted) in [
            ("You've hit your session limit · resets 3:07am (UTC)", "2026-11-21T03:07:00Z"),
            // A moment ago: it is over. Longer ago: tomorrow's.
            ("You've hit your 5-hour limit · resets 1:59am (UTC)", "2026-11-21T02:00:00Z"),
            ("You've hit your 5-hour limit · resets 1:30am (UTC)", "2026-11-22T01:30:00Z"),
            ("You've hit your limit · resets 8pm (Europe/Berlin)", "2026-11-21T20:00:00Z"),
            ("You've hit your weekly limit · resets Nov 24, 1pm (UTC)", "2026-11-24T13:00:00Z"),
            ("You've hit your weekly limit · resets Dec 20th at 11:30 p.m.", "2026-12-20T23:30:00Z"),
            ("You’ve hit your usage limit. Visit https://x/pro or try again at 2:57 AM.", "2026-11-21T02:57:00Z"),
            ("You've hit your usage limit. Try again at Nov 25th, 2026 2:57 AM.", "2026-11-25T02:57:00Z"),
            ("usage limit; try again in 3 days 4 hours 5 minutes.", "2026-11-24T06:05:00Z"),
            ("Your quota will reset after 42h1m20s.", "2026-11-22T20:01:20Z"),
            ("Your quota will reset after 48m20.2s.", "2026-11-21T02:48:21Z"),
            ("Please retry in 3600.5s.", "2026-11-21T03:00:01Z"),
            ("limit reached|1795229980", "2026-11-21T02:59:40Z"),
            ("quota: try again at 2026-11-21T09:00:00Z", "2026-11-21T09:00:00Z"),
            ("limit resets at 14:30", "2026-11-21T14:30:00Z"),
            ("limit resets 12am", "2026-11-22T00:00:00Z"),
            ("limit resets 12pm", "2026-11-21T12:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn limit_reasons_contain_no_time() {
        for (text, wanted) in [
            ("You've hit your session limit · resets 3:07am (UTC)", "You've hit your session limit"),
            ("Claude AI usage limit reached|1795229980", "Claude AI usage limit reached"),
            (
                "You’ve hit your usage limit. Visit https://x/pro or try again at 2:57 AM.",
                "You’ve hit your usage limit. Visit https://x/pro",
            ),
            ("You exceeded your quota. Please retry in 3600.5s.", "You exceeded your quota. Please"),
            ("the service is overloaded, try again later", "the service is overloaded, try again later"),
            ("resets 3:07am", "resets 3:07am"),
            ("", ""),
        ] {
            assert_eq!(without_time(text), wanted, "{text}");
        }
    }

    #[test]
    fn no_time_is_read_from_text_without_one() {
        for text in [
            "",
            "rate limit, try again later",
            "resets soon",
            "resets 25:99",
            "resets 13pm",
            "resets Feb 31, 1pm",
            "try again in a while",
            "resets 5",
            "try again at 7",
            "limit|12",
            "resets Nov 24, 2031 1pm",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn limits_are_told_from_other_errors() {
        for text in [
            "You’ve hit your usage limit.",
            "Claude AI usage limit reached|1795229980",
            "This request would exceed your account's rate limit.",
            "You have exhausted your daily quota on this model.",
            "last status: 429 Too Many Requests",
        ] {
            assert!(mentions_limit(text), "{text}");
        }
        for text in ["the limit of turns is 3", "stream disconnected", "hit a wall", ""] {
            assert!(!mentions_limit(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_of_day_lies_within_the_next_day(hour in 0_u32..24, minute in 0_u32..60, seconds in 0_i64..4_000_000_000) {
            let now = Stamp::from_unix(seconds);
            for text in [
                format!("resets {hour}:{minute:02}"),
                format!("resets {}:{minute:02}{} (UTC)", (hour + 11) % 12 + 1, if hour < 12 { "am" } else { "pm" }),
            ] {
                let until = until(&text, now).unwrap();
                prop_assert!(until >= now && until.since(now) <= DAY);
                let shown = format!("T{hour:02}:{minute:02}:00Z");
                let passed = (0..=PASSED).any(|ago| Stamp::from_unix(seconds - ago).to_string().contains(&shown));
                let is_over = passed && until == now;
                prop_assert!(is_over || until.to_string().contains(&shown), "{text}: {until}");
            }
        }

        #[test]
        fn any_text_is_accepted(text in "(resets|try again (at|in)|reset after|\\|)? ?\\PC{0,40}", seconds in 0_i64..4_000_000_000) {
            let _ = (until(&text, Stamp::from_unix(seconds)), mentions_limit(&text), without_time(&text));
        }

        #[test]
        fn spans_are_read_back(days in 0_u64..30, hours in 0_u64..24, minutes in 0_u64..60, seconds in 1_u64..60) {
            let now = Stamp::from_unix(1_800_000_000);
            let span = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
            for text in [
                format!("quota will reset after {days}d{hours}h{minutes}m{seconds}s"),
                format!("try again in {days} days, {hours} hours, {minutes} minutes and {seconds} seconds."),
                format!("retry in {span}s"),
            ] {
                prop_assert_eq!(until(&text, now), Some(now.plus(Duration::from_secs(span))), "{}", text);
            }
        }
    }
}
