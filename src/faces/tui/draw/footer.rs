//! The two lines at the bottom: what is asked, said or done, and the keys that work now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Clear, Widget};

use super::super::state::{Prompt, Section, State, Tab};
use super::cells::{age, fit, wide};
use super::theme::{Colours, Theme};
use crate::base::text;
use crate::board::jobs::Job;

/// The most rows that a text takes.
const MOST: usize = 5;
/// The most that is shown of a question or a reason, in characters.
const SHOWN: usize = 300;
/// What stands beside a problem in its row at least, in columns.
const BESIDE: usize = 14;

pub fn draw(state: &State, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let (text, style) = message(state, theme);
    let width = usize::from(area.width.saturating_sub(2));
    let lines = wrapped(&text, width);
    let top = area.y + 1 - lines.len().max(1) as u16;
    Clear.render(Rect { y: top, height: lines.len().max(1) as u16, ..area }, buffer);
    for (at, line) in lines.iter().enumerate() {
        buffer.set_stringn(1, top + at as u16, line, width, style);
    }
    let mut x = 1;
    for (key, what) in keys(state) {
        let label = format!(" {what}  ");
        if x + wide(key) + label.trim_end().len() > width + 1 {
            break;
        }
        let after = buffer.set_stringn(x as u16, area.y + 1, key, width, theme.heading()).0;
        x = usize::from(buffer.set_stringn(after, area.y + 1, label, width, theme.quiet()).0);
    }
}

/// Rows above the keys.
pub fn height(state: &State) -> u16 {
    let (text, _) = message(state, Theme(Colours::None));
    wrapped(&text, state.size.0.saturating_sub(2).into()).len().max(1) as u16
}

/// The end of what is written is what the person looks at.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let lines: Vec<_> = textwrap::wrap(text, width).into_iter().map(|line| fit(&line, width)).collect();
    lines[lines.len().saturating_sub(MOST)..].to_vec()
}

fn message(state: &State, theme: Theme) -> (String, Style) {
    let strong = theme.attention().patch(theme.heading());
    match &state.prompt {
        Some(Prompt::Confirm { question, .. }) => return (question.clone(), theme.heading()),
        Some(Prompt::Write { question, text, .. }) => return (format!("{question} {text}▏"), strong),
        Some(Prompt::Filter) => return (format!("Show rows with: {}▏", state.filter), strong),
        Some(Prompt::Leave) => {
            return ("A command is still carried out; this screen closes after it".to_owned(), strong);
        }
        Some(Prompt::Help | Prompt::Refused(_)) | None => {}
    }
    if let Some(busy) = state.busy.front() {
        let more = state.busy.len() - 1;
        let more = if more > 0 { format!(" ({more} more after it)") } else { String::new() };
        let doing = busy.doing.as_deref().map(|doing| format!(": {doing}")).unwrap_or_default();
        return (format!("{}{doing} … {}{more}", busy.what, age(state.now, busy.since)), theme.active());
    }
    if let Some(said) = &state.said {
        return (said.text.clone(), if said.is_good { theme.good() } else { theme.bad() });
    }
    if let Some(why) = &state.unreadable {
        return (format!("This is not up to date: {why}"), theme.bad());
    }
    if !state.filter.is_empty() {
        return (format!("Only rows with “{}”; Esc shows all", state.filter), theme.attention());
    }
    (selected(state).unwrap_or_default(), Style::new())
}

/// The selected problem or job in full, where its row may be cut, and the command that helps.
fn selected(state: &State) -> Option<String> {
    if state.page.is_some() {
        return None;
    }
    let at = state.at(state.section);
    let of_job = |job: &Job| match job.phase {
        "question" => {
            job.question.as_deref().or(job.reason.as_deref()).map(|asked| format!("{} asks: {asked}", job.short))
        }
        _ if job.is_running() => None,
        _ => job.reason.as_deref().map(|why| format!("{} {}: {why}", job.short, job.label)),
    };
    let (what, command) = match state.section {
        Section::Problems => {
            let problem = *state.problems().get(at)?;
            let job = state.target().and_then(|id| state.job(&id).and_then(of_job));
            let is_cut = wide(&problem.what) + BESIDE > state.size.0.into();
            let what = job.or_else(|| is_cut.then(|| problem.what.clone()));
            (what.unwrap_or_default(), problem.command.as_ref())
        }
        Section::Jobs => {
            let job = *state.jobs().get(at)?;
            (of_job(job)?, job.next.as_ref())
        }
        Section::Review => {
            let result = *state.review().get(at)?;
            let helps = (result.findings() > 0)
                .then(|| format!("{}: {}; {}", result.short, result.tests_said(), result.findings_said()));
            return helps.map(|what| text::clip(&text::safe(&what), SHOWN));
        }
        Section::Claims | Section::Events => return None,
    };
    let what = text::safe_block(&what);
    let what = what.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n");
    let what = text::clip(&what, SHOWN);
    let helps = command.map(|command| format!("what helps: {command}"));
    Some([Some(what).filter(|what| !what.is_empty()), helps].into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

/// The keys that work now, the most useful first.
fn keys(state: &State) -> Vec<(&'static str, &'static str)> {
    match &state.prompt {
        Some(Prompt::Confirm { .. }) => return vec![("y", "yes"), ("n", "no")],
        Some(Prompt::Write { .. }) => return vec![("Enter", "send"), ("Esc", "do nothing")],
        Some(Prompt::Filter) => return vec![("Enter", "keep"), ("Esc", "show all")],
        Some(Prompt::Help | Prompt::Refused(_)) => return vec![("any key", "close")],
        Some(Prompt::Leave) => return vec![("q", "leave at once"), ("any other key", "stay")],
        None => {}
    }
    let mut keys = decisions(state);
    match state.page.as_ref().map(|page| page.tab) {
        None => {
            if state.target().is_some() {
                keys.splice(0..0, [("Enter", "open")]);
                keys.extend([("l", "log"), ("d", "diff")]);
            }
            keys.splice(0..0, [("↑↓ Tab", "move")]);
            let is_paused = state.board.as_ref().is_some_and(|board| board.runtime.paused.is_some());
            keys.extend([("/", "filter"), ("s", "sort"), ("p", if is_paused { "resume" } else { "pause" })]);
        }
        Some(tab) => {
            keys.splice(0..0, [("Esc", "back"), ("Tab", "next tab"), ("↑↓", "scroll")]);
            match tab {
                Tab::Diff => keys.push(("n", "next file")),
                Tab::Log => keys.push(("G", "follow")),
                Tab::Overview => {}
            }
        }
    }
    // Always there: the way to the others, and the way out.
    keys.splice(1..1, [("?", "help"), ("q", "quit")]);
    keys
}

/// The decisions that are possible about the selected job.
fn decisions(state: &State) -> Vec<(&'static str, &'static str)> {
    // From any other row, `a` leads to the first result.
    let review = (state.page.is_none() && state.len(Section::Review) > 0).then_some(("a", "review"));
    let Some(id) = state.target() else { return review.into_iter().collect() };
    let phase = state.job(&id).map(|job| job.phase);
    if state.waiting(&id).is_some() {
        let retry = state.job(&id).is_none_or(Job::can_go_on).then_some(("r", "retry"));
        return [("a", "approve")].into_iter().chain(retry).chain([("x", "reject")]).collect();
    }
    let own = match phase {
        Some("question") => vec![("w", "answer"), ("c", "cancel")],
        Some("blocked") => vec![("r", "retry")],
        Some(_) if state.job(&id).is_some_and(Job::can_be_told) => vec![("w", "tell it"), ("c", "cancel")],
        Some(_) if state.job(&id).is_some_and(|job| !job.is_over) => vec![("c", "cancel")],
        _ => Vec::new(),
    };
    own.into_iter().chain(review).collect()
}
