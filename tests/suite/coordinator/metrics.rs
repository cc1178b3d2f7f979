//! What a coordinator's work comes to, for machines: metrics, the summary, and traces at a collector of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::agents::{DONE, Fake};

/// Answers requests and passes on their bodies.
fn collector() -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap() > 2 {}
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap()];
            reader.read_exact(&mut body).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            assert!(head.starts_with("POST /v1/traces ") && head.contains("api-key: k1"), "{head}");
            let _ = send.send(serde_json::from_slice(&body).unwrap());
        }
    });
    (url, bodies)
}

fn spans(body: &Value) -> Vec<Value> {
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

#[test]
fn work_is_counted_for_prometheus_the_summary_and_a_collector_of_traces() {
    let world = World::bare_of_teof();
    let agent = Fake::new(&world.folder(), "fake", &format!("echo one >> one.txt\n{DONE}"));
    for seat in ["manager", "worker-1"] {
        world.ok(&["init", "--agent", seat, "-q"]);
    }
    // Set-up and tests fail without it.
    let traced = "case $TRACEPARENT in 00-*-01) ;; *) exit 1;; esac";
    let stages =
        format!("[pipeline]\nstages = [\"coder\"]\n[coordinator]\nrecord = false\n[worktrees]\nsetup = [{traced:?}]\n");
    world.write("teof.toml", &format!("{}[roles.coder]\nagent = \"fake\"\n{stages}", agent.settings()));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "Set up"]);
    world.ok(&["consent", "grant", "--continuous"]);
    world.ok(&["coordinator", "submit", "--test", traced, "--objective", "Do it"]);
    let (url, bodies) = collector();
    let mut run = world.teof(&["coordinator", "run", "--until-idle"]);
    run.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k1");
    assert!(run.output().unwrap().status.success());

    let body = bodies.recv_timeout(Duration::from_secs(30)).expect("the run is sent");
    let sent = spans(&body);
    let named = |name: &str| sent.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {body}"));
    let (whole, coder, call) = (named("run"), named("coder"), named("call fake"));
    assert_eq!((&call["parentSpanId"], &coder["parentSpanId"]), (&coder["spanId"], &whole["spanId"]));
    assert!(sent.iter().all(|span| span["traceId"] == whole["traceId"]), "one trace: {body}");
    let parent =
        format!("TRACEPARENT=00-{}-{}-01", whole["traceId"].as_str().unwrap(), call["spanId"].as_str().unwrap());
    assert!(agent.env(1).contains(&parent), "{}", agent.env(1));

    let job = world.json(&["status"])["jobs"][0]["id"].as_str().unwrap().to_owned();
    let mut approve = world.teof(&["review", "approve", &job]);
    approve.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k1");
    assert!(approve.output().unwrap().status.success());
    let over = spans(&bodies.recv_timeout(Duration::from_secs(30)).expect("the job is sent"));
    assert_eq!((&over[0]["name"], &over[0]["spanId"]), (&json!("job"), &whole["parentSpanId"]));

    let text = world.ok(&["coordinator", "metrics"]);
    for line in [
        "teof_jobs_total{outcome=\"done\"} 1",
        "teof_queue_wait_seconds_count 1",
        "teof_person_wait_seconds_count 1",
        "teof_tokens_total 110",
        "teof_recent_success_ratio 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(text.contains("teof_stage_duration_seconds{stage=\"coder\",quantile=\"0.9\"} "), "{text}");
    let document = world.json(&["coordinator", "metrics"]);
    assert_eq!(document["recent"]["jobs"]["succeeded"], 1, "{document}");
    let summary = world.read_json("_report/usage/autonomy-coordinator/summary.json");
    assert_eq!((&summary["successes"], &summary["recent"]["jobs"]["ended"]), (&json!(1), &json!(1)), "{summary}");
}
