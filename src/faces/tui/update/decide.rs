//! Keys that ask for a command: they open a line that names what happens, and nothing happens before it is confirmed.

use super::super::state::{Prompt, Said, Section, State, Written};
use crate::base::text;
use crate::board::review::Reviewable;
use crate::faces::operator::Command;

/// The longest finding in a question, in characters.
const FINDING: usize = 100;
/// The longest title in a question, in characters.
const TITLE: usize = 40;

pub fn key(state: &mut State, key: char) {
    let asked = match key {
        'p' => Ok(pause(state)),
        'a' if !has_result(state) && state.len(Section::Review) > 0 => return to_review(state),
        'a' | 'r' | 'x' | 'w' | 'c' => match state.target() {
            Some(id) => about(state, &id, key),
            None => Err("This row is not about a job".to_owned()),
        },
        _ => return,
    };
    match asked {
        Ok(prompt) => state.prompt = Some(prompt),
        Err(why) => state.said = Some(Said { text: why, is_good: false }),
    }
}

/// Whether the selected row or the page is about a result that waits.
fn has_result(state: &State) -> bool {
    state.page.is_some() || state.target().is_some_and(|id| state.waiting(&id).is_some())
}

/// Selects the first result, so that the next `a` asks about it.
fn to_review(state: &mut State) {
    state.select(Section::Review, 0);
    let short = state.review().first().map(|one| one.short.clone()).unwrap_or_default();
    state.said =
        Some(Said { text: format!("{short} waits for your review: Enter opens it, a approves it"), is_good: true });
}

fn about(state: &State, id: &str, key: char) -> Result<Prompt, String> {
    match key {
        'a' => approve(state, id),
        'r' => retry(state, id),
        'x' => reject(state, id),
        'w' => write(state, id),
        _ => cancel(state, id),
    }
}

fn name(state: &State, id: &str) -> String {
    let title = text::clip(state.title(id), TITLE);
    if title.is_empty() { state.short(id) } else { format!("{} “{title}”", state.short(id)) }
}

/// The result that waits, or why there is none.
fn waiting<'a>(state: &'a State, id: &str) -> Result<&'a Reviewable, String> {
    state.waiting(id).ok_or_else(|| match state.job(id) {
        Some(job) => format!("{} has no result that waits for a decision: {}", job.short, job.label),
        None => format!("{} has no result that waits for a decision", state.short(id)),
    })
}

fn approve(state: &State, id: &str) -> Result<Prompt, String> {
    let result = waiting(state, id)?;
    let commit = result.commit.get(..8).unwrap_or(&result.commit);
    let caution = if result.is_passing { "" } else { "NOT ALL CHECKS PASSED. " };
    let question = format!(
        "{caution}Approve {}: {}, {}; merge {commit}, {}, +{} -{}, into {}?",
        name(state, id),
        result.tests_said(),
        text::clip(&result.findings_said(), FINDING),
        text::counted(result.files, "file"),
        result.added,
        result.removed,
        result.target
    );
    // The run: what is approved is the result that is on the screen, whatever comes meanwhile.
    Ok(Prompt::Confirm { command: Command::Approve { job: result.run.clone() }, question })
}

fn retry(state: &State, id: &str) -> Result<Prompt, String> {
    let job = match (state.waiting(id), state.job(id)) {
        (Some(_), Some(job)) if !job.can_go_on() => {
            return Err(format!("{} is over: approve or reject its result", state.short(id)));
        }
        (Some(result), _) => result.run.clone(),
        (None, Some(job)) if job.phase == "blocked" => job.id.clone(),
        _ => return Err(waiting(state, id).err().unwrap_or_default()),
    };
    let question = format!("Send {} back to the coder. What should change?", name(state, id));
    Ok(Prompt::Write { what: Written::Retry, job, question, text: String::new() })
}

fn reject(state: &State, id: &str) -> Result<Prompt, String> {
    let (job, question) = match (waiting(state, id), state.job(id)) {
        (Ok(result), _) => {
            let question = format!("Reject {}: its step is blocked, its branch is kept. Why?", name(state, id));
            (result.run.clone(), question)
        }
        (Err(_), Some(job)) if job.is_blocked() => {
            (job.id.clone(), format!("Dismiss {}: its branch is kept. Why?", name(state, id)))
        }
        (Err(why), _) => return Err(why),
    };
    Ok(Prompt::Write { what: Written::Reject, job, question, text: String::new() })
}

/// An answer to what it asks, else a note to its agent.
fn write(state: &State, id: &str) -> Result<Prompt, String> {
    let job = state.job(id).filter(|job| job.can_be_told());
    let job = job.ok_or_else(|| format!("{} asks nothing, and no agent works for it", state.short(id)))?;
    let (what, job, question) = match job.phase {
        "question" => (Written::Answer, job.run.clone(), format!("Answer {}:", name(state, id))),
        _ => (Written::Note, job.id.clone(), format!("Tell the agent of {}:", name(state, id))),
    };
    Ok(Prompt::Write { what, job, question, text: String::new() })
}

fn cancel(state: &State, id: &str) -> Result<Prompt, String> {
    let job = state.job(id).filter(|job| !job.is_over);
    let job = job.ok_or_else(|| format!("{} is over", state.short(id)))?;
    let question = format!("Cancel {}: stop it after its stage, and do not choose its task again?", name(state, id));
    Ok(Prompt::Confirm { command: Command::Cancel { job: job.id.clone() }, question })
}

fn pause(state: &State) -> Prompt {
    let is_paused = state.board.as_ref().is_some_and(|board| board.runtime.paused.is_some());
    let (command, question) = match is_paused {
        true => (Command::Resume, "Resume: start jobs again?"),
        false => (Command::Pause, "Pause: start no new jobs; running ones go on?"),
    };
    Prompt::Confirm { command, question: question.to_owned() }
}
