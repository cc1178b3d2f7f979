//! Finds a question to a person in an agent's answer. The reply goes into the same session (see
//! [`unfinished`](super::unfinished)).

use crate::base::text;
use crate::guard::secrets;

/// The longest question that is kept, in characters.
const LONGEST: usize = 2_000;
/// What stands before a question and its answer.
const ASKED: &str = "An agent of this job asked:\n\n";
const ANSWER: &str = "\n\nThe answer: ";
/// First words of an answer that agrees.
const AGREES: [&str; 6] = ["yes", "y", "ok", "okay", "allow", "allowed"];
/// How many of the last lines may hold the question; at most a closing remark follows it.
const LAST_LINES: usize = 3;
/// Question marks, and what may close a line after one, in the scripts that have their own.
const MARKS: [char; 3] = ['?', '？', '؟'];
const CLOSING: [char; 13] = ['*', '_', '`', '"', '\'', ')', ']', '”', '»', '）', '」', '』', '】'];

/// The complete question at the end of a final text; `None` when it does not end with one.
pub fn trailing_question(said: &str) -> Option<String> {
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    // Any number of options may follow.
    let before_options = lines.iter().rfind(|line| !is_option(line));
    let asks = last.iter().chain(before_options).any(|line| ends_asking(line));
    asks.then(|| bounded(said))
}

/// The question that an answer's analysis ends with, on its last line.
pub fn asked_in_analysis(analysis: &str) -> Option<String> {
    // A list after a question is how an analysis answers itself.
    let last = analysis.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    ends_asking(last).then(|| bounded(analysis))
}

/// `- up`, `2. down`, `b) both`
fn is_option(line: &str) -> bool {
    let marker = line.split_whitespace().next().unwrap_or_default();
    let name = marker.trim_start_matches('(').trim_end_matches(['.', ')', ':']);
    ["-", "*", "•"].contains(&marker)
        || (name.len() < marker.len() && (1..=2).contains(&name.len()) && name.chars().all(char::is_alphanumeric))
}

fn ends_asking(line: &str) -> bool {
    line.trim_end_matches(CLOSING).ends_with(MARKS)
}

/// A question ready to show: without secrets and bounded; the end is kept.
pub fn bounded(said: &str) -> String {
    let said = secrets::redact(&text::safe_block(said.trim()));
    let excess = said.chars().count().saturating_sub(LONGEST);
    said.chars().skip(excess).collect()
}

/// A question and its answer, as every agent of the job gets them.
pub fn answer_prompt(question: &str, answer: &str) -> String {
    format!("{ASKED}{question}{ANSWER}{answer}")
}

/// Whether this is a person's answer to a question about `what`, and says yes.
pub fn agrees(said: &str, what: &str) -> bool {
    let Some((asked, answer)) = said.split_once(ANSWER) else { return false };
    let first = answer.trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    asked.starts_with(ASKED) && asked.contains(what) && AGREES.contains(&first.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_begins_with_yes_agrees() {
        let answer = |said: &str| answer_prompt("May it do this?\n\n    git push -f\n\nAnswer yes or no.", said);
        for (said, agreed) in [("yes", true), ("Yes, once.", true), ("ok", true), ("no", false), ("yesterday", false)] {
            assert_eq!(agrees(&answer(said), "git push -f"), agreed, "{said}");
        }
        assert!(!agrees(&answer("yes"), "sudo ls") && !agrees("yes", "yes"));
    }

    #[test]
    fn only_a_text_that_ends_with_a_question_asks_one() {
        for said in [
            "Up or down?",
            "I looked.\n\n**Should it be rounded up?**\nThank you.",
            "Which one (a or b)?\n",
            "金額は切り上げますか？",
            "「切り上げますか？」",
            "هل يجب التقريب لأعلى؟",
            "Which one?\n\n1. Up\n2. Down\n3. Half up\n4. Half even",
            "**Which one?**\n- up\n- down\n* both\n(d) neither",
        ] {
            assert_eq!(trailing_question(said).as_deref(), Some(said.trim()), "{said}");
        }
        let done = "Why? Because it was wrong.\nI changed it.\nI ran the tests.\nAll pass.";
        let listed = "Is it right? I looked.\n- up\n- down\n- both";
        for said in ["", "Done.", "What is left? Nothing.", done, listed] {
            assert_eq!(trailing_question(said), None, "{said}");
        }
        assert_eq!(asked_in_analysis("I looked.\nUp or down?\n").as_deref(), Some("I looked.\nUp or down?"));
        for said in [
            "What has to change?\n- up\n- down\n",
            "Is it wrong?\nIt was; I fixed it.",
            "Is it wrong? It was.\n- I fixed it",
            "- up\n- down",
            "",
        ] {
            assert_eq!(asked_in_analysis(said), None, "{said}");
        }
    }

    #[test]
    fn the_end_of_a_long_question_is_kept_without_secrets() {
        let said = format!("{}\npassword = \"q7Rk2Zp9Xw4Tn8Vb3Lm1\"\nreally?", "word ".repeat(1_000));
        let kept = bounded(&said);
        assert!(kept.ends_with("really?") && kept.chars().count() <= LONGEST && !kept.contains("q7Rk2Zp9"), "{kept}");
    }
}
