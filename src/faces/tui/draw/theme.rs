//! Colours by meaning, as the command line has them.

use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    None,
    Few,
    Many,
}

/// The styles of one terminal. With 256 colours they are of middle lightness: legible on white and on black.
#[derive(Clone, Copy, Debug)]
pub struct Theme(pub Colours);

impl Theme {
    fn colour(self, few: Color, many: u8) -> Style {
        match self.0 {
            Colours::None => Style::new(),
            Colours::Few => Style::new().fg(few),
            Colours::Many => Style::new().fg(Color::Indexed(many)),
        }
    }

    /// Done, passed, approved.
    pub fn good(self) -> Style {
        self.colour(Color::Green, 28)
    }

    /// Failed, blocked, wrong.
    pub fn bad(self) -> Style {
        self.colour(Color::Red, 160).add_modifier(Modifier::BOLD)
    }

    /// Removed lines: red without weight.
    pub fn removed(self) -> Style {
        self.colour(Color::Red, 160)
    }

    /// Waits for a person.
    pub fn attention(self) -> Style {
        self.colour(Color::Yellow, 130)
    }

    /// Runs now.
    pub fn active(self) -> Style {
        self.colour(Color::Cyan, 31)
    }

    /// Less important than the text beside it.
    pub fn quiet(self) -> Style {
        match self.0 {
            Colours::Many => Style::new().fg(Color::Indexed(244)),
            _ => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The selected row: the whole of it is reversed.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
