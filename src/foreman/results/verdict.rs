//! Reads the verdict and the confidence in an answer. Pure.

use serde_json::{Map, Value};

use crate::model::run::stage::{REVIEWER, TESTER};

/// The two values of a role's verdict: pass and fail.
pub fn words(role: &str) -> Option<(&'static str, &'static str)> {
    match role {
        TESTER => Some(("pass", "fail")),
        REVIEWER => Some(("approve", "reject")),
        _ => None,
    }
}

/// What is wrong with an answer that has no verdict of its role.
pub fn missing((yes, no): (&str, &str)) -> String {
    format!("\"verdict\" must be {yes:?} or {no:?}")
}

/// Whether an answer passes the work, by the words of its role for pass and fail; also `APPROVE` and `approved`.
pub fn passes(object: &Map<String, Value>, (yes, no): (&str, &str)) -> Option<bool> {
    let said = object.get("verdict")?.as_str()?.trim().to_lowercase();
    let is = |word: &str| said.strip_prefix(word).is_some_and(|rest| ["", "d", "ed"].contains(&rest));
    match (is(yes), is(no)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// A confidence in percent: `95`, `"95 %"`, `0.95`. `1.0` may be of one or of a hundred, so it is none.
pub fn percent(value: &Value) -> Option<u8> {
    let said = match value {
        Value::Number(number) => number.to_string(),
        Value::String(said) => said.trim().to_owned(),
        _ => return None,
    };
    let number = said.strip_suffix('%').map(str::trim_end);
    let is_percent = number.is_some() || said.parse::<u64>().is_ok();
    let number = number.unwrap_or(&said).parse::<f64>().ok()?;
    let percent = match number {
        _ if is_percent || number > 1.0 => number,
        _ if number < 1.0 => number * 100.0,
        _ => return None,
    };
    (0.0..=100.0).contains(&percent).then(|| percent.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_and_a_confidence_are_read_generously() {
        let read = |verdict: &str, confidence: &str| {
            let said = format!("{{\"verdict\": {verdict}, \"confidence\": {confidence}}}");
            let object: Map<String, Value> = serde_json::from_str(&said).unwrap();
            passes(&object, ("approve", "reject")).zip(percent(&object["confidence"]))
        };
        for (verdict, passed) in
            [("\"APPROVE\"", true), ("\" Approved \"", true), ("\"Reject\"", false), ("\"REJECTED\"", false)]
        {
            assert_eq!(read(verdict, "95"), Some((passed, 95)), "{verdict}");
        }
        for verdict in
            ["\"approve?\"", "\"not approved\"", "\"disapprove\"", "\"approve/reject\"", "\"pass\"", "true", "\"\""]
        {
            assert_eq!(read(verdict, "95"), None, "{verdict}");
        }
        for (confidence, percent) in [
            ("0.95", 95),
            ("\"95\"", 95),
            ("\"95 %\"", 95),
            ("\"0.9\"", 90),
            ("95.0", 95),
            ("1", 1),
            ("0", 0),
            ("0.0", 0),
            ("100", 100),
        ] {
            assert_eq!(read("\"approve\"", confidence), Some((true, percent)), "{confidence}");
        }
        for confidence in ["1.0", "101", "-1", "-0.5", "100.5", "\"high\"", "\"NaN\"", "\"\"", "null", "[95]"] {
            assert_eq!(read("\"approve\"", confidence), None, "{confidence}");
        }
    }
}
