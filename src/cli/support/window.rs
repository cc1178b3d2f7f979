//! Windows of time in flags: a number in the flag's own unit, or a span such as `90m`; 0 turns a window off.

use std::time::Duration;

use crate::base::time;

/// A window; `None`: off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub Option<Duration>);

/// For clap: minutes, or a span.
pub fn minutes(text: &str) -> Result<Window, String> {
    window(text, 60.0, "minutes")
}

/// For clap: hours, or a span.
pub fn hours(text: &str) -> Result<Window, String> {
    window(text, 3600.0, "hours")
}

fn window(text: &str, seconds: f64, unit: &str) -> Result<Window, String> {
    let wrong = || format!("write a number of {unit}, 0 or more, or a span such as 90m");
    let span = match text.trim().parse::<f64>() {
        Ok(number) => Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?,
        Err(_) => time::parse_span(text).map_err(|_| wrong())?,
    };
    Ok(Window(Some(span).filter(|span| !span.is_zero())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_number_of_its_unit_or_a_span_and_0_is_off() {
        let seconds = |found: Result<Window, String>| found.ok().map(|window| window.0.map(|span| span.as_secs()));
        assert_eq!(seconds(minutes("30")), Some(Some(1800)));
        assert_eq!(seconds(hours("1.5")), Some(Some(5400)));
        assert_eq!(seconds(hours("90m")), Some(Some(5400)));
        for off in ["0", "0.0", "0m"] {
            assert_eq!(seconds(minutes(off)), Some(None), "{off}");
        }
        for wrong in ["-1", "soon", "", "1e300", "NaN", "inf"] {
            assert_eq!(seconds(minutes(wrong)), None, "{wrong}");
        }
    }
}
