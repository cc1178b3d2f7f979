//! Writes a report as HTML: one page without scripts or anything from elsewhere, or its parts for another page.

use std::fmt::Write as _;

use super::markdown::sentence;
use super::report::{Body, Cell, Report, Section, Tone};
use crate::base::text;

/// Light and dark, wide and narrow.
pub const STYLE: &str = include_str!("style.css");

/// The whole page. It loads nothing, and its policy forbids everything but its own style.
pub fn page(report: &Report) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
         <p>Generated at <time datetime=\"{at}\">{at}</time></p>\n</header>\n<main>\n{sections}</main>\n</body>\n</html>\n",
        title = escape(report.title),
        at = report.generated_at,
        sections = sections(report),
    )
}

/// The sections of a report.
pub fn sections(report: &Report) -> String {
    report.sections.iter().map(section).collect()
}

/// One section, with its heading.
pub fn section(section: &Section) -> String {
    let id = section.title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let title = escape(section.title);
    let mut out = format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title} ");
    let _ = writeln!(out, "<small>{}</small></h2>", section.body.len());
    match &section.body {
        body if body.is_empty() => out.push_str("<p class=\"quiet\">none</p>\n"),
        Body::List(entries) => {
            out.push_str("<ul>\n");
            entries.iter().for_each(|entry| out.push_str(&element("li", entry)));
            out.push_str("</ul>\n");
        }
        Body::Table { headings, rows } => {
            // A wide table scrolls by itself, also with the keyboard.
            let _ = write!(
                out,
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{id}\">\n<table>\n<thead><tr>"
            );
            for heading in headings {
                let _ = write!(out, "<th scope=\"col\">{}</th>", escape(&sentence(heading)));
            }
            out.push_str("</tr></thead>\n<tbody>\n");
            for row in rows {
                out.push_str("<tr>");
                row.iter().for_each(|cell| out.push_str(element("td", cell).trim_end()));
                out.push_str("</tr>\n");
            }
            out.push_str("</tbody>\n</table>\n</div>\n");
        }
    }
    if let Some(note) = &section.note {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    out + "</section>\n"
}

fn element(name: &str, cell: &Cell) -> String {
    let class = match cell.tone {
        Tone::Plain => "",
        Tone::Good => " class=\"good\"",
        Tone::Bad => " class=\"bad\"",
        Tone::Attention => " class=\"attention\"",
        Tone::Quiet => " class=\"quiet\"",
    };
    format!("<{name}{class}>{}</{name}>\n", escape(&cell.text))
}

/// Text that stays text, between tags and in quoted attributes.
pub fn escape(said: &str) -> String {
    let mut out = String::with_capacity(said.len());
    for c in text::safe(said).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::faces::documents::markdown;

    #[test]
    fn hostile_text_stays_text_in_markdown_and_on_the_page() {
        let hostile = "</td><script>alert('x')</script> [a](javascript:b) | `c` \u{1b}[31m\u{202e}";
        let rows = vec![vec![Cell::new(Tone::Bad, hostile), Cell::default()]];
        let sections = vec![Section::table("Rows", &["ONE TWO", "B"], rows), Section::list("None", Vec::new())];
        let report = Report { title: "T", generated_at: Stamp::from_unix(0), sections };
        let html = page(&report);
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)") && !html.contains("<script"), "{html}");
        assert!(
            html.contains("<th scope=\"col\">One two</th>") && html.contains("<p class=\"quiet\">none</p>"),
            "{html}"
        );
        let markdown = markdown::render(&report);
        assert!(markdown.contains(r"\<script\>") && markdown.contains(r"\[a\](javascript:b) \| \`c\`"), "{markdown}");
        assert!(markdown.contains("| One two | B |\n| --- | --- |\n") && markdown.contains("## None\n\n- none\n"));
        for document in [html, markdown] {
            assert!(!document.contains(['\u{1b}', '\u{202e}']), "{document}");
        }
    }
}
