//! Maps a request in plain words to a routine, like the playbook's companion: the first substring match decides.

/// What a person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routine {
    Help,
    Daily,
    Scan,
    Status,
    Tasks,
    /// The playbook scored a brief here; teof has no such routine.
    Brief,
}

/// In this order (the playbook: foreman), so "check the status" is a scan.
const ROUTES: [(Routine, &[&str]); 6] = [
    (Routine::Help, &["help"]),
    (Routine::Daily, &["daily", "routine", "cycle"]),
    (Routine::Scan, &["scan", "alignment", "check"]),
    (Routine::Status, &["status", "snapshot", "state"]),
    (Routine::Tasks, &["task", "todo", "next"]),
    (Routine::Brief, &["brief", "score", "ensemble"]),
];

/// The routine that the words ask for, case-insensitive.
pub fn route(words: &str) -> Option<Routine> {
    let words = words.to_lowercase();
    ROUTES.iter().find(|(_, keys)| keys.iter().any(|key| words.contains(key))).map(|(routine, _)| *routine)
}

pub const HELP: &str = "\
Describe what you want:
  status, snapshot, state      state of the repository and its record
  scan, alignment, check       sentinel findings in the record
  tasks, todo, next            open work and who does it
  daily, routine, cycle        status, scan and tasks, one after the other
teof runs the first routine that your words match, in the order daily, scan, status, tasks.
To run a work order: teof foreman run <order> [--execute]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_in_the_playbooks_order_decides() {
        for (words, routine) in [
            ("show the status", Some(Routine::Status)),
            ("check the status", Some(Routine::Scan)),
            ("run the alignment scan", Some(Routine::Scan)),
            ("list today\u{2019}s tasks", Some(Routine::Tasks)),
            ("What's NEXT?", Some(Routine::Tasks)),
            ("the daily status", Some(Routine::Daily)),
            ("help me with tasks", Some(Routine::Help)),
            ("score this", Some(Routine::Brief)),
            ("sing", None),
            ("", None),
        ] {
            assert_eq!(route(words), routine, "{words}");
        }
    }
}
