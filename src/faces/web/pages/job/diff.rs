//! The diff of a result, with line numbers and colours.

use maud::{Markup, PreEscaped, html};

use super::syntax::{self, Lexer};
use crate::base::text;
use crate::board::jobs::Job;
use crate::faces::web::pages::view::{Rendered, View};
use crate::model::run::bundle::Bundle;
use crate::review::Entry;
use crate::review::diff::{self, Patch};

/// How many lines are shown; the command line shows all.
const LINES: usize = 4000;
/// The longest line, in characters.
const WIDTH: usize = 1000;

pub fn part(view: &View<'_>, short: &str, job: Option<&Job>, entry: Option<&Entry>) -> Markup {
    let (hub, bundle) = (view.hub, entry.map(|entry| &entry.bundle));
    let commit = job.filter(|job| job.phase == "blocked").and_then(|job| job.commit.as_deref());
    let shown = match (bundle, commit) {
        (Some(bundle), _) => {
            let key = format!("{}..{}", bundle.base_commit, bundle.commit);
            view.diffs.get(&key, || Ok(rendered(&diff::patch(hub, bundle)?, short)))
        }
        (None, Some(commit)) => view.diffs.get(commit, || Ok(rendered(&diff::of_commit(hub, commit)?, short))),
        (None, None) => return html! { section #diff aria-label="Diff" {} },
    };
    html! {
        section #diff aria-label="Diff" {
            h2 { "Diff" }
            @match bundle {
                Some(bundle) => (sum(bundle)),
                None => p.when { "The checks did not pass; this is what it changed so far." },
            }
            @match shown {
                Ok(diff) => {
                    @if let Some(commit) = bundle.map(|bundle| bundle.commit.as_str()).or(commit).filter(|_| diff.adds_secret) {
                        (secret(view, commit))
                    }
                    (PreEscaped(&diff.html))
                },
                Err(e) => p.notice.attention { "The diff cannot be read: " (format!("{e:#}")) },
            }
        }
    }
}

fn rendered(patch: &Patch, short: &str) -> Rendered {
    Rendered { html: render(&patch.text, short).into_string(), adds_secret: patch.adds_secret }
}

/// Asked anew each time: the branch may be gone by now.
fn secret(view: &View<'_>, commit: &str) -> Markup {
    let note = diff::secret_note(view.hub, commit);
    html! {
        p.notice.attention { (note.text) @if let Some(command) = &note.command { ": " code { (command) } } }
    }
}

fn sum(bundle: &Bundle) -> Markup {
    let diff = &bundle.diff;
    html! {
        p.facts {
            span { span.plus { "+" (diff.added) } " " span.minus { "−" (diff.removed) } " in " (text::counted(diff.count(), "file")) }
            @if diff.limit > 0 { span.when { "limit " (diff.limit) " lines" } }
        }
    }
}

/// A file of a patch.
struct File<'p> {
    path: &'p str,
    /// What became of it besides its lines: `new file`, `deleted file`, `Binary files differ`.
    notes: Vec<&'p str>,
    lines: Vec<&'p str>,
}

fn render(patch: &str, short: &str) -> Markup {
    let mut left = LINES;
    let shown = split(patch).into_iter().map(|mut file| {
        let more = file.lines.len().saturating_sub(left);
        file.lines.truncate(left);
        left -= file.lines.len();
        (file, more)
    });
    html! {
        @for (file, more) in shown {
            details.file open {
                summary { code { (file.path) } @for note in &file.notes { " " span.when { (note) } } }
                @if !file.lines.is_empty() { (body(&file)) }
                @if more > 0 {
                    p.none { (text::counted(more, "more line")) ": " code { "teof review show " (short) " --diff" } }
                }
            }
        }
    }
}

fn split(patch: &str) -> Vec<File<'_>> {
    let mut files: Vec<File<'_>> = Vec::new();
    for line in patch.lines() {
        if let Some(rest) = line.strip_prefix("diff --git ") {
            // `a/x b/x`; the line with the new name is clearer, where there is one.
            let path = rest.rsplit(" b/").next().unwrap_or(rest);
            files.push(File { path, notes: Vec::new(), lines: Vec::new() });
            continue;
        }
        let Some(file) = files.last_mut() else { continue };
        let is_head = file.lines.is_empty();
        match line {
            _ if line.starts_with("@@") || !is_head => file.lines.push(line),
            _ if line.starts_with("+++ b/") => file.path = &line["+++ b/".len()..],
            _ if ["---", "+++", "index "].iter().any(|begin| line.starts_with(begin)) => {}
            _ => file.notes.push(line),
        }
    }
    files
}

fn body(file: &File<'_>) -> Markup {
    html! {
        div.diff tabindex="0" role="region" aria-label={ "Changes of " (file.path) } {
            table { tbody {
                @for row in rows(file) {
                    @match row {
                        Row::Head(text) => tr.hunk { td colspan="3" { (text) } },
                        Row::Line { class, sign, old, new, code } => tr class=[class] {
                            td.ln { (old) } td.ln { (new) } td { code { span.sign { (sign) } (code) } }
                        },
                    }
                }
            } }
        }
    }
}

enum Row<'p> {
    Head(&'p str),
    Line { class: Option<&'static str>, sign: &'static str, old: String, new: String, code: Markup },
}

fn rows<'p>(file: &File<'p>) -> Vec<Row<'p>> {
    let language = syntax::language(file.path);
    let (mut old, mut new) = (Lexer::new(language), Lexer::new(language));
    let (mut old_at, mut new_at) = (0_u64, 0_u64);
    let next = |at: &mut u64| {
        *at += 1;
        (*at - 1).to_string()
    };
    let row = |line: &&'p str| {
        let Some(sign) = line.chars().next().filter(|sign| matches!(sign, '+' | '-' | ' ')) else {
            if let Some(starts) = starts(line) {
                (old_at, new_at) = starts;
                (old, new) = (Lexer::new(language), Lexer::new(language));
            }
            return Row::Head(line);
        };
        let code = text::clip(&line[1..], WIDTH);
        match sign {
            '+' => {
                let new_line = next(&mut new_at);
                Row::Line { class: Some("add"), sign: "+", old: String::new(), new: new_line, code: new.line(&code) }
            }
            '-' => {
                let old_line = next(&mut old_at);
                Row::Line { class: Some("del"), sign: "-", old: old_line, new: String::new(), code: old.line(&code) }
            }
            _ => {
                let _ = old.line(&code);
                let (old_line, new_line) = (next(&mut old_at), next(&mut new_at));
                Row::Line { class: None, sign: " ", old: old_line, new: new_line, code: new.line(&code) }
            }
        }
    };
    file.lines.iter().map(row).collect()
}

/// The first line numbers of `@@ -1,2 +3,4 @@`.
fn starts(head: &str) -> Option<(u64, u64)> {
    let number = |part: &str| part.get(1..)?.split(',').next()?.parse().ok();
    let mut parts = head.split(' ').skip(1);
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_split_into_files_with_numbers_and_is_escaped() {
        let patch = "diff --git a/src/a.rs b/src/a.rs\nindex 1..2 100644\n--- a/src/a.rs\n+++ b/src/a.rs\n\
                     @@ -7,2 +9,2 @@ fn x\n same <b>\n-let old = 1;\n+let new = \"<script>\";\n--- not a head\n\
                     diff --git a/b.bin b/b.bin\nnew file mode 100644\nBinary files differ\n";
        let files = split(patch);
        assert_eq!(
            files.iter().map(|file| (file.path, file.lines.len())).collect::<Vec<_>>(),
            [("src/a.rs", 5), ("b.bin", 0)]
        );
        assert_eq!(files[1].notes, ["new file mode 100644", "Binary files differ"]);
        assert_eq!(starts("@@ -7,2 +9,2 @@ fn x"), Some((7, 9)));
        let html = render(patch, "j1").into_string();
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
        assert!(html.contains(r#"<td class="ln">8</td><td class="ln"></td>"#), "{html}");
        assert!(html.contains(r#"<td class="ln"></td><td class="ln">10</td>"#), "{html}");
    }
}
