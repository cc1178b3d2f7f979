//! Fake agents: small programs that print what an agent prints, and do what a file tells them to.
//!
//! A fake is a shell script whose stream has claude's form. On its n-th call it takes the lines of
//! `<folder>/<name>/<n>`, or of `<folder>/<name>/default`, as a script in its worktree; functions are at hand: `answer
//! JSON` ends with success, `say TEXT` speaks, `use_tool NAME COMMAND` calls a tool, `fails TEXT` says that it failed,
//! `use_tokens N` counts, `limit AT` is out of credit. Every call leaves its prompt in `<n>.prompt`, its arguments in
//! `<n>.args`, its environment in `<n>.env`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A fake agent.
pub struct Fake {
    pub name: String,
    folder: PathBuf,
}

const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
n=1
while ! mkdir "$here/call-$n" 2>/dev/null; do n=$((n + 1)); done
printf '%s\n' "$@" > "$here/$n.args"
env > "$here/$n.env"
if [ -f "$here/protocol" ]; then :; elif [ -f "$here/streams" ]; then IFS= read -r prompt; printf '%s\n' "$prompt" > "$here/$n.prompt"; else cat > "$here/$n.prompt"; fi
session=none
for arg in "$@"; do case $arg in --session-id=*|--resume=*) session=${arg#*=} ;; esac; done
tokens=100
use_tokens() { tokens=$1; printf '{"type":"assistant","message":{"id":"m'$1'","role":"assistant","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":%s,"output_tokens":0}}}\n' "$1"; }
use_tool() { printf '{"type":"assistant","message":{"role":"assistant","content":[{"type":"tool_use","name":"%s","input":{"command":"%s"}}]}}\n' "$1" "$(quoted "$2")"; }
fails() { printf '{"type":"user","message":{"content":[{"type":"tool_result","is_error":true,"content":"%s"}]}}\n' "$1"; }
say() { printf '{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"%s"}]}}\n' "$1"; }
quoted() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g' | tr '\n' ' '; }
result() { printf '{"type":"result","subtype":"%s","is_error":%s,"result":"%s","session_id":"%s","total_cost_usd":0.01,"usage":{"input_tokens":%s,"output_tokens":10}}\n' "$1" "$2" "$(quoted "$3")" "$session" "$tokens"; }
answer() { result success false "$1"; }
limit() {
  printf '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":%s,"rateLimitType":"five_hour"},"session_id":"%s"}\n' "$1" "$session"
  printf '{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"limit","session_id":"%s"}\n' "$session"
  exit 1
}
if [ -f "$here/protocol" ]; then . "$here/protocol"; else printf '{"type":"system","subtype":"init","session_id":"%s","model":"fake-1"}\n' "$session"; fi
deed="$here/$n"
[ -f "$deed" ] || deed="$here/default"
. "$deed"
"#;

/// What makes a fake speak the Agent Client Protocol. `ask COMMAND` asks for permission, `hear` reads what it is told
/// into `line`, `stops REASON` ends its turn. All that it hears is in `<n>.heard`. A file `session` answers in place of
/// an open session.
const ACP: &str = r#"
hear() { IFS= read -r line && printf '%s\n' "$line" >> "$here/$n.heard"; }
send() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
update() { send '"method":"session/update","params":{"sessionId":"'$session'","update":'"$1"'}'; }
say() { update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$(quoted "$1")"'"}}'; }
use_tool() { asked=$((asked + 1)); update '{"sessionUpdate":"tool_call","toolCallId":"t'$asked'","title":"x","name":"'$1'","kind":"execute","status":"in_progress","rawInput":{"command":"'"$(quoted "$2")"'"}}'; }
ask() {
  asked=$((asked + 1))
  send '"id":7,"method":"session/request_permission","params":{"sessionId":"'$session'","toolCall":{"toolCallId":"p'$asked'","title":"x","name":"Bash","kind":"execute","rawInput":{"command":"'"$(quoted "$1")"'"}},"options":[{"optionId":"always","name":"a","kind":"allow_always"},{"optionId":"once","name":"o","kind":"allow_once"},{"optionId":"no","name":"n","kind":"reject_once"}]}'
  hear
}
stops() { send '"id":3,"result":{"stopReason":"'$1'","usage":{"totalTokens":'$((tokens + 10))',"inputTokens":'$tokens',"outputTokens":10}}'; }
answer() { say "$1"; stops end_turn; }
hear
send '"id":0,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true,"sessionCapabilities":{"resume":{}}},"authMethods":[{"id":"login","name":"Log in"}],"agentInfo":{"name":"fake","version":"1.2"}}'
hear
session=$(printf '%s' "$line" | sed -n 's/.*"sessionId":"\([^"]*\)".*/\1/p')
[ -n "$session" ] || session=fake-$n
if [ -f "$here/session" ]; then . "$here/session"; else send '"id":1,"result":{"sessionId":"'$session'"}'; fi
hear
printf '%s\n' "$line" > "$here/$n.prompt"
"#;

/// What makes a fake speak as `codex app-server` does, with the functions of [`ACP`]; `steered` reads a message for its
/// turn into `line` and takes it, `interrupted` ends its turn when it is told to, `quota PERCENT` reports a limit,
/// `limit` reaches it.
const APP_SERVER: &str = r#"
hear() { IFS= read -r line && printf '%s\n' "$line" >> "$here/$n.heard"; }
send() { printf '{%s}\n' "$1"; }
update() { send '"method":"'$1'","params":{"threadId":"'$session'","turnId":"turn-'$n'",'"$2"'}'; }
item() { update item/$1 '"item":{"id":"'$2'",'"$3"'}'; }
say() { item completed m '"type":"agentMessage","text":"'"$(quoted "$1")"'"'; }
begins() { asked=$((asked + 1)); doing='"type":"commandExecution","command":"'"$(quoted "$1")"'"'; item started c$asked "$doing,\"status\":\"inProgress\""; }
use_tool() { begins "$2"; item completed c$asked "$doing,\"status\":\"completed\",\"exitCode\":0,\"aggregatedOutput\":\"x\""; }
ask() { begins "$1"; send '"id":7,"method":"item/commandExecution/requestApproval","params":{"threadId":"'$session'","turnId":"turn-'$n'","itemId":"c'$asked'"}'; hear; }
steered() { hear; send '"id":'$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\),"method":"turn.steer".*/\1/')',"result":{"turnId":"turn-'$n'"}'; }
quota() { send '"method":"account/rateLimits/updated","params":{"rateLimits":{"limitId":"codex","primary":{"usedPercent":'$1',"windowDurationMins":300,"resetsAt":'$(($(date +%s) + 7200))'}}}'; }
stops() {
  update thread/tokenUsage/updated '"tokenUsage":{"total":{"inputTokens":'$((tokens * n))',"outputTokens":'$((10 * n))'},"last":{"inputTokens":'$tokens',"outputTokens":10}}'
  update turn/completed '"turn":{"id":"turn-'$n'","status":"'$1'","error":'"${2:-null}"'}'
}
answer() { say "$1"; stops completed; }
interrupted() { hear; send '"id":3,"result":{}'; stops interrupted; }
limit() { quota 100; stops failed '{"message":"You have hit your usage limit.","codexErrorInfo":"usageLimitExceeded"}'; }
hear
send '"id":0,"result":{"userAgent":"teof/1.2 (x)"}'
hear
hear
session=$(printf '%s' "$line" | sed -n 's/.*"threadId":"\([^"]*\)".*/\1/p')
[ -n "$session" ] || session=fake-$n
if [ -f "$here/session" ]; then . "$here/session"; else send '"id":1,"result":{"model":"fake-1","thread":{"id":"'$session'"}}'; fi
hear
printf '%s\n' "$line" > "$here/$n.prompt"
send '"id":2,"result":{"turn":{"id":"turn-'$n'"}}'
update turn/started '"turn":{"id":"turn-'$n'","status":"inProgress"}'
"#;

/// Answers that need nothing more.
pub const DONE: &str = r#"answer '{"analysis": "did it", "commands": [], "receipts": []}'"#;
pub const APPROVE: &str = r#"answer '{"analysis": "good", "commands": [], "receipts": [], "verdict": "approve", "confidence": 90, "findings": []}'"#;
pub const REJECT: &str = r#"answer '{"analysis": "bad", "commands": [], "receipts": [], "verdict": "reject", "confidence": 80, "findings": [{"file": "src/code.txt", "line": 1, "message": "spell it right", "severity": "high"}]}'"#;

impl Fake {
    /// Makes a fake in `folder/<name>`; `default` is what it does when no call has a script of its own.
    pub fn new(folder: &Path, name: &str, default: &str) -> Fake {
        let fake = Fake { name: name.to_owned(), folder: folder.join(name) };
        fs::create_dir_all(&fake.folder).unwrap();
        fs::write(fake.program(), SCRIPT).unwrap();
        fs::set_permissions(fake.program(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(fake.folder.join("default"), default).unwrap();
        fake
    }

    pub fn program(&self) -> PathBuf {
        self.folder.join("agent")
    }

    /// Says what its n-th call does.
    pub fn on(&self, call: u32, script: &str) -> &Fake {
        fs::write(self.folder.join(call.to_string()), script).unwrap();
        self
    }

    /// From now on it takes messages: its prompt is the first line of its stdin, notes are further ones.
    pub fn takes_messages(&self) -> &Fake {
        fs::write(self.folder.join("streams"), "").unwrap();
        self
    }

    /// From now on it speaks the Agent Client Protocol.
    pub fn speaks_acp(&self) -> &Fake {
        self.speaks("acp", ACP)
    }

    /// From now on it speaks as `codex app-server` does.
    pub fn speaks_app_server(&self) -> &Fake {
        self.speaks("codex-app-server", APP_SERVER)
    }

    fn speaks(&self, format: &str, script: &str) -> &Fake {
        fs::write(self.folder.join("format"), format).unwrap();
        fs::write(self.folder.join("protocol"), script).unwrap();
        self
    }

    /// What it was told in a call: the messages, in order.
    pub fn heard(&self, call: u32) -> Vec<Value> {
        let lines = fs::read_to_string(self.folder.join(format!("{call}.heard"))).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How often it was called.
    pub fn calls(&self) -> u32 {
        let files = fs::read_dir(&self.folder).unwrap().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("call-")).count() as u32
    }

    pub fn prompt(&self, call: u32) -> String {
        fs::read_to_string(self.folder.join(format!("{call}.prompt"))).unwrap()
    }

    pub fn args(&self, call: u32) -> String {
        fs::read_to_string(self.folder.join(format!("{call}.args"))).unwrap()
    }

    pub fn env(&self, call: u32) -> String {
        fs::read_to_string(self.folder.join(format!("{call}.env"))).unwrap()
    }

    /// A file that a script of this fake may write and a test may wait for.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Its section of `teof.toml`.
    pub fn settings(&self) -> String {
        if let Ok(format) = fs::read_to_string(self.file("format")) {
            let program = Value::from(self.program().display().to_string());
            let folder = Value::from(format!("{}/", self.folder.display()));
            return format!(
                "[agents.{}]\ncommand = [{program}]\nformat = \"{format}\"\nwrite = [{folder}]\n",
                self.name
            );
        }
        let prompt = if self.file("streams").exists() { "prompt = \"stream\"\n" } else { "" };
        format!(
            "[agents.{}]\ncommand = [{}]\nformat = \"claude\"\n{prompt}session_args = [\"--session-id={{session}}\"]\nresume_args = [\"--resume={{session}}\"]\nwrite = [{}]\n",
            self.name,
            Value::from(self.program().display().to_string()),
            Value::from(format!("{}/", self.folder.display()))
        )
    }
}
