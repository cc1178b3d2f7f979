//! Streams that the presets printed in a whole job (`examples/real-agent/run.sh`), shortened: one of each version that
//! was tried.

use teof::agents::{Event, Exit, Stream};
use teof::base::Stamp;
use teof::model::agent::Format;

use super::{fixture, outcome, same, usage, word};

const ANSWER: &str = r#"{"analysis": "greet.sh is there.", "commands": [], "receipts": []}"#;

#[test]
fn the_stream_of_each_version_that_was_tried_is_read() {
    let (claude, codex) = ("4c6eeae1-6a6e-53c2-8afa-84931b882214", "01a229ba-bd9e-72a0-97ad-7ba1f536eab2");
    let (gemini, opencode) = ("1bf4ce98-b660-579f-b158-1cfb2942e99a", "ses_dd6440d5fffeeava4nIuA1nLTN");
    let shell = "command_execution";
    for (name, format, session, tools, used) in [
        ("claude", Format::Claude, claude, ["Bash", "Write"], usage(38201, 0, 79, Some(0.154384))),
        ("codex", Format::Codex, codex, [shell, shell], usage(32539, 0, 51, None)),
        ("gemini", Format::Gemini, gemini, ["run_shell_command", "write_file"], usage(40407, 0, 85, None)),
        ("opencode", Format::Opencode, opencode, ["bash", "write"], usage(25041, 0, 69, Some(0.0))),
        ("kilo", Format::Opencode, "ses_dd4d8fedaffeO6BwWKIsKYozp7", ["bash", "write"], usage(39951, 0, 78, Some(0.0))),
        (
            "qwen",
            Format::Claude,
            "db011f40-8194-51a7-adfb-588704a50643",
            ["run_shell_command", "write_file"],
            usage(61576, 0, 85, None),
        ),
    ] {
        let text = fixture(&format!("recorded-{name}"));
        let now = Stamp::parse("2026-01-05T10:00:00Z").unwrap();
        let done = outcome(format, &text, 64, None, &Exit::Code(0), "", now);
        assert_eq!(word(&done.verdict), "succeeded", "{name}: {done:?}");
        assert_eq!((done.session.as_deref(), done.text.trim()), (Some(session), ANSWER), "{name}");
        assert_eq!(teof::agents::format_of(&String::from_utf8_lossy(&text)), Some(format), "{name}");
        assert!(same(done.usage, used), "{name}: {:?}", done.usage);
        let events = Stream::new(format, None).take(&text);
        let calls: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::ToolUse { name, operation, .. } => Some((name.as_str(), operation.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(calls.iter().map(|call| call.0).collect::<Vec<_>>(), tools, "{name}");
        assert!(calls[0].1.contains("pwd && ls") && calls[1].1.contains("greet.sh"), "{name}: {calls:?}");
    }
}
