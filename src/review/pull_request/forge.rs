//! What a pull request's checks and reviewers say, read through `gh`.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::gh;
use crate::base::{Result, text};
use crate::hub::Hub;

/// How many characters of a failed check's log are kept, from its end.
const LOG: usize = 3000;

/// The state of an open pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The commit that checks and comments are about.
    pub head: String,
    /// The account that opened it.
    pub author: String,
    pub checks: Vec<Check>,
    pub comments: Vec<Comment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    Passed,
    Failed,
}

/// A check of the newest commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub state: State,
    pub url: String,
}

/// A review with text, or a comment on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Unique in the pull request.
    pub id: String,
    pub login: String,
    pub path: Option<String>,
    pub line: Option<u64>,
    pub body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    #[serde(default)]
    head_ref_oid: String,
    author: Option<gh::Login>,
    #[serde(default)]
    status_check_rollup: Vec<Rollup>,
    #[serde(default)]
    reviews: Vec<Review>,
}

/// A check run, or a commit status.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Rollup {
    name: String,
    workflow_name: String,
    status: String,
    conclusion: String,
    details_url: String,
    context: String,
    state: String,
    started_at: String,
    target_url: String,
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    id: Value,
    author: Option<gh::Login>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    body: String,
}

#[derive(Deserialize)]
struct OnLine {
    id: Value,
    user: Option<gh::Login>,
    path: Option<String>,
    line: Option<u64>,
    original_line: Option<u64>,
    #[serde(default)]
    body: String,
}

/// Reads checks and reviews; with `comments` also the comments on lines.
///
/// # Errors
/// `remote.*`, with gh's output.
pub fn read(hub: &Hub, number: u64, comments: bool) -> Result<Said> {
    let fields = "author,headRefOid,reviews,statusCheckRollup";
    let view: View = gh::document(&gh::call(hub, &["pr", "view", &number.to_string(), "--json", fields])?)?;
    let mut said = Said {
        head: view.head_ref_oid,
        author: view.author.map(|author| author.login).unwrap_or_default(),
        checks: newest(&view.status_check_rollup).into_iter().map(check).collect(),
        comments: Vec::new(),
    };
    if !comments {
        return Ok(said);
    }
    let asks = |review: &&Review| ["CHANGES_REQUESTED", "COMMENTED"].contains(&review.state.as_str());
    said.comments = view.reviews.iter().filter(asks).filter_map(review).collect();
    // One page: the newest, or the comments on a long discussion's last commits would not be seen.
    let page = "per_page=100&sort=created&direction=desc";
    let on_lines: Vec<OnLine> = gh::document(&gh::api(hub, &format!("pulls/{number}/comments?{page}"))?)?;
    said.comments.extend(on_lines.into_iter().rev().filter_map(on_line));
    Ok(said)
}

/// Without earlier attempts: a check that was run again is listed once for each.
fn newest(rollups: &[Rollup]) -> Vec<&Rollup> {
    let is_repeated = |at: usize, one: &Rollup| {
        // Times of GitHub compare as text. Of two at the same time the later in the list counts.
        let later = |(other, rollup): (usize, &Rollup)| (&rollup.started_at, other) > (&one.started_at, at);
        rollups.iter().enumerate().any(|other| name(other.1) == name(one) && later(other))
    };
    rollups.iter().enumerate().filter(|(at, one)| !is_repeated(*at, one)).map(|(_, one)| one).collect()
}

fn name(rollup: &Rollup) -> String {
    match (rollup.name.as_str(), rollup.workflow_name.as_str()) {
        ("", _) => rollup.context.clone(),
        (name, "") => name.to_owned(),
        (name, workflow) => format!("{workflow} / {name}"),
    }
}

fn check(rollup: &Rollup) -> Check {
    let said = [&rollup.conclusion, &rollup.state].into_iter().find(|word| !word.is_empty());
    let state = match said.map(String::as_str) {
        Some("FAILURE" | "ERROR" | "TIMED_OUT" | "STARTUP_FAILURE") => State::Failed,
        Some("PENDING" | "EXPECTED") => State::Running,
        Some(_) => State::Passed,
        None if rollup.status == "COMPLETED" => State::Passed,
        None => State::Running,
    };
    let url = if rollup.details_url.is_empty() { &rollup.target_url } else { &rollup.details_url };
    Check { name: name(rollup), state, url: url.clone() }
}

fn review(review: &Review) -> Option<Comment> {
    let login = review.author.as_ref()?.login.clone();
    let id = format!("review:{}", id_of(&review.id)?);
    (!review.body.trim().is_empty()).then(|| Comment { id, login, path: None, line: None, body: review.body.clone() })
}

fn on_line(found: OnLine) -> Option<Comment> {
    let id = format!("comment:{}", id_of(&found.id)?);
    let login = found.user?.login;
    let line = found.line.or(found.original_line);
    (!found.body.trim().is_empty()).then_some(Comment { id, login, path: found.path, line, body: found.body })
}

fn id_of(value: &Value) -> Option<String> {
    let id = value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()))?;
    Some(text::clip(&text::safe(&id), 100))
}

/// The end of a failed check's log, if it is a job of GitHub Actions.
pub fn log(hub: &Hub, check: &Check) -> Option<String> {
    let job = check.url.rsplit_once("/job/")?.1.split(['?', '#', '/']).next()?;
    if job.is_empty() || !job.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(end_of_log(&gh::call_for_end(hub, &["run", "view", "--job", job, "--log-failed"]).ok()?))
}

/// Without the names of job and step, with which gh begins each line.
fn end_of_log(printed: &str) -> String {
    let lines = printed.lines().map(|line| line.splitn(3, '\t').nth(2).unwrap_or(line));
    let whole = lines.collect::<Vec<_>>().join("\n");
    let skipped = whole.chars().count().saturating_sub(LOG);
    text::safe_block(&whole.chars().skip(skipped).collect::<String>())
}

/// Who may write to the repository; each account is asked once.
#[derive(Default)]
pub struct Writers(HashMap<String, bool>);

impl Writers {
    /// Whether an account may write. One that cannot be asked about may not.
    pub fn has(&mut self, hub: &Hub, login: &str) -> bool {
        if let Some(known) = self.0.get(login) {
            return *known;
        }
        let may =
            is_login(login) && permission(hub, login).is_some_and(|may| ["admin", "write"].contains(&may.as_str()));
        self.0.insert(login.to_owned(), may);
        may
    }
}

/// Whether it can be part of an address: a bot's or an enterprise's account has more than letters, digits and dashes.
fn is_login(login: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !login.is_empty() && login.len() <= 80 && login.bytes().all(fits)
}

fn permission(hub: &Hub, login: &str) -> Option<String> {
    let printed = gh::api(hub, &format!("collaborators/{login}/permission")).ok()?;
    let found: Value = serde_json::from_str(&printed).ok()?;
    found["permission"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn checks_of_both_kinds_are_read() {
        let of = |value: Value| check(&serde_json::from_value(value).unwrap());
        let run = of(json!({"name": "build", "workflowName": "ci", "status": "COMPLETED", "conclusion": "FAILURE",
            "detailsUrl": "https://x/actions/runs/1/job/2"}));
        assert_eq!((run.name.as_str(), run.state), ("ci / build", State::Failed));
        let going = of(json!({"name": "build", "status": "IN_PROGRESS", "conclusion": ""}));
        assert_eq!(going.state, State::Running);
        for (state, is) in [("PENDING", State::Running), ("ERROR", State::Failed), ("SUCCESS", State::Passed)] {
            assert_eq!(of(json!({"context": "lint", "state": state})).state, is);
        }
    }

    #[test]
    fn of_a_check_that_was_run_again_the_last_attempt_counts() {
        let run = |name: &str, at: &str, conclusion: &str| {
            serde_json::from_value(json!({"name": name, "workflowName": "ci", "status": "COMPLETED",
                "conclusion": conclusion, "startedAt": at}))
            .unwrap()
        };
        let all: Vec<Rollup> = vec![
            run("build", "2026-01-05T11:00:00Z", "SUCCESS"),
            run("build", "2026-01-05T10:00:00Z", "FAILURE"),
            run("lint", "2026-01-05T10:00:00Z", "FAILURE"),
            run("lint", "", "SUCCESS"),
        ];
        let states: Vec<_> = newest(&all).into_iter().map(|one| (check(one).name, check(one).state)).collect();
        assert_eq!(states, [("ci / build".to_owned(), State::Passed), ("ci / lint".to_owned(), State::Failed)]);
    }

    #[test]
    fn the_end_of_a_log_has_every_tab_of_its_text() {
        let log = "build\ttest\t2026-01-05T10:00:00Z \tat Parser.read\tline 3\nno columns\n";
        assert_eq!(end_of_log(log), "2026-01-05T10:00:00Z \tat Parser.read\tline 3\nno columns");
        let long = end_of_log(&"build\ttest\t\u{1b}[31mword\n".repeat(10_000));
        assert!(long.chars().count() == LOG && !long.contains('\u{1b}'), "{long}");
    }

    #[test]
    fn only_a_plain_login_becomes_part_of_an_address() {
        assert!(is_login("ann-1") && is_login("ann_corp"));
        for login in ["", "../x", "a/b", "github-actions[bot]", "a?b"] {
            assert!(!is_login(login), "{login}");
        }
    }
}
