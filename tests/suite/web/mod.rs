//! `teof web`: who may open the page, what it refuses, what it shows, and what is decided in it.

mod browser;
mod chromium;
mod notes;
mod screens;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use teof::base::lock::FileLock;

use crate::first_hour::{existing, teof};
use crate::harness::{Ran, World};
use crate::results::Site;
use crate::review::{Desk, JOB};

/// A title that a page, a terminal and a reader could each misread.
const HOSTILE: &str =
    "<script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 1\"> \u{1b}[31mred \u{202e}dab";

/// A repository whose one result has the hostile title.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.plan = json!({"title": HOSTILE});
    desk.bundle(&["true"]);
    desk
}

/// A page that is served; it is stopped when this is dropped.
struct Served {
    child: Child,
    link: String,
    port: u64,
}

impl Served {
    fn start(world: &World) -> Served {
        let mut command = world.teof(&["web", "--json", "--quiet"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !said.contains("\n}") {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {said}")).unwrap();
            said.push_str(&format!("{line}\n"));
        }
        let told: Value = serde_json::from_str(&said).unwrap();
        Served { child, link: told["url"].as_str().unwrap().to_owned(), port: told["port"].as_u64().unwrap() }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The path of the link, with its token.
    fn path(&self) -> &str {
        self.link.split_once(&self.host()).unwrap().1
    }

    /// Follows the link; gives back the session's cookie.
    fn session(&self) -> String {
        let reply = self.ask("GET", self.path(), &[], "");
        assert_eq!(reply.status, 200, "{reply:?}");
        let cookie = reply.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A request with these headers over the usual ones; `Host` too is replaced by one of the same name.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = self.send(method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::of(&String::from_utf8(bytes).unwrap())
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port as u16)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let host = self.host();
        let usual =
            [("Host", host.as_str())].into_iter().filter(|(name, _)| headers.iter().all(|(set, _)| set != name));
        let lines: String =
            usual.chain(headers.iter().copied()).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    /// Ctrl-C; it must end well.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success(), "it ends well");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn of(text: &str) -> Reply {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

#[test]
fn only_a_person_can_start_the_page() {
    let world = World::new();
    let refused = |variable: &str, value: &str| {
        let mut command = world.teof(&["web", "--json"]);
        command.env_remove("TEOF_OPERATOR_TOKEN").env(variable, value).stdin(Stdio::null());
        let ran = Ran::of(command.output().unwrap(), &["web"]).expect(6);
        assert!(ran.stderr.contains("trust.person") && ran.stdout.is_empty(), "{ran:?}");
    };
    refused("TEOF_AGENT", "codex-1");
    refused("CLAUDECODE", "1");
    refused("TEOF_RUN", "job-1.1");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = world.run(&["web", "--port", &port]).expect(1);
    assert!(
        ran.stderr.contains("cannot listen on port") && ran.stderr.contains("fix: teof web  # take a free port"),
        "{ran:?}"
    );
}

/// Any program of this machine can connect: what it holds open without a request is taken from it.
#[test]
fn connections_without_a_request_end_and_a_look_at_the_head_leaves_the_link_as_it_is() {
    let desk = desk();
    let page = Served::start(&desk.world);
    let mut held: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(page.host()).unwrap()).collect();
    for stream in &mut held {
        stream.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    }
    assert_eq!(page.ask("HEAD", page.path(), &[], "").status, 405, "served after those that took a place before it");
    page.session();
    let mut left = Vec::new();
    held[0].read_to_end(&mut left).unwrap();
    assert!(String::from_utf8_lossy(&left).lines().next().is_none_or(|line| line.contains("408")), "{left:?}");
}

#[test]
fn the_page_is_for_the_session_of_its_link_alone_and_decides_as_the_person() {
    let desk = desk();
    let page = Served::start(&desk.world);
    let own = format!("http://{}", page.host());

    // Without the session nothing is told, and the link works once.
    for path in ["/", "/review", "/jobs/j1", "/events?page=/", "/app.js", "/nothing"] {
        assert_eq!(page.ask("GET", path, &[], "").status, 401, "{path}");
        assert_eq!(page.ask("GET", path, &[("Cookie", "teof-session=x")], "").status, 401, "{path}");
    }
    assert_eq!(page.ask("POST", "/jobs/j1/approve", &[("Origin", &own)], "").status, 401);
    assert_eq!(page.ask("GET", "/open?token=guess", &[], "").status, 401);
    assert_eq!(page.ask("GET", page.path(), &[("Host", "evil.example")], "").status, 403);
    let by_worker = of_worker(&page, "");
    assert!(by_worker.contains("403") && by_worker.contains("A worker sent this request"), "{by_worker}");
    let cookie = page.session();
    let again = page.ask("GET", page.path(), &[], "");
    assert!(again.status == 410 && again.header("set-cookie").is_none(), "{again:?}");

    // With it, only requests of the page itself pass.
    let get = |path: &str, headers: &[(&str, &str)]| {
        page.ask("GET", path, &[&[("Cookie", cookie.as_str())], headers].concat(), "")
    };
    let board = get("/", &[]);
    let policy = board.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(board.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(board.header("cache-control"), Some("no-store"));
    assert!(board.body.contains("<a class=\"button\" href=\"/review\">Review"), "{}", board.body);
    for path in ["/", "/events?page=/"] {
        for foreign in [
            [("Host", "evil.example")],
            [("Host", "127.0.0.1")],
            [("Origin", "http://evil.example")],
            [("Origin", "null")],
            [("Sec-Fetch-Site", "cross-site")],
            [("Sec-Fetch-Site", "same-site")],
        ] {
            assert_eq!(get(path, &foreign).status, 403, "{path} {foreign:?}");
        }
        let line =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n", page.host());
        let by_worker = of_worker(&page, &line);
        assert!(by_worker.contains("403") && by_worker.contains("A worker sent this request"), "{by_worker}");
    }
    for path in ["/nothing", "/jobs/j7", "/jobs/", "/src/faces", "/../../etc/passwd", "/events?page=/nothing", "/open/"]
    {
        assert_eq!(get(path, &[]).status, 404, "{path}");
    }

    // Hostile text is text, on every page that shows it.
    for path in ["/", "/review", "/jobs/j1"] {
        let shown = get(path, &[]).body;
        assert!(
            !shown.contains("<script>window") && !shown.contains("<img") && !shown.contains(['\u{1b}', '\u{202e}']),
            "{shown}"
        );
        assert!(path == "/" || shown.contains("&lt;script&gt;window.hacked = 1&lt;/script&gt;"), "{path}: {shown}");
    }
    let job = get("/jobs/j1", &[]).body;
    assert!(job.contains("␛[31mred \u{fffd}dab"), "{job}");
    assert!(job.contains("src/new.txt") && job.contains("class=\"add\""), "the diff: {job}");

    // A bus event reaches an open page.
    let mut events = BufReader::new(page.send("GET", "/events?page=/", &[("Cookie", &cookie)], ""));
    until_line(&mut events, "\"id\":\"controls\"");
    desk.world.ok(&["bus", "event", "--event", "observation", "--summary", "A <b>new</b> event"]);
    until_line(&mut events, "A &lt;b&gt;new&lt;/b&gt; event");
    // What could not be read is not shown any longer than it is so, although nothing else changed.
    let state = desk.world.repo.join(".git/teof/coordinator/state.json");
    let aside = state.with_extension("aside");
    std::fs::create_dir_all(state.parent().unwrap()).unwrap();
    let had = std::fs::rename(&state, &aside).is_ok();
    std::fs::write(&state, "{").unwrap();
    until_line(&mut events, "The board cannot be read");
    match had {
        true => std::fs::rename(&aside, &state).unwrap(),
        false => std::fs::remove_file(&state).unwrap(),
    }
    until_line(&mut events, "\"id\":\"trouble\"");
    let still_open = events;

    // What changes something needs the page's own origin and form.
    let (form, run) = (field(&job, "form"), field(&job, "run"));
    let post =
        |path: &str, origin: &str, body: &str| page.ask("POST", path, &[("Cookie", &cookie), ("Origin", origin)], body);
    let approval = format!("form={form}&run={run}");
    assert_eq!(page.ask("POST", "/jobs/j1/approve", &[("Cookie", &cookie)], &approval).status, 403, "no origin");
    for origin in ["null", "http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1"] {
        assert_eq!(post("/jobs/j1/approve", origin, &approval).status, 403, "{origin}");
    }
    assert_eq!(post("/jobs/j1/approve", &own, &format!("form=guess&run={run}")).status, 403);
    assert_eq!(post("/jobs/j1/approve", &own, &format!("form={form}&note={}", "x".repeat(70_000))).status, 413);
    for act in ["approve", "retry", "reject", "answer"] {
        for other in [String::new(), format!("&run={JOB}0.1"), format!("&run={JOB}")] {
            assert_eq!(
                post(&format!("/jobs/j1/{act}"), &own, &format!("form={form}{other}")).status,
                400,
                "{act}{other}"
            );
        }
    }
    assert_eq!(post("/jobs/j1/destroy", &own, &approval).status, 404);
    assert_eq!(page.ask("DELETE", "/jobs/j1/approve", &[("Cookie", &cookie), ("Origin", &own)], "").status, 405);
    let before = desk.world.git(&["rev-parse", "main"]);
    let by_worker = of_worker(
        &page,
        &format!(
            "POST /jobs/j1/approve HTTP/1.1\r\nHost: {host}\r\nOrigin: {own}\r\nCookie: {cookie}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{approval}",
            host = page.host(),
            length = approval.len()
        ),
    );
    assert!(by_worker.contains("403") && by_worker.contains("A worker sent this request"), "{by_worker}");

    // Another run than the one that the person saw is not merged; that one is, in their name.
    let done = |body: &str| {
        let reply = post("/jobs/j1/approve", &own, body);
        assert!(reply.status == 303 && reply.header("location") == Some("/jobs/j1"), "{reply:?}");
        let settled = || {
            let shown = get("/jobs/j1", &[]).body;
            (!shown.contains("Approving…")).then_some(shown)
        };
        crate::harness::until("the approval is done", || settled().is_some());
        settled().unwrap()
    };
    let refused = done(&format!("form={form}&run={JOB}.2"));
    assert!(refused.contains("no such finished job"), "{refused}");
    assert_eq!(desk.world.git(&["rev-parse", "main"]), before);
    let merged = done(&approval);
    assert!(merged.contains("is merged to main"), "{merged}");
    assert_eq!(desk.show("main:src/new.txt"), "new");
    let shown = desk.world.json(&["review", "show", "j1"]);
    let decision = &shown["decision"];
    let recognised = desk.world.json(&["operator", "whoami"])["recognised"].clone();
    assert_eq!((&decision["by"], &decision["recognised"]), (&json!("Tester"), &recognised), "{decision}");
    // It stops although a page is open.
    page.stop();
    drop(still_open);
}

#[test]
fn a_blocked_job_is_dismissed_on_its_page() {
    let site = Site::new("", "exit 1");
    let task = site.submit("Append two");
    assert_eq!(site.run().code, 1);
    let page = Served::start(&site.world);
    let cookie = page.session();
    let job = || page.ask("GET", "/jobs/j1", &[("Cookie", &cookie)], "").body;
    let shown = job();
    assert!(shown.contains("<summary>Dismiss it</summary>"), "{shown}");
    let fields = format!("form={}&run={}&text=Not+wanted", field(&shown, "form"), field(&shown, "run"));
    let origin = format!("http://{}", page.host());
    let headers = [("Cookie", cookie.as_str()), ("Origin", origin.as_str())];
    assert_eq!(page.ask("POST", "/jobs/j1/reject", &headers, &fields).status, 303);
    crate::harness::until("the job to be dismissed", || !job().contains("Dismiss it"));
    assert!(job().contains("Queue it again"), "it can still be done again");
    let reason = site.job(&task)["last"]["reason"].clone();
    assert_eq!(reason, "rejected by Tester: Not wanted");
    assert_eq!(site.world.json(&["status"])["summary"]["blocked"], json!([]));
    page.stop();
}

#[test]
fn a_result_of_an_unknown_job_is_approved_or_rejected_and_a_secret_in_it_is_told_with_its_branch() {
    let mut desk = Desk::new();
    // Put together here, so that this file holds none.
    let key = ["AKIA", "Q7RK2ZP9XW4TN8VB"].concat();
    desk.commit = desk.work(&[("src/key.txt", &format!("{key}\n"))]);
    desk.bundle(&[]);
    let page = Served::start(&desk.world);
    let cookie = page.session();
    let shown = page.ask("GET", "/jobs/j1", &[("Cookie", &cookie)], "").body;
    assert!(shown.contains("Reject it") && !shown.contains("Retry with this note"), "{shown}");
    assert!(shown.contains("a secret is hidden here") && shown.contains("git branch -D agent/"), "{shown}");
    assert!(!shown.contains(&key));
    page.stop();
}

#[test]
fn an_approval_on_the_page_commits_a_record_with_a_branch_of_its_own() {
    let world = existing();
    teof(&world, "init --yes -q").expect(0);
    teof(&world, "do \"Document the parser\" --yes").expect(0);
    let hub = world.hub().root;
    let record = || world.git_in(&hub, &["rev-parse", "HEAD"]);
    let before = record();
    let page = Served::start(&world);
    let cookie = page.session();
    let shown = page.ask("GET", "/jobs/j1", &[("Cookie", &cookie)], "").body;
    let fields = format!("form={}&run={}", field(&shown, "form"), field(&shown, "run"));
    let origin = format!("http://{}", page.host());
    let headers = [("Cookie", cookie.as_str()), ("Origin", origin.as_str())];
    assert_eq!(page.ask("POST", "/jobs/j1/approve", &headers, &fields).status, 303);
    crate::harness::until("the record to be committed", || record() != before);
    assert_eq!(world.git_in(&hub, &["status", "--porcelain", "_bus", "_plans", "_report"]), "");
    page.stop();
}

/// The value of the first field of this name in a page's forms.
fn field(page: &str, name: &str) -> String {
    let from = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
    from.split_once('"').unwrap().0.to_owned()
}

/// What a program that carries the mark of a worker gets; without a request it opens the link.
fn of_worker(page: &Served, request: &str) -> String {
    let open = format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", page.path(), page.host());
    let request = if request.is_empty() { open } else { request.to_owned() };
    let line = format!("ulimit -x 1414483782; exec 3<>/dev/tcp/127.0.0.1/{}; printf %s \"$1\" >&3; cat <&3", page.port);
    let output = Command::new("bash").args(["-c", &line, "bash", &request]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Reads until a line has the words.
fn until_line(lines: &mut impl BufRead, words: &str) {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended before {words:?}");
        if line.contains(words) {
            return;
        }
    }
}

#[test]
fn the_page_names_what_keeps_jobs_from_starting_as_status_does() {
    let desk = desk();
    desk.world.ok(&["consent", "grant", "--continuous"]);
    let lock = desk.world.repo.join(".git/teof/locks/coordinator.lock");
    let _held = FileLock::acquire(&lock, Duration::ZERO, "lock.wait", "coordinator").unwrap();
    let facts = json!({"pid": std::process::id(), "obstacle": "only 3 MB are free"});
    desk.world.write(".git/teof/coordinator/process.json", &facts.to_string());
    let wanted = "no job starts: only 3 MB are free";
    let status = desk.world.ok(&["status"]);
    assert!(status.contains(wanted), "{status}");
    let page = Served::start(&desk.world);
    let cookie = page.session();
    let board = page.ask("GET", "/", &[("Cookie", &cookie)], "").body;
    let header = &board[board.find("id=\"state\"").unwrap()..board.find("id=\"main\"").unwrap()];
    assert!(header.contains(wanted), "{header}");
}
