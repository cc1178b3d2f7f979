//! The moment that `--since` names: a span back from now, a day, a time of today, or a time of the record.

use chrono::{DateTime, Days, Local, NaiveDate, NaiveTime, TimeZone};

use crate::base::{Refusal, Result, Stamp, time};

/// `24h` and `30m` count back from now; `yesterday`, `today` and `2026-01-05` are the start of that local day; `08:30`
/// is the last time that a local clock showed it; `2026-01-05T08:00:00Z` is that moment.
///
/// # Errors
/// `since.invalid` (exit 2).
pub fn since(text: &str, now: Stamp) -> Result<Stamp> {
    let text = text.trim();
    // A number alone would be seconds, which nobody means.
    let span = || text.ends_with(char::is_alphabetic).then(|| time::parse_span(text).ok()).flatten();
    let found = Stamp::parse(text).or_else(|| span().map(|span| now.minus(span))).or_else(|| local(text, now));
    found.ok_or_else(|| {
        Refusal::usage("since.invalid", format!("{text:?} is not a time"))
            .next("name a span, a day or a time: --since 24h, yesterday, 2026-01-05, 08:30 or 2026-01-05T08:30:00Z")
            .into()
    })
}

/// A day, or a time of the last 24 hours, by the clock of this machine; its time zone is read only for these.
fn local(text: &str, now: Stamp) -> Option<Stamp> {
    let local = DateTime::from_timestamp(now.unix(), 0).unwrap_or_default().with_timezone(&Local);
    let today = local.date_naive();
    match text {
        "today" => midnight(today),
        "yesterday" => today.checked_sub_days(Days::new(1)).and_then(midnight),
        day => NaiveDate::parse_from_str(day, "%Y-%m-%d").ok().and_then(midnight).or_else(|| clock(text, &local)),
    }
}

fn midnight(day: NaiveDate) -> Option<Stamp> {
    at(day, NaiveTime::MIN)
}

fn clock(text: &str, local: &DateTime<Local>) -> Option<Stamp> {
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    let day = local.date_naive();
    let is_past = time <= local.time();
    at(if is_past { day } else { day.checked_sub_days(Days::new(1))? }, time)
}

/// Where clocks are set forward the time may not exist on that day; then the first one after it is meant.
fn at(day: NaiveDate, time: NaiveTime) -> Option<Stamp> {
    let wanted = day.and_time(time);
    let hour = chrono::TimeDelta::hours(1);
    let found = Local
        .from_local_datetime(&wanted)
        .earliest()
        .or_else(|| Local.from_local_datetime(&(wanted + hour)).earliest());
    found.map(|found| Stamp::from_unix(found.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_spans_days_and_times_and_refuses_the_rest() {
        let now = Stamp::parse("2026-01-05T12:00:00Z").unwrap();
        let of = |text: &str| since(text, now).ok();
        assert_eq!(of("24h"), Stamp::parse("2026-01-04T12:00:00Z"));
        assert_eq!(of("30m"), Stamp::parse("2026-01-05T11:30:00Z"));
        assert_eq!(of("2026-01-04T08:00:00Z"), Stamp::parse("2026-01-04T08:00:00Z"));
        let (today, yesterday) = (of("today").unwrap(), of("yesterday").unwrap());
        assert!(yesterday < today && today <= now && now.since(today).as_secs() < 26 * 3600);
        assert_eq!(of("2026-01-04").map(|at| now.since(at) < std::time::Duration::from_secs(63 * 3600)), Some(true));
        assert!(of("11:59").is_some_and(|at| at < now && now.since(at).as_secs() <= 24 * 3600));
        for wrong in ["", "soon", "24", "25:00", "2026-13-01", "-1h"] {
            assert!(of(wrong).is_none(), "{wrong}");
        }
    }
}
