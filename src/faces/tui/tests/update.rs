//! What keys do: movement, pages, and decisions that are asked before they are given.

use std::sync::Arc;

use super::super::state::{Effect, Input, Key, News, Prompt, Section, State, Tab};
use super::super::update::update;
use super::sample::{board, result, running, state};
use crate::base::Refusal;
use crate::board::events::EventLine;
use crate::faces::operator::Command;

fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    keys.chars().flat_map(|c| key(state, if c == '\n' { Key::Enter } else { Key::Char(c) })).collect()
}

fn key(state: &mut State, key: Key) -> Vec<Effect> {
    update(state, Input::Key(key))
}

fn said(state: &State) -> &str {
    state.said.as_ref().map_or("", |said| &said.text)
}

/// A state whose selected row is the result of a job.
fn at_result(at: usize) -> State {
    let mut state = state(80, 24);
    state.select(Section::Review, at);
    state
}

#[test]
fn a_decision_is_given_only_after_y_and_names_the_result_on_the_screen() {
    let mut top = at_result(0);
    assert_eq!(press(&mut top, "a"), []);
    let Some(Prompt::Confirm { question, .. }) = &top.prompt else { panic!("{:?}", top.prompt) };
    assert_eq!(
        question,
        "Approve j1 “Title of j1”: 2 tests passed, no findings; merge 01234567, 1 file, +12 -1, into main?"
    );
    // Neither Enter nor another command's key is a yes.
    assert_eq!(press(&mut top, "\naqxr "), []);
    let run = Command::Approve { job: "job-j1.1".into() };
    // A newer result comes while the person reads: the one that was shown is meant.
    let mut newer = board();
    newer.review = Arc::new(vec![crate::board::review::Reviewable { run: "job-j1.2".into(), ..result("j1", true) }]);
    update(&mut top, Input::Board(Arc::new(newer)));
    assert_eq!(press(&mut top, "y"), [Effect::Perform(run)]);
    assert_eq!((top.prompt.clone(), top.busy[0].what.as_str()), (None, "Approving job-j1.1"));

    let mut top = at_result(0);
    assert_eq!(press(&mut top, "an"), []);
    assert!(top.prompt.is_none() && top.busy.is_empty());
    let mut top = at_result(1);
    press(&mut top, "a");
    assert!(matches!(&top.prompt, Some(Prompt::Confirm { question, .. }) if question.starts_with("NOT ALL CHECKS")));
}

#[test]
fn notes_and_answers_are_written_before_they_are_sent() {
    let mut top = at_result(1);
    assert_eq!(press(&mut top, "r\n"), [], "a retry needs a note");
    update(&mut top, Input::Paste("Cap the\u{1b}[31m\nwait".into()));
    let note = "Cap the␛[31m wait".to_owned();
    assert_eq!(press(&mut top, "\n"), [Effect::Perform(Command::Retry { job: "job-j2.1".into(), note })]);
    let mut top = at_result(1);
    let reject = Command::Reject { job: "job-j2.1".into(), note: "no q".into() };
    assert_eq!(press(&mut top, "xno q\n"), [Effect::Perform(reject)]);
    // A blocked job has no result: it is dismissed.
    let mut top = state(80, 24);
    top.select(Section::Jobs, 3);
    press(&mut top, "x");
    let Some(Prompt::Write { question, .. }) = &top.prompt else { panic!("{:?}", top.prompt) };
    assert!(question.starts_with("Dismiss j4 “Title of j4”: its branch is kept"), "{question}");
    let dismiss = Command::Reject { job: "job-j4".into(), note: "no".into() };
    assert_eq!(press(&mut top, "no\n"), [Effect::Perform(dismiss)]);
    let mut board = board();
    board.jobs[3].dismissed = Some("rejected");
    let mut top = state(80, 24);
    update(&mut top, Input::Board(Arc::new(board)));
    assert!(top.jobs().iter().all(|job| job.short != "j4"), "then it is hidden like finished jobs");
    let mut top = state(80, 24);
    top.select(Section::Jobs, 1);
    let answer = Command::Answer { job: "job-j5.1".into(), text: "ISO".into() };
    assert_eq!(press(&mut top, "wISO\n"), [Effect::Perform(answer)]);
    // A job that asks nothing: its agent is told.
    top.select(Section::Jobs, 2);
    let note = Command::Note { job: "job-j7".into(), text: "Keep it small".into() };
    assert_eq!(press(&mut top, "wKeep it small\n"), [Effect::Perform(note)]);
    // Pasted text presses no keys.
    let mut top = at_result(0);
    update(&mut top, Input::Paste("ay".into()));
    assert!(top.prompt.is_none() && top.busy.is_empty());
}

#[test]
fn what_is_not_possible_is_said_and_asks_nothing() {
    let mut top = state(80, 24);
    top.select(Section::Jobs, 2);
    press(&mut top, "x");
    assert_eq!((said(&top), &top.prompt), ("j7 has no result that waits for a decision: running", &None));
    press(&mut top, "a");
    assert_eq!((said(&top), &top.prompt), ("j1 waits for your review: Enter opens it, a approves it", &None));
    assert_eq!((top.section, top.at(Section::Review)), (Section::Review, 0));
    top.select(Section::Jobs, 3);
    press(&mut top, "w");
    assert_eq!(said(&top), "j4 asks nothing, and no agent works for it");
    top.select(Section::Problems, 0);
    press(&mut top, "c");
    assert_eq!(said(&top), "This row is not about a job");
    press(&mut top, "p");
    assert!(matches!(&top.prompt, Some(Prompt::Confirm { command: Command::Pause, .. })));
    let mut paused = board();
    let by = crate::board::runtime::Said { by: "Ann".into(), at: top.now, note: None };
    paused.runtime.paused = Some(by);
    press(&mut top, "n");
    update(&mut top, Input::Board(Arc::new(paused)));
    assert_eq!(press(&mut top, "py"), [Effect::Perform(Command::Resume)]);
}

#[test]
fn the_result_of_a_command_is_shown_and_the_way_out_waits_for_it() {
    let mut top = at_result(0);
    press(&mut top, "ay");
    update(&mut top, Input::Progress("running \u{7}tests".into()));
    assert_eq!(top.busy[0].doing.as_deref(), Some("running ␇tests"));
    assert_eq!(press(&mut top, "q"), [], "it is still carried out");
    assert_eq!(update(&mut top, Input::Done(Ok(vec!["merged".into()]))), [Effect::Quit]);

    let mut top = at_result(0);
    press(&mut top, "ay");
    assert_eq!(key(&mut top, Key::Ctrl('c')), [], "an approval is not cut short");
    assert_eq!(top.prompt, Some(Prompt::Leave));
    assert_eq!(key(&mut top, Key::Ctrl('c')), [Effect::Quit], "unless the person insists");

    let mut top = at_result(0);
    press(&mut top, "ay");
    let refusal =
        Refusal::unattended("trust.person", "only a person may approve work").because("a seat acts").next("x");
    update(&mut top, Input::Done(Err(refusal)));
    let lines = ["error: only a person may approve work", "cause: a seat acts", "fix: x"].map(str::to_owned);
    assert_eq!(top.prompt, Some(Prompt::Refused(lines.to_vec())));
    press(&mut top, "y");
    assert!(top.prompt.is_none() && top.busy.is_empty());
    assert_eq!(press(&mut top, "q"), [Effect::Quit]);
    assert_eq!(key(&mut top, Key::Ctrl('c')), [Effect::Quit]);
}

#[test]
fn a_selected_row_stays_selected_when_others_come_and_go() {
    let mut top = state(80, 24);
    top.select(Section::Jobs, 2);
    let mut more = board();
    more.jobs.insert(0, running("j6"));
    update(&mut top, Input::Board(Arc::new(more)));
    assert_eq!((top.at(Section::Jobs), top.target().as_deref()), (3, Some("job-j7")));
    let mut fewer = board();
    fewer.jobs.clear();
    update(&mut top, Input::Board(Arc::new(fewer)));
    assert_eq!(top.target(), None);
    // From the last row of a list to the first of the next that has any.
    let mut top = state(80, 24);
    for _ in 0..3 {
        key(&mut top, Key::Down);
    }
    assert_eq!((top.section, top.at(Section::Jobs)), (Section::Jobs, 0));
    key(&mut top, Key::Up);
    assert_eq!((top.section, top.at(Section::Problems)), (Section::Problems, 2));
    assert_eq!((key(&mut top, Key::Enter), top.section), (vec![], Section::Review), "2 jobs wait for your review");
    top.select(Section::Problems, 0);
    key(&mut top, Key::BackTab);
    assert_eq!(top.section, Section::Events);
}

#[test]
fn new_events_come_into_sight_unless_the_person_went_down_the_list() {
    let later = || {
        let mut later = board();
        let newest = EventLine { id: Some("e3".into()), summary: "the newest one".into(), ..board().events[1].clone() };
        later.events = Arc::new(board().events.iter().cloned().chain([newest]).collect());
        Input::Board(Arc::new(later))
    };
    let mut top = state(80, 24);
    update(&mut top, later());
    let at = top.at(Section::Events);
    assert_eq!((at, &*top.events()[at].summary), (0, "the newest one"));
    let mut top = state(80, 24);
    top.select(Section::Events, 1);
    update(&mut top, later());
    let at = top.at(Section::Events);
    assert_eq!((at, &*top.events()[at].summary), (2, "the earlier one"));
}

#[test]
fn filter_sort_and_finished_jobs_choose_the_rows() {
    let shorts = |top: &State| top.jobs().iter().map(|job| job.short.clone()).collect::<Vec<_>>().join(" ");
    let mut top = state(80, 24);
    assert_eq!(shorts(&top), "j8 j5 j7 j4", "what has a problem first; a blocked job waits for a person");
    press(&mut top, "f");
    assert_eq!(shorts(&top), "j8 j5 j7 j4 j3");
    press(&mut top, "fsss");
    assert_eq!(shorts(&top), "j8 j7 j5 j4", "the longest without a sign of life first");
    press(&mut top, "/J7\n");
    assert_eq!((shorts(&top).as_str(), top.problems().len(), top.claims().len()), ("j7", 0, 1));
    key(&mut top, Key::Esc);
    assert_eq!(top.problems().len(), 3);
}

#[test]
fn a_page_shows_one_job_and_its_log_follows_until_it_is_scrolled() {
    let mut top = state(80, 24);
    top.select(Section::Problems, 1);
    assert_eq!(press(&mut top, "l"), [Effect::Read("job-j8".into())]);
    let lines = |from: usize, to: usize| (from..to).map(|n| format!("line {n}")).collect::<Vec<_>>();
    let news = |log| News { job: "job-j8".into(), run: "job-j8.1".into(), log, ..News::default() };
    update(&mut top, Input::News(News { is_new_log: true, ..news(lines(0, 50)) }));
    update(&mut top, Input::News(News { job: "another".into(), ..news(lines(0, 9)) }));
    assert_eq!(top.page.as_ref().unwrap().detail.log.len(), 50);
    key(&mut top, Key::PageUp);
    let page = top.page.as_ref().unwrap();
    assert!(!page.follows && page.top[Tab::Log as usize] < 32, "{:?}", page.top);
    let stays = page.top;
    update(&mut top, Input::News(news(lines(50, 60))));
    assert_eq!(top.page.as_ref().unwrap().top, stays);
    press(&mut top, "G");
    assert!(top.page.as_ref().unwrap().follows);
    press(&mut top, "3");
    assert_eq!(top.page.as_ref().unwrap().tab, Tab::Diff);
    key(&mut top, Key::Esc);
    assert!(top.page.is_none());
}

#[test]
fn a_click_selects_a_row() {
    let mut top = state(80, 24);
    let review = super::super::draw::layout::parts(&top).into_iter().find(|part| part.section == Section::Review);
    update(&mut top, Input::Click(5, review.unwrap().top + 2));
    assert_eq!((top.section, top.at(Section::Review)), (Section::Review, 1));
    update(&mut top, Input::Scroll(-1));
    assert_eq!(top.at(Section::Review), 0);
}
