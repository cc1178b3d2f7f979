//! Charts as inline SVG. The numbers are below each as a table, for screen readers and for those who want them exact.

use maud::{Markup, html};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 150.0;
/// Space for the labels: left, and below.
const LEFT: f64 = 40.0;
const BELOW: f64 = 22.0;
const TOP: f64 = 10.0;

/// A bar with two parts: the lower one is `of` as far as it is good.
pub struct Bar {
    /// Below the bar; empty for none.
    pub label: String,
    /// What a pointer and the table say.
    pub name: String,
    pub value: f64,
    /// The part of the value that is shown in another colour; 0 for none.
    pub rest: f64,
}

impl Bar {
    /// Its height, and how much of it is not good.
    fn words(&self, show: impl Fn(f64) -> String) -> String {
        let whole = show(self.value + self.rest);
        if self.rest > 0.0 { format!("{whole}, {} of them not", show(self.rest)) } else { whole }
    }
}

/// Bars beside each other, such as days.
pub fn bars(title: &str, note: &str, bars: &[Bar], show: impl Fn(f64) -> String, class: &str) -> Markup {
    let top = nice(bars.iter().map(|bar| bar.value + bar.rest).fold(0.0, f64::max));
    let plot = HEIGHT - BELOW - TOP;
    let step = (WIDTH - LEFT) / bars.len().max(1) as f64;
    let height = |value: f64| plot * value / top;
    figure(
        title,
        note,
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                @for part in [0.0, 0.5, 1.0] {
                    @let y = TOP + plot * (1.0 - part);
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) {}
                    text.axis x=(LEFT - 6.0) y=(y + 3.0) text-anchor="end" { (show(top * part)) }
                }
                @for (at, bar) in bars.iter().enumerate() {
                    @let x = LEFT + step * at as f64;
                    @let (value, rest) = (height(bar.value), height(bar.rest));
                    g {
                        title { (bar.name) ": " (bar.words(&show)) }
                        rect class={ "mark " (class) } x=(x + step * 0.15) width=(step * 0.7) y=(TOP + plot - value) height=(value) {}
                        @if bar.rest > 0.0 {
                            rect class="mark bad" x=(x + step * 0.15) width=(step * 0.7) y=(TOP + plot - value - rest) height=(rest) {}
                        }
                    }
                    @if !bar.label.is_empty() {
                        text.axis x=(x + step / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { (bar.label) }
                    }
                }
            }
        },
        bars.iter().map(|bar| (bar.name.as_str(), bar.words(&show))),
    )
}

/// Lines that fall: what is left, by time from 0 to 1. The thin line is an even pace.
pub fn burn_down(title: &str, note: &str, total: usize, points: &[(f64, usize)], ends: [String; 2]) -> Markup {
    let plot = HEIGHT - BELOW - TOP;
    let x = |at: f64| LEFT + (WIDTH - LEFT - 6.0) * at;
    let y = |left: f64| TOP + plot * (1.0 - left / total.max(1) as f64);
    let mut path = String::new();
    let mut last = total as f64;
    for (n, (at, left)) in points.iter().enumerate() {
        let (to_x, before, after) = (x(*at), y(last), y(*left as f64));
        let step = if n == 0 {
            format!("M{to_x:.1} {after:.1}")
        } else {
            format!("L{to_x:.1} {before:.1}L{to_x:.1} {after:.1}")
        };
        path.push_str(&step);
        last = *left as f64;
    }
    let rows: Vec<(String, String)> = points
        .iter()
        .map(|(at, left)| (format!("at {:.0} % of the time", at * 100.0), format!("{left} left")))
        .collect();
    figure(
        title,
        note,
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                @for left in [0, total] {
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(y(left as f64)) y2=(y(left as f64)) {}
                    text.axis x=(LEFT - 6.0) y=(y(left as f64) + 3.0) text-anchor="end" { (left) }
                }
                line.pace x1=(x(0.0)) y1=(y(total as f64)) x2=(x(1.0)) y2=(y(0.0)) {}
                path.run d=(path) {}
                @if let Some((at, left)) = points.last() { circle.dot cx=(x(*at)) cy=(y(*left as f64)) r="3" {} }
                text.axis x=(LEFT) y=(HEIGHT - 6.0) { (ends[0]) }
                text.axis x=(WIDTH) y=(HEIGHT - 6.0) text-anchor="end" { (ends[1]) }
            }
        },
        rows.iter().map(|(name, value)| (name.as_str(), value.clone())),
    )
}

/// Bars below each other, each with its value.
pub fn rows(title: &str, note: &str, rows: &[(String, f64)], show: impl Fn(f64) -> String) -> Markup {
    let top = rows.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let (left, right, row) = (84.0, 52.0, 26.0);
    let width = |value: f64| (WIDTH - left - right) * value / top;
    figure(
        title,
        note,
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (rows.len() as f64 * row) } role="img" aria-label=(title) {
                @for (at, (name, value)) in rows.iter().enumerate() {
                    @let y = at as f64 * row;
                    text.axis x=(left - 8.0) y=(y + 16.0) text-anchor="end" { (name) }
                    rect.mark.active x=(left) width=(width(*value)) y=(y + 5.0) height="14" {}
                    text.axis x=(left + width(*value) + 6.0) y=(y + 16.0) { (show(*value)) }
                }
            }
        },
        rows.iter().map(|(name, value)| (name.as_str(), show(*value))),
    )
}

/// Spans below each other: the usual one as a bar, nine of ten as a line.
pub fn spans(title: &str, note: &str, rows: &[(String, f64, f64)], show: impl Fn(f64) -> String) -> Markup {
    let top = nice(rows.iter().map(|(_, usual, most)| usual.max(*most)).fold(0.0, f64::max));
    let (left, row) = (128.0, 26.0);
    let height = rows.len() as f64 * row + BELOW;
    let x = |value: f64| left + (WIDTH - left - 4.0) * value / top;
    figure(
        title,
        note,
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(title) {
                @for part in [0.0, 0.5, 1.0] {
                    @let at = x(top * part);
                    line.grid x1=(at) x2=(at) y1="0" y2=(height - BELOW) {}
                    text.axis x=(at) y=(height - 6.0) text-anchor=(if part == 0.0 { "start" } else if part == 1.0 { "end" } else { "middle" }) { (show(top * part)) }
                }
                @for (at, (name, usual, most)) in rows.iter().enumerate() {
                    @let y = at as f64 * row;
                    g {
                        title { (name) ": half of them within " (show(*usual)) ", nine of ten within " (show(*most)) }
                        text.axis x=(left - 8.0) y=(y + 16.0) text-anchor="end" { (name) " " (show(*usual)) }
                        line.whisker x1=(x(*usual)) x2=(x(*most)) y1=(y + 12.0) y2=(y + 12.0) {}
                        rect.mark.active x=(left) width=(x(*usual) - left) y=(y + 5.0) height="14" {}
                    }
                }
            }
        },
        rows.iter()
            .map(|(name, usual, most)| (name.as_str(), format!("{}, nine of ten {}", show(*usual), show(*most)))),
    )
}

fn figure<'a>(title: &str, note: &str, drawing: Markup, rows: impl Iterator<Item = (&'a str, String)>) -> Markup {
    html! {
        figure {
            figcaption { b { (title) } @if !note.is_empty() { " " span.when { (note) } } }
            (drawing)
            details {
                summary { "Numbers" }
                table { tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td.n { (value) } } } } }
            }
        }
    }
}

/// A round number that is not smaller: the top of a scale.
fn nice(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let scale = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * scale)
        .find(|step| *step >= value)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([0.0, 0.03, 1.0, 1.2, 37.0, 512.0].map(nice), [1.0, 0.03, 1.0, 2.0, 40.0, 600.0]);
    }
}
