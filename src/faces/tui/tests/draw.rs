//! What is on the screen, at two sizes.

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::super::draw::theme::{Background, Colours, Theme};
use super::super::draw::{cells, draw};
use super::super::state::{Input, Key, News, Section, State};
use super::super::update::update;
use super::sample::{board, state};

const MANY: Colours = Colours::Many(Background::Unknown);

fn screen(state: &State, colours: Colours) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| draw(state, Theme(colours), frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn rows(buffer: &Buffer) -> Vec<String> {
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..buffer.area.height).map(row).collect()
}

fn shown(state: &State) -> String {
    rows(&screen(state, MANY)).join("\n")
}

/// The row that has all these words, with its number.
fn row(state: &State, words: &[&str]) -> (u16, String) {
    let rows = rows(&screen(state, MANY));
    let found = rows.iter().position(|row| words.iter().all(|word| row.contains(word)));
    let at = found.unwrap_or_else(|| panic!("no row with {words:?}:\n{}", rows.join("\n")));
    (at as u16, rows[at].clone())
}

#[test]
fn a_small_screen_shows_every_list_and_what_matters() {
    let top = state(80, 24);
    let order: Vec<u16> = Section::ALL.iter().map(|section| row(&top, &[section.title()]).0).collect();
    assert!(order.is_sorted(), "{order:?}\n{}", shown(&top));
    row(&top, &["billing", "running", "2 of 3 slots", "today $3.46 of $20, 429k tokens"]);
    row(&top, &["!!", "the coordinator is stuck"]);
    row(&top, &["j8 has done nothing for 14 min", "14m 00s"]);
    row(&top, &["j7", "coder, round 2", "worker-1", "12m 05s", "$0.42", "Title of j7"]);
    row(&top, &["Edit src/a.rs"]);
    let (stuck, line) = row(&top, &["j8", "coder, round 2", "14m 00s"]);
    assert!(stuck < row(&top, &["j7", "coder"]).0, "what has a problem comes first: {line}");
    row(&top, &["stuck, last: Bash make"]);
    row(&top, &["asks: Which date format?"]);
    row(&top, &["j1", "passed, no findings", "+12 -1", "$0.62", "5m 00s", "Title of j1"]);
    row(&top, &["j2", "high: the wait has no lim…"]);
    row(&top, &["j7", "task-j7", "worker-1", "30m 00s", "assigned to worker-2"]);
    assert!(row(&top, &["later"]).0 < row(&top, &["earlier"]).0, "the newest event first");
    row(&top, &["? help", "q quit"]);
    assert!(rows(&screen(&top, MANY)).iter().all(|row| cells::wide(row) <= 80));
}

#[test]
fn a_finished_job_keeps_its_title_on_a_small_screen() {
    let mut done = board();
    for job in done.jobs.iter_mut().filter(|job| job.is_over) {
        job.reason = Some("merged as 9f2af3c7e59f by ada".into());
    }
    let mut top = state(80, 20);
    update(&mut top, Input::Board(Arc::new(done)));
    update(&mut top, Input::Key(Key::Char('f')));
    top.select(Section::Jobs, 4);
    row(&top, &["j3", "done", "Title of j3"]);
}

#[test]
fn a_large_screen_shows_a_job_in_one_row_and_what_helps() {
    let top = state(120, 40);
    row(&top, &["j7", "coder, round 2", "worker-1", "45k", "Title of j7", "Edit src/a.rs"]);
    row(&top, &["running", "2 of 3 slots", "today $3.46 of $20.00, 429k tokens"]);
    row(&top, &["j8 has done nothing", "teof logs j8"]);
    row(&top, &["j4", "blocked"]);
    let (review, _) = row(&top, &["REVIEW"]);
    assert_eq!(rows(&screen(&top, MANY))[review as usize - 1], "", "room between the lists");
}

#[test]
fn a_coordinator_that_stops_after_its_stages_is_not_called_running() {
    let mut board = board();
    board.runtime.stopping = true;
    board.runtime.stuck = None;
    let mut top = state(120, 40);
    update(&mut top, Input::Board(Arc::new(board)));
    row(&top, &["stopping", "2 of 3 slots"]);
}

#[test]
fn ten_jobs_fit_a_small_screen_and_the_selected_row_is_always_visible() {
    let mut many = board();
    many.jobs = (1..=12).map(|n| super::sample::running(&format!("n{n}"))).collect();
    let mut top = state(80, 24);
    update(&mut top, Input::Board(Arc::new(many)));
    top.select(Section::Jobs, 11);
    row(&top, &["n12", "coder"]);
    row(&top, &["more above"]);
    top.select(Section::Jobs, 0);
    row(&top, &["n1 ", "coder"]);
    let (more, line) = row(&top, &[" more"]);
    let last = rows(&screen(&top, MANY))[usize::from(more) - 1].clone();
    let shown: usize = last.split_whitespace().next().unwrap()[1..].parse().unwrap();
    assert_eq!(line.trim(), format!("{} more", 12 - shown), "in the last row: {last}");
    assert_eq!(more + 1, row(&top, &["REVIEW"]).0);
    row(&top, &["EVENTS"]);
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    for size in [(59, 24), (80, 15), (20, 3), (1, 1)] {
        let text = shown(&state(size.0, size.1));
        assert!(size.0 < 20 || text.starts_with("teof top needs"), "{text}");
    }
    assert!(shown(&state(60, 16)).contains("REVIEW"));
}

#[test]
fn a_terminal_that_shrank_unnoticed_is_drawn_as_far_as_it_goes() {
    let mut page = state(120, 50);
    page.select(Section::Jobs, 2);
    update(&mut page, Input::Key(Key::Char('l')));
    let log = (0..200).map(|n| format!("line {n}")).collect();
    update(&mut page, Input::News(News { job: "job-j7".into(), is_new_log: true, log, ..News::default() }));
    assert!(page.page.is_some());
    for (width, height) in [(60, 16), (80, 17), (119, 24), (119, 49), (120, 30), (1, 1)] {
        for state in [&state(120, 50), &page] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| draw(state, Theme(MANY), frame)).unwrap();
        }
    }
}

#[test]
fn hostile_and_wide_text_stays_in_its_column() {
    let mut hostile = board();
    hostile.jobs[1].title = crate::base::text::safe("\u{1b}[2J\u{202e}日本語日本語日本語日本語日本語日本語");
    let mut top = state(80, 24);
    update(&mut top, Input::Board(Arc::new(hostile)));
    let (_, line) = row(&top, &["␛[2J\u{fffd}日", "…"]);
    assert!(cells::wide(&line) <= 80 + line.matches(' ').count(), "{line}");
    let controls = |buffer: &Buffer| buffer.content().iter().any(|cell| cell.symbol().contains(char::is_control));
    assert!(!controls(&screen(&top, MANY)));
    top.select(Section::Jobs, 2);
    update(&mut top, Input::Key(Key::Char('l')));
    let log = vec!["raw \u{1b}]0;x\u{7} end".to_owned()];
    update(&mut top, Input::News(News { job: "job-j7".into(), is_new_log: true, log, ..News::default() }));
    assert!(!controls(&screen(&top, MANY)));
}

#[test]
fn without_colours_the_marks_and_the_selection_remain() {
    let top = state(80, 24);
    let plain = screen(&top, Colours::None);
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert_eq!(rows(&plain), rows(&screen(&top, MANY)), "colour is never the only sign");
    let (selected, _) = row(&top, &["the coordinator is stuck"]);
    assert!(plain[(3, selected)].modifier.contains(Modifier::REVERSED));
}

#[test]
fn questions_are_shown_whole_and_help_names_the_keys() {
    let mut top = state(60, 16);
    top.select(Section::Review, 1);
    update(&mut top, Input::Key(Key::Char('a')));
    let text = shown(&top).split_whitespace().collect::<Vec<_>>().join(" ");
    let question = "NOT ALL CHECKS PASSED. Approve j2 “Title of j2”: 2 tests passed, 1 high finding: the wait has no limit; \
                    merge 01234567, 1 file, +12 -1, into main?";
    assert!(text.contains(question), "{text}");
    row(&top, &["y yes", "n no"]);
    let asked =
        "Should invoices keep the day-first format that the German customers know, or take the ISO one everywhere?";
    let mut asking = board();
    asking.jobs[0].question = Some(format!("I found two formats.\n{asked}"));
    let mut top = state(80, 24);
    update(&mut top, Input::Board(Arc::new(asking)));
    top.select(Section::Jobs, 1);
    let text = shown(&top).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("j5 asks: I found two formats. {asked}")), "{text}");
    let mut top = state(80, 24);
    update(&mut top, Input::Key(Key::Char('?')));
    for key in ["approve the result", "retry with a note", "reject with a reason", "answer it, tell it", "suspend"] {
        row(&top, &[key]);
    }
}

#[test]
fn the_header_names_what_keeps_jobs_from_starting() {
    for (columns, wanted) in [(80, "no job starts: only 3"), (160, "no job starts: only 3 MB are free  2 of 3 slots")] {
        let mut top = state(columns, 24);
        let mut board = board();
        board.runtime.obstacle = Some("only 3 MB are free".into());
        update(&mut top, Input::Board(Arc::new(board)));
        assert_eq!(row(&top, &["billing", "running", wanted]).0, 0);
    }
}
