//! One scale of urgency for all sources of work: a rank, smaller is more urgent.
//!
//! | written as                          | rank            |
//! |-------------------------------------|-----------------|
//! | `critical`, `urgent`                | 0               |
//! | `high`                              | 1               |
//! | `medium`, `normal`                  | 3               |
//! | `low`                               | 5               |
//! | a number n (`2`, `"2"`, `P2`)       | n, at least 0   |
//! | nothing, or anything else           | 3, as `medium`  |
//!
//! Plans carry numbers where 1 is the most urgent that people write (the playbook's planner: sorted
//! by priority, ascending); the backlog carries words; feature requests carry either.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// Sorts from the most to the least urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, schemars::JsonSchema)]
#[serde(from = "Value")]
#[schemars(with = "String")]
pub struct Priority(u32);

impl Priority {
    pub const HIGH: Priority = Priority(1);
    pub const MEDIUM: Priority = Priority(3);
    pub const LOW: Priority = Priority(5);

    /// The rank of a field as found; `None` and everything unreadable is medium.
    pub fn of(field: Option<&Value>) -> Priority {
        match field {
            Some(Value::Number(number)) => Self::number(number.as_f64().unwrap_or_default()),
            Some(Value::String(text)) => Self::text(text),
            _ => Self::MEDIUM,
        }
    }

    pub fn text(text: &str) -> Priority {
        Self::named(text).unwrap_or(Self::MEDIUM)
    }

    /// `None` for what is on no line of the table but the last.
    pub fn named(text: &str) -> Option<Priority> {
        let text = text.trim().to_ascii_lowercase();
        match text.as_str() {
            "critical" | "urgent" => Some(Priority(0)),
            "high" => Some(Self::HIGH),
            "medium" | "normal" => Some(Self::MEDIUM),
            "low" => Some(Self::LOW),
            other => other.strip_prefix('p').unwrap_or(other).parse().ok().map(Self::number),
        }
    }

    /// For people, on one scale wherever it comes from; other ranks lie between these words.
    pub fn word(self) -> &'static str {
        match self.0 {
            0 => "urgent",
            1 => "high",
            2..=4 => "medium",
            _ => "low",
        }
    }

    pub fn rank(self) -> u32 {
        self.0
    }

    /// Fractions are cut; a float cast saturates, so negative numbers are 0.
    fn number(n: f64) -> Priority {
        Priority(n as u32)
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::MEDIUM
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Priority(0) => f.pad("urgent"),
            Self::HIGH => f.pad("high"),
            Self::MEDIUM => f.pad("medium"),
            Self::LOW => f.pad("low"),
            Priority(rank) => f.pad(&rank.to_string()),
        }
    }
}

impl From<Value> for Priority {
    fn from(field: Value) -> Priority {
        Priority::of(Some(&field))
    }
}

/// As it is shown: decision logs are read by people.
impl serde::Serialize for Priority {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_and_numbers_share_one_scale() {
        let rank = |value: Value| Priority::of(Some(&value)).rank();
        let written =
            [json!("critical"), json!("High "), json!(2), json!("P2"), json!("medium"), json!("low"), json!(9)];
        assert_eq!(written.map(rank), [0, 1, 2, 2, 3, 5, 9]);
        for rank in [0, 1, 2, 3, 5, 9] {
            let written = serde_json::to_value(Priority(rank)).unwrap();
            assert_eq!(serde_json::from_value::<Priority>(written).unwrap(), Priority(rank));
        }
        for odd in [json!(null), json!("soon"), json!([]), json!("")] {
            assert_eq!(rank(odd), 3);
        }
        assert_eq!((rank(json!(-4)), rank(json!(1e30)), Priority::of(None).rank()), (0, u32::MAX, 3));
    }
}
