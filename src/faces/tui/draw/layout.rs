//! How the board shares the screen among its lists.

use super::super::state::{Section, State};
use super::footer;

/// The smallest screen, in columns and rows.
pub const MIN: (u16, u16) = (60, 16);
/// From this width on, a job fits into one row.
pub const WIDE: u16 = 110;
/// The header, and the keys at the bottom.
const AROUND: u16 = 2;
/// What each list gets before any gets more, in rows.
const FIRST: [u16; 5] = [3, 4, 3, 2, 2];
/// More claims than these give way to events.
const CLAIMS: u16 = 6;

/// A list's place.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub section: Section,
    /// The row of its heading.
    pub top: u16,
    /// Rows below the heading.
    pub rows: u16,
    /// The first entry that is shown.
    pub first: usize,
    /// How many are shown.
    pub shown: usize,
    /// The last row says how many more there are.
    pub is_cut: bool,
    /// Rows of one entry.
    pub row_height: u16,
}

/// The lists from the top to the bottom.
pub fn parts(state: &State) -> Vec<Part> {
    let lists = Section::ALL.len() as u16;
    let room = state.size.1.saturating_sub(AROUND + lists + footer::height(state));
    let lens = Section::ALL.map(|section| state.len(section).min(1000) as u16);
    let height = job_height(state, lens, room);
    let wanted = |section: Section| {
        let rows = if section == Section::Jobs { height } else { 1 };
        // A list without entries says so.
        (lens[section as usize] * rows).max(1)
    };
    let mut rows = [0; 5];
    let mut left = room;
    let mut grow = |rows: &mut [u16; 5], section: Section, most: u16| {
        let have = &mut rows[section as usize];
        let more = most.min(wanted(section)).saturating_sub(*have).min(left);
        (*have, left) = (*have + more, left - more);
    };
    Section::ALL.into_iter().for_each(|section| grow(&mut rows, section, 1));
    Section::ALL.into_iter().for_each(|section| grow(&mut rows, section, FIRST[section as usize]));
    let order = [Section::Problems, Section::Jobs, Section::Review];
    [state.section].into_iter().chain(order).for_each(|section| grow(&mut rows, section, u16::MAX));
    grow(&mut rows, Section::Claims, CLAIMS);
    let gaps = lists - 1;
    let spare = left.saturating_sub(wanted(Section::Events).saturating_sub(rows[Section::Events as usize]));
    let needs_gap = state.size.1 >= 30 || spare >= gaps;
    if needs_gap && left >= gaps {
        left -= gaps;
    }
    let gap = u16::from(needs_gap);
    let mut grow = |rows: &mut [u16; 5], section: Section| {
        let have = &mut rows[section as usize];
        let more = wanted(section).saturating_sub(*have).min(left);
        (*have, left) = (*have + more, left - more);
    };
    grow(&mut rows, Section::Events);
    grow(&mut rows, Section::Claims);
    let mut top = 1;
    let place = |section: Section| {
        let rows = rows[section as usize];
        let row_height = if section == Section::Jobs { height } else { 1 };
        // Of events there always are more.
        let is_cut = section != Section::Events && rows > 1 && usize::from(rows / row_height) < state.len(section);
        let shown = usize::from((rows - u16::from(is_cut)) / row_height).max(1);
        let first = (state.at(section) + 1).saturating_sub(shown);
        let part = Part { section, top, rows, first, shown, is_cut, row_height };
        top += 1 + rows + gap;
        part
    };
    Section::ALL.into_iter().map(place).collect()
}

/// A job has a second row for what it does now, where a narrow screen has room for all of them.
fn job_height(state: &State, lens: [u16; 5], room: u16) -> u16 {
    let others: u16 = (0..5).filter(|at| *at != Section::Jobs as usize).map(|at| FIRST[at].min(lens[at].max(1))).sum();
    let fits = lens[Section::Jobs as usize].saturating_mul(2) <= room.saturating_sub(others);
    if state.size.0 < WIDE && fits { 2 } else { 1 }
}
