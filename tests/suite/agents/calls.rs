//! How agents are called: presets, what settings change about them, and what is refused.

use std::path::Path;

use teof::agents::{self, Agent, Call, CallSpec, Session, session_id};
use teof::base::{Refusal, Result};
use teof::hub::Settings;
use teof::model::agent::{Format, PromptVia};

const PROMPT: &str = "Mend {worktree} it.";

fn settings(text: &str) -> Settings {
    toml::from_str(text).unwrap()
}

fn agent(name: &str, text: &str) -> Agent {
    agents::find(&settings(text), name).unwrap()
}

fn spec<'a>(prompt: &'a str, session: Session<'a>, model: Option<&'a str>) -> CallSpec<'a> {
    CallSpec {
        prompt,
        worktree: Path::new("/repo/tree"),
        scratch: Path::new("/repo/scratch"),
        session,
        model,
        budget: None,
        confined: false,
    }
}

fn call(agent: &Agent, session: Session<'_>, model: Option<&str>) -> Call {
    agent.call(&spec(PROMPT, session, model)).unwrap()
}

fn line(call: &Call) -> String {
    call.argv.join(" ")
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, code: &str) -> String {
    let error = result.unwrap_err();
    let refusal = Refusal::of(&error).unwrap();
    assert_eq!(refusal.code, code);
    assert!(!refusal.next.is_empty(), "a refusal says what to do next");
    format!("{refusal} {}", refusal.reason.clone().unwrap_or_default())
}

#[test]
fn each_preset_is_called_as_it_was_tried() {
    let id = session_id("job-1 coder");
    let new = Session::New(&id);
    let claude = "claude -p --verbose --output-format stream-json --permission-mode bypassPermissions \
                  --disallowedTools=AskUserQuestion --strict-mcp-config";
    for (name, session, model, wanted) in [
        ("claude", new, Some("large"), format!("{claude} --session-id={id} --model large")),
        ("claude", Session::Resume("s-1"), None, format!("{claude} --resume=s-1")),
        ("codex", new, Some("m"), "codex exec -m m --json -c sandbox_mode=\"workspace-write\" -".to_owned()),
        (
            "codex",
            Session::Resume("t-1"),
            None,
            "codex exec resume t-1 --json -c sandbox_mode=\"workspace-write\" -".to_owned(),
        ),
        ("gemini", new, None, format!("gemini -o stream-json --approval-mode yolo --skip-trust --session-id {id}")),
        (
            "opencode",
            Session::Resume("ses_1"),
            None,
            "opencode run --format json --auto --dir /repo/tree --session ses_1".to_owned(),
        ),
        ("qwen", new, None, format!("qwen --output-format stream-json --yolo --session-id {id}")),
        ("qwen", Session::Resume("q"), None, "qwen --output-format stream-json --yolo --resume q".to_owned()),
        (
            "amp",
            Session::Resume("T-1"),
            None,
            "amp threads continue T-1 --execute --stream-json --dangerously-allow-all".to_owned(),
        ),
    ] {
        let call = call(&agent(name, ""), session, model);
        assert_eq!(line(&call), wanted);
        assert_eq!(call.output_in_file, ["gemini", "qwen"].contains(&name), "{name}");
        assert_eq!((call.stdin, call.files), (PROMPT.into(), vec![]), "{name}");
    }
    let call = call(&agent("aider", ""), Session::Unnamed, None);
    assert!(line(&call).contains("--message-file /repo/scratch/prompt.md"), "{call:?}");
    assert_eq!((call.stdin.len(), call.files[0].1.as_slice()), (0, PROMPT.as_bytes()));
}

#[test]
fn in_a_terminal_an_agent_gets_its_own_arguments_or_none_are_lost_in_silence() {
    for (name, settings, argv) in [
        ("claude", "[agents.claude]\nargs = [\"--add-dir\", \"/x\"]", vec!["claude", "--add-dir", "/x", "do it"]),
        ("gemini", "", vec!["gemini", "-i", "do it"]),
        ("own", "[agents.own]\ncommand = [\"own\", \"{flags}\"]\nargs = [\"-v\"]", vec!["own", "-v", "do it"]),
    ] {
        assert_eq!(agent(name, settings).interactive(Some("do it")).unwrap(), argv, "{name}");
    }
    let own = agent("own", "[agents.own]\ncommand = [\"uvx\", \"own\", \"{flags}\"]");
    assert!(refused(own.interactive(None), "agent.call").contains("uvx own"));
}

#[test]
fn variables_of_a_surrounding_agent_are_not_passed_on() {
    for (name, found) in agents::known(&Settings::default()) {
        let agent = found.unwrap();
        let call = call(&agent, Session::Unnamed, None);
        for inherited in &call.inherit {
            assert!(!inherited.starts_with("CLAUDE_CODE") && inherited != "CLAUDECODE", "{name}: {inherited}");
        }
        assert!(call.set.iter().all(|(variable, _)| variable != "IS_SANDBOX"), "{name}: that is a container's word");
    }
    let claude = call(&agent("claude", ""), Session::Unnamed, None);
    assert!(claude.set.contains(&("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS".to_owned(), "1".to_owned())));
    assert!(claude.inherit.contains(&"ANTHROPIC_API_KEY".to_owned()));
    assert_eq!(claude.stdin, PROMPT.as_bytes(), "a program that reads its prompt to the end must see the end");
    let opencode = agent("opencode", "");
    assert!(!opencode.stagger.is_zero(), "parallel starts collide on its database");
    let call = call(&opencode, Session::Unnamed, None);
    assert!(call.set.contains(&("OPENCODE_CONFIG_CONTENT".to_owned(), "{\"permission\":\"allow\"}".to_owned())));
}

#[test]
fn settings_change_a_preset_and_describe_agents_of_ones_own() {
    let text = r#"
        [agents.claude]
        model = "small"
        env = ["CLAUDE_CODE_OAUTH_TOKEN"]
        [agents.careful]
        preset = "codex"
        args = ["-c", "model_reasoning_effort=\"high\""]
        set = { CODEX_HOME = "{scratch}/codex" }
        [agents.own]
        command = ["bin/own", "--in", "{worktree}", "{prompt}"]
        prompt = "argument"
        format = "claude"
        session_args = ["--id", "{session}"]
        stagger = "3s"
        [agents.gemini]
        session_args = []
    "#;
    let claude = agent("claude", text);
    assert!(claude.verified, "a model and a variable change nothing about the call");
    let made = call(&claude, Session::Unnamed, None);
    assert!(line(&made).ends_with("--model small") && made.inherit.contains(&"CLAUDE_CODE_OAUTH_TOKEN".to_owned()));
    assert!(line(&call(&claude, Session::Unnamed, Some("large"))).ends_with("--model large"), "a role's model wins");

    let careful = agent("careful", text);
    assert!(!careful.verified && careful.resumes() && !careful.chooses_session());
    let made = call(&careful, Session::Resume("t"), None);
    assert!(line(&made).starts_with("codex exec resume t -c model_reasoning_effort=\"high\" --json"), "{made:?}");
    assert!(made.set.contains(&("CODEX_HOME".to_owned(), "/repo/scratch/codex".to_owned())));

    let own = agent("own", text);
    assert_eq!((own.prompt, own.format, own.stagger.as_secs()), (PromptVia::Argument, Format::Claude, 3));
    let made = call(&own, Session::New("s"), None);
    assert_eq!(made.argv, ["bin/own", "--in", "/repo/tree", PROMPT, "--id", "s"]);
    assert!(made.stdin.is_empty());
    assert!(!agent("gemini", text).chooses_session(), "an empty list takes away what the preset can");
    assert_eq!(agents::known(&settings(text)).len(), 26);
}

#[test]
fn calls_that_cannot_work_are_refused_with_the_reason() {
    refused(agents::find(&Settings::default(), "nobody"), "agent.unknown");
    for (described, why) in [
        ("preset = \"nothing\"", "no such preset"),
        ("model = \"m\"", "no command"),
        ("command = [\"x\", \"{promt}\"]", "{promt}"),
        ("command = [\"x\"]\nprompt = \"argument\"", "{prompt} is in no argument"),
        ("command = [\"x\", \"{prompt}\"]", "{prompt} is in an argument"),
        ("command = [\"x\"]\nprompt = \"file\"", "{prompt_file} is in no argument"),
        ("command = [\"x\"]\nresume_args = [\"--resume\"]", "resume_args lacks {session}"),
        ("command = [\"x\"]\nmodel_args = [\"-m\"]", "model_args lacks {model}"),
        ("command = [\"x\"]\nenv = [\"A B\"]", "not a valid variable name"),
        ("command = [\"x\"]\nenv = [\"CLAUDECODE\"]", "inside another agent"),
        (
            "command = [\"x\"]\nformat = \"acp\"\nsession_args = [\"--id\", \"{session}\"]",
            "prompt and session go through the protocol",
        ),
        ("command = [\"x\"]\nset = { TEOF_RUN = \"x\" }", "only the foreman may set"),
    ] {
        let said = refused(agents::find(&settings(&format!("[agents.own]\n{described}")), "own"), "agent.invalid");
        assert!(said.contains(why), "{described}: {said}");
    }
}

#[test]
fn call_values_are_not_misread_by_agents() {
    let own = agent("own", "[agents.own]\ncommand = [\"x\", \"{prompt}\"]\nprompt = \"argument\"");
    let long = "x".repeat(200_000);
    refused(own.call(&spec(&long, Session::Unnamed, None)), "agent.call");
    refused(own.call(&spec("a\0b", Session::Unnamed, None)), "agent.call");
    refused(own.call(&spec("p", Session::Resume("s"), None)), "agent.call");
    refused(own.call(&spec("p", Session::Unnamed, Some("m"))), "agent.call");
    let claude = agent("claude", "");
    refused(claude.call(&spec("p", Session::Resume("--flag"), None)), "agent.call");
    refused(claude.call(&spec("p", Session::Unnamed, Some("--flag"))), "agent.call");
    let streaming = agent("claude", "[agents.claude]\nprompt = \"stream\"");
    let call = streaming.call(&spec("p", Session::Resume("s-1"), None)).unwrap();
    assert!(line(&call).ends_with(" --input-format stream-json --resume=s-1"), "{}", line(&call));
    let first: serde_json::Value = serde_json::from_slice(&call.stdin).unwrap();
    assert_eq!(first["message"]["content"][0]["text"], "p", "its prompt is the first message");
    assert!(streaming.takes_messages() && !claude.takes_messages());
    assert!(claude.call(&spec(&long, Session::Unnamed, None)).is_ok(), "stdin takes any length");
}

#[test]
fn an_agent_of_the_protocol_is_told_by_the_protocol_what_others_get_in_arguments() {
    let text = "[agents.own]\ncommand = [\"x\", \"--acp\"]\nformat = \"acp\"\noptions = { mode = \"plan\" }\n\
                [agents.once]\ncommand = [\"x\"]\nformat = \"acp\"\nresume_args = []";
    let own = agent("own", text);
    assert!(own.resumes() && !own.chooses_session() && !agent("once", text).resumes());
    let call = own.call(&spec("p", Session::Resume("s-1"), Some("m"))).unwrap();
    assert_eq!(call.argv, ["x", "--acp"]);
    let first: serde_json::Value = serde_json::from_slice(&call.stdin).unwrap();
    assert_eq!((&first["method"], &first["params"]["protocolVersion"]), (&"initialize".into(), &1.into()));
    let dialog = call.dialog.unwrap();
    assert_eq!(
        (dialog.prompt.as_str(), dialog.session.as_deref(), dialog.model.as_deref()),
        ("p", Some("s-1"), Some("m"))
    );
    assert_eq!(dialog.options, [("mode".to_owned(), "plan".to_owned())]);
    let gemini = agent("gemini-acp", "").call(&spec("p", Session::Unnamed, Some("m"))).unwrap();
    assert!(line(&gemini).ends_with("--acp --skip-trust -m m") && gemini.dialog.unwrap().model.is_none());
    assert!(!agent("gemini-acp", "[agents.gemini-acp]\nmodel = \"m\"").resumes() && agent("qwen-acp", "").resumes());
    // Its own sandbox is off where ours confines it.
    let codex = agent("codex-acp", "");
    for (confined, mode) in [(true, "agent-full-access"), (false, "agent")] {
        let dialog = codex.call(&CallSpec { confined, ..spec("p", Session::Unnamed, None) }).unwrap().dialog.unwrap();
        assert_eq!(dialog.options, [("mode".to_owned(), mode.to_owned())]);
    }
    assert!(own.interactive(None).is_err(), "it speaks with programs");
}

#[test]
fn codex_as_a_server_has_its_own_sandbox_or_ours_and_takes_messages() {
    let codex =
        agent("codex-app", "[agents.codex-app]\nargs = [\"-c\", \"x=1\"]\noptions = { personality = \"pragmatic\" }");
    assert!(codex.takes_messages() && codex.resumes() && !codex.chooses_session());
    for (confined, policy, sandbox) in [(true, "untrusted", "danger-full-access"), (false, "never", "workspace-write")]
    {
        let call = codex.call(&CallSpec { confined, ..spec("p", Session::Resume("t-1"), Some("m")) }).unwrap();
        assert_eq!(call.argv, ["codex", "app-server", "-c", "x=1"]);
        let dialog = call.dialog.unwrap();
        assert_eq!((dialog.session.as_deref(), dialog.model.as_deref()), (Some("t-1"), Some("m")));
        let options = [("approvalPolicy", policy), ("personality", "pragmatic"), ("sandbox", sandbox)];
        assert_eq!(dialog.options, options.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let first: serde_json::Value = serde_json::from_slice(&call.stdin).unwrap();
        assert_eq!((&first["method"], &first["params"]["clientInfo"]["name"]), (&"initialize".into(), &"teof".into()));
    }
    // Its program has a screen for people.
    assert_eq!(agent("codex-app", "").interactive(Some("p")).unwrap(), ["codex", "p"]);
}

#[test]
fn a_session_id_is_shaped_like_a_uuid_and_always_the_same() {
    let id = session_id("run-1");
    assert_eq!(id, session_id("run-1"));
    assert_ne!(id, session_id("run-2"));
    let parts: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert!(id.as_bytes()[14] == b'5' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
}
