//! A client of `teof mcp`: the SDK's own, and one that writes lines as they come.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion, Tool};
use rmcp::service::RunningService;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};
use tokio::net::unix::pipe;
use tokio::runtime::{Builder, Runtime};

use crate::harness::World;

/// The SDK's client, with the server that it started.
pub struct Client {
    pub server: Child,
    runtime: Runtime,
    service: Option<RunningService<RoleClient, ()>>,
    tools: Vec<Tool>,
}

/// The newest version with a handshake.
pub fn with_handshake() -> ClientLifecycleMode {
    ClientLifecycleMode::Initialize
}

/// Without one: each request says which version it speaks.
pub fn stateless() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

impl Client {
    /// Starts `teof mcp` as a seat.
    pub fn start(world: &World, seat: &str) -> Client {
        Client::begin(world.teof(&["mcp"]).env("TEOF_AGENT", seat), with_handshake())
    }

    pub fn begin(command: &mut Command, lifecycle: ClientLifecycleMode) -> Client {
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (input, output) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
        let (service, tools) = runtime.block_on(async {
            let input = pipe::Sender::from_owned_fd(input.into()).unwrap();
            let output = pipe::Receiver::from_owned_fd(output.into()).unwrap();
            let service = ().serve_with_lifecycle((output, input), lifecycle).await.unwrap();
            let tools = service.list_all_tools().await.unwrap();
            (service, tools)
        });
        Client { server, runtime, service: Some(service), tools }
    }

    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    pub fn service(&self) -> &RunningService<RoleClient, ()> {
        self.service.as_ref().unwrap()
    }

    /// Runs a request of the SDK's to its end.
    pub fn wait<T>(&self, request: impl Future<Output = T>) -> T {
        self.runtime.block_on(request)
    }

    pub fn call(&self, tool: &str, arguments: Value) -> CallToolResult {
        let Value::Object(arguments) = arguments else { panic!("{arguments}") };
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.wait(self.service().call_tool(request)).unwrap()
    }

    /// Calls a tool, which must succeed with what its schema says; gives back its answer.
    #[track_caller]
    pub fn ok(&self, tool: &str, arguments: Value) -> Value {
        let schema = self.tools.iter().find(|one| one.name == tool).unwrap();
        let input = Value::Object(schema.input_schema.as_ref().clone());
        assert!(jsonschema::is_valid(&input, &arguments), "{tool} takes {input}, not {arguments}");
        let result = self.call(tool, arguments);
        assert_ne!(result.is_error, Some(true), "{tool}: {result:?}");
        let answer = result.structured_content.unwrap();
        let output = Value::Object(schema.output_schema.clone().unwrap().as_ref().clone());
        if let Err(wrong) = jsonschema::validate(&output, &answer) {
            panic!("{tool}: {wrong} in {answer:#}, by {output:#}");
        }
        answer
    }

    /// Calls a tool, which must refuse; gives back the parts of the refusal, and what the model reads.
    #[track_caller]
    pub fn refused(&self, tool: &str, arguments: Value) -> (Value, String) {
        let result = self.call(tool, arguments);
        assert_eq!(result.is_error, Some(true), "{tool}: {result:?}");
        let text = result.content[0].as_text().unwrap().text.clone();
        (result.meta.unwrap().0["teof/error"].clone(), text)
    }

    /// Closes the connection; what the server says on stderr and its exit code.
    pub fn end(mut self) -> (String, Option<i32>) {
        let service = self.service.take().unwrap();
        self.runtime.block_on(service.cancel()).unwrap();
        let output = self.server.wait_with_output().unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code())
    }

    /// Kills the server as a machine does that goes down.
    pub fn kill(mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        self.runtime.shutdown_background();
    }
}

/// A client that writes lines itself.
pub struct Lined {
    pub server: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Lined {
    pub fn begin(command: &mut Command) -> Lined {
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
        Lined { server, input, output: BufReader::new(output).lines() }
    }

    /// The handshake of a version; the server's answer.
    pub fn initialize(&mut self, version: &str) -> Value {
        self.send(&initialize(version));
        let answer = self.next();
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer
    }

    pub fn send(&mut self, message: &Value) {
        self.write(&format!("{message}\n"));
    }

    pub fn write(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
    }

    pub fn next(&mut self) -> Value {
        let line = self.output.next().expect("the server is gone").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("not of the protocol ({e}): {line}"))
    }

    /// Closes stdin; the exit code.
    pub fn end(self) -> Option<i32> {
        let Lined { mut server, input, output } = self;
        drop((input, output));
        server.wait().unwrap().code()
    }
}

pub fn initialize(version: &str) -> Value {
    let client = json!({"name": "a test", "version": "1"});
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

/// A tool call as a message.
pub fn call(id: u64, tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}
