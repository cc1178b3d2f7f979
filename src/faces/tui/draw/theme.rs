//! Colours by meaning, as the command line has them.

use ratatui::style::{Color, Modifier, Style};

/// Which colours the terminal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    None,
    /// The terminal's own eight.
    Few,
    /// 256, on such a background.
    Many(Background),
}

/// What the text stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    Dark,
    Light,
    /// The terminal does not say: colours of middle lightness are legible on both.
    Unknown,
}

/// The styles of one terminal. On a known background every colour has a contrast of at least 4.5.
#[derive(Clone, Copy, Debug)]
pub struct Theme(pub Colours);

impl Theme {
    /// `many`: the colours on a dark, a light and an unknown background.
    fn colour(self, few: Color, many: [u8; 3]) -> Style {
        match self.0 {
            Colours::None => Style::new(),
            Colours::Few => Style::new().fg(few),
            Colours::Many(background) => Style::new().fg(Color::Indexed(many[background as usize])),
        }
    }

    /// Done, passed, approved.
    pub fn good(self) -> Style {
        self.colour(Color::Green, [77, 22, 28])
    }

    /// Failed, blocked, wrong.
    pub fn bad(self) -> Style {
        self.colour(Color::Red, [210, 124, 160]).add_modifier(Modifier::BOLD)
    }

    /// Removed lines: red without weight.
    pub fn removed(self) -> Style {
        self.colour(Color::Red, [210, 124, 160])
    }

    /// Waits for a person.
    pub fn attention(self) -> Style {
        self.colour(Color::Yellow, [215, 94, 130])
    }

    /// Runs now.
    pub fn active(self) -> Style {
        self.colour(Color::Cyan, [80, 24, 31])
    }

    /// Less important than the text beside it.
    pub fn quiet(self) -> Style {
        match self.0 {
            Colours::Many(_) => self.colour(Color::Reset, [248, 240, 244]),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of a colour of the 256, as WCAG 2 defines it.
    fn luminance(index: u8) -> f64 {
        const STEPS: [f64; 6] = [0.0, 95.0, 135.0, 175.0, 215.0, 255.0];
        let rgb = match index {
            16..=231 => [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(|step| STEPS[step as usize]),
            _ => [f64::from(index.saturating_sub(232)) * 10.0 + 8.0; 3],
        };
        let [r, g, b] =
            rgb.map(|c| c / 255.0).map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn every_colour_is_legible_on_its_background() {
        // #262626 and #eeeeee: dark and light themes are hardly ever closer to each other.
        for (background, ground) in [(Background::Dark, 235), (Background::Light, 255)] {
            let theme = Theme(Colours::Many(background));
            for style in [theme.good(), theme.bad(), theme.removed(), theme.attention(), theme.active(), theme.quiet()]
            {
                let Some(Color::Indexed(index)) = style.fg else { panic!("{style:?}") };
                let (a, b) = (luminance(index) + 0.05, luminance(ground) + 0.05);
                let contrast = if a > b { a / b } else { b / a };
                assert!(contrast >= 4.5, "{index} on {background:?}: {contrast:.1}");
            }
        }
    }
}
