//! Time as the record writes it: UTC, whole seconds, `YYYY-MM-DDTHH:MM:SSZ`.
//!
//! The one place that asks the machine for the time. Everything else is given a [`Clock`] or a
//! [`Stamp`].

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SubsecRound, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Refusal, Result, env};

/// How far in the future a time may be and still count.
pub const SKEW: Duration = Duration::from_secs(300);

/// A moment in UTC with second precision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(DateTime<Utc>);

impl Stamp {
    /// From seconds since 1970-01-01T00:00:00Z; out-of-range values saturate.
    pub fn from_unix(seconds: i64) -> Self {
        Self(DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.0.timestamp()
    }

    /// Reads RFC 3339 with any offset and fraction, and the compact form `20251019T130854Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(at) = canonical(text.as_bytes()) {
            return Some(Self(at.and_utc()));
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(at.with_timezone(&Utc).trunc_subsecs(0)));
        }
        NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok().map(|at| Self(at.and_utc()))
    }

    /// `20251019T130854Z`, for file names.
    pub fn compact(self) -> String {
        self.0.format("%Y%m%dT%H%M%SZ").to_string()
    }

    /// `2025-10-19`.
    pub fn date(self) -> String {
        self.0.format("%Y-%m-%d").to_string()
    }

    /// The ISO week: `2025-W42`.
    pub fn week(self) -> String {
        self.0.format("%G-W%V").to_string()
    }

    /// How long ago `earlier` was; zero when it is in the future.
    pub fn since(self, earlier: Stamp) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or_default()
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let delta = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        Self(self.0.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let delta = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        Self(self.0.checked_sub_signed(delta).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }
}

/// Parses teof's own format without a general parser, because logs contain millions of times.
fn canonical(text: &[u8]) -> Option<NaiveDateTime> {
    if text.len() != 20 || !text.iter().zip(b"0000-00-00T00:00:00Z").all(fits) {
        return None;
    }
    let number = |at: usize, digits: usize| text[at..at + digits].iter().fold(0, |n, d| n * 10 + u32::from(d - b'0'));
    let date = NaiveDate::from_ymd_opt(number(0, 4) as i32, number(5, 2), number(8, 2))?;
    date.and_hms_opt(number(11, 2), number(14, 2), number(17, 2))
}

fn fits((found, wanted): (&u8, &u8)) -> bool {
    if *wanted == b'0' { found.is_ascii_digit() } else { found == wanted }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match canonical_text(&self.0) {
            Some(text) => f.pad(std::str::from_utf8(&text).unwrap_or_default()),
            None => self.0.format("%Y-%m-%dT%H:%M:%SZ").fmt(f),
        }
    }
}

/// The digits written directly: files hold thousands of times, and reading a format for each takes most of their
/// writing. `None` for leap seconds and for years that need more than four digits.
fn canonical_text(at: &DateTime<Utc>) -> Option<[u8; 20]> {
    let year = u32::try_from(at.year()).ok().filter(|year| *year <= 9999)?;
    if at.nanosecond() >= 1_000_000_000 {
        return None;
    }
    let mut text = *b"0000-00-00T00:00:00Z";
    let pairs = [year / 100, year % 100, at.month(), at.day(), at.hour(), at.minute(), at.second()];
    for (place, pair) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(pairs) {
        (text[place], text[place + 1]) = (b'0' + (pair / 10) as u8, b'0' + (pair % 10) as u8);
    }
    Some(text)
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Stamp::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a UTC time")))
    }
}

/// The source of time: the machine, or a fixed moment for tests and replays.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    Machine,
    Fixed(Stamp),
}

impl Clock {
    /// The machine's clock, unless [`env::NOW`] fixes it.
    pub fn from_env() -> Result<Self> {
        match env::var(env::NOW) {
            None => Ok(Clock::Machine),
            Some(text) => Stamp::parse(&text).map(Clock::Fixed).ok_or_else(|| {
                Refusal::usage("time.invalid", format!("{}={text:?} is not a UTC time", env::NOW))
                    .next("write it as 2026-01-05T10:00:00Z")
                    .into()
            }),
        }
    }

    pub fn now(self) -> Stamp {
        Stamp(self.exact().trunc_subsecs(0))
    }

    /// Nanoseconds since 1970, to be compared with the times of files.
    pub fn nanoseconds(self) -> i128 {
        let now = self.exact();
        i128::from(now.timestamp()) * 1_000_000_000 + i128::from(now.timestamp_subsec_nanos())
    }

    fn exact(self) -> DateTime<Utc> {
        match self {
            #[allow(clippy::disallowed_methods)] // The one reader of the machine's clock.
            Clock::Machine => Utc::now(),
            Clock::Fixed(at) => at.0,
        }
    }
}

/// Reads a span of time: a whole number and a unit, `90s`, `30m`, `4h`, `7d`; a bare number is seconds.
/// Crates also read `1month` or `2h 5`, where a typo in a time limit should be refused.
pub fn parse_span(text: &str) -> Result<Duration> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let scale = match text[digits..].trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    match text[..digits].parse::<u64>() {
        Ok(n) if scale > 0 => Ok(Duration::from_secs(n.saturating_mul(scale))),
        _ => Err(Refusal::usage("span.invalid", format!("{text:?} is not a duration"))
            .next("write a whole number and a unit: 90s, 30m, 4h or 7d")
            .into()),
    }
}

/// A span for people, to the minute: `5 h 1 min`.
pub fn rounded(span: Duration) -> String {
    let minutes = span.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// A time span in its two largest units: `45s`, `12m 05s`, `1h 12m`, `3d 4h`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// The shortest exact spelling that [`parse_span`] reads back.
pub fn show_span(span: Duration) -> String {
    let seconds = span.as_secs();
    for (scale, unit) in [(86_400, "d"), (3600, "h"), (60, "m")] {
        if seconds >= scale && seconds.is_multiple_of(scale) {
            return format!("{}{unit}", seconds / scale);
        }
    }
    format!("{seconds}s")
}

/// How a JSON Schema shows a stamp.
impl schemars::JsonSchema for Stamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Stamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

/// How a JSON Schema shows a duration of the settings: `30s`, `4h`.
#[derive(Debug)]
pub struct Span;

impl schemars::JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "examples": ["30s", "10m", "4h"]})
    }
}

/// For serde: a span written as text, `#[serde(with = "crate::base::time::span")]`.
pub mod span {
    use super::*;

    pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&show_span(*span))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse_span(&text).map_err(serde::de::Error::custom)
    }

    /// A span that may be left out.
    pub mod option {
        use super::*;

        pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
            match span {
                Some(span) => to.serialize_str(&show_span(*span)),
                None => to.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
            let text = String::deserialize(from)?;
            parse_span(&text).map(Some).map_err(serde::de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_written_as_it_was_read() {
        let at = Stamp::parse("2025-10-19T13:08:54Z").unwrap();
        assert_eq!(at.to_string(), "2025-10-19T13:08:54Z");
        assert_eq!(at.compact(), "20251019T130854Z");
        assert_eq!(Stamp::parse("20251019T130854Z"), Some(at));
        assert_eq!(Stamp::parse(" 2025-10-19T13:08:54Z\n"), Some(at));
        for bad in ["2025-13-19T13:08:54Z", "2025-02-30T13:08:54Z", "2025-10-19T24:00:00Z", "x"] {
            assert_eq!(Stamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_stamp_is_written_as_its_format_says() {
        let format = |at: Stamp| at.0.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let odd = [i64::MIN, -62_167_219_201, -1, 0, 253_402_300_799, 253_402_300_800, i64::MAX];
        let many = (0..2000).map(|n| n * 126_700_123 - 62_167_219_200);
        for at in odd.into_iter().chain(many).map(Stamp::from_unix) {
            assert_eq!(at.to_string(), format(at));
        }
        let leap = Stamp::parse("2016-12-31T23:59:60Z").unwrap();
        assert_eq!((leap.to_string(), format!("{leap:>22}")), (format(leap), format!("  {}", format(leap))));
    }

    #[test]
    fn offsets_and_fractions_are_folded_into_utc_seconds() {
        let at = Stamp::parse("2025-09-26T22:20:13.641244+00:00").unwrap();
        assert_eq!(at.to_string(), "2025-09-26T22:20:13Z");
        let east = Stamp::parse("2025-09-27T00:20:13+02:00").unwrap();
        assert_eq!(east, at);
    }

    #[test]
    fn spans_have_two_units() {
        let shown = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([45, 725, 4320, 3 * 86_400 + 4 * 3600 + 59].map(shown), ["45s", "12m 05s", "1h 12m", "3d 4h"]);
    }

    #[test]
    fn spans_read_back_what_they_show() {
        for text in ["90s", "30m", "4h", "7d", "0s"] {
            assert_eq!(show_span(parse_span(text).unwrap()), text);
        }
        assert!(parse_span("soon").is_err());
        assert!(parse_span("4 fortnights").is_err());
        assert!(parse_span("-1s").is_err());
    }
}
