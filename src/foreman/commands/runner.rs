//! Runs commands and agents in a worktree, with the run's environment and time limits.

use std::ops::ControlFlow::{self, Break, Continue};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::executor::{Chosen, Subject};
use super::push_block::PushBlock;
use super::spec;
use crate::agents::{Agent, Call};
use crate::base::{Result, env, files, text};
use crate::exec::{self, AfterDeath, Clocks, Control, Keep, Observer, Report, Spec, Supervisor, TimedOut, Verdict};
use crate::foreman::broker::{Broker, Seat};
use crate::foreman::results::command_result::{CommandResult, Output};
use crate::foreman::sandbox::{LimitReport, Sandbox, SandboxReport, Workplace};
use crate::foreman::watch::{Halt, Watch};
use crate::guard::result::git_trace;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::hub::settings::Worker;
use crate::hub::worktrees::{self, Place};
use crate::model::agent::Usage;
use crate::model::command::Command;
use crate::model::run::outcome::Finding;
use crate::sessions::{Environment, Mode, SessionRecord, Status, StopRequest};

use crate::foreman::reporting::live::{Publisher, SessionFolder, SessionStart};
use crate::foreman::work::Work;

const RECEIPTS: &str = "receipts";
const GIT_TRACE: &str = "git-trace.jsonl";

/// Runs the commands and agents of one run.
pub struct Runner<'a> {
    pub supervisor: &'a Supervisor,
    pub settings: &'a Worker,
    /// The worktree.
    pub root: PathBuf,
    branch: String,
    /// Where receipts and other files of the run's programs go; machine-local.
    pub session: PathBuf,
    live: &'a Publisher<'a>,
    pub environment: Environment,
    env: Vec<(String, String)>,
    /// Environment variables that mark this run's processes.
    marks: Vec<(String, String)>,
    no_output: Duration,
    no_event: Duration,
    wall: Duration,
    push_block: PushBlock,
    executor: Chosen,
    /// Open as long as programs may run.
    _broker: Option<Broker>,
    sandbox: Sandbox,
    /// Started by the coordinator.
    pub unattended: bool,
}

impl<'a> Runner<'a> {
    pub fn new(
        live: &'a Publisher<'a>,
        work: &Work,
        supervisor: &'a Supervisor,
        settings: &'a Worker,
        place: &Place,
        unattended: bool,
    ) -> Result<Self> {
        let (hub, run) = (live.hub, live.run());
        let session = new_folder(hub, &run)?;
        std::fs::create_dir_all(session.join(RECEIPTS)).map_err(|e| files::io_refusal(e, "create", &session))?;
        let push_block = PushBlock::new(hub, &session)?;
        let own = written_by_programs(&session, &push_block)?;
        let at = Workplace {
            root: &place.root,
            git_dir: &place.git_dir,
            branch: &place.branch,
            session: &session,
            own: &own,
        };
        let mut executor = Chosen::new(hub, &Subject { job: work.job(), task: &work.order.task_id }, &at)?;
        let sandbox = Sandbox::new(hub, &at)?;
        let order = &work.order;
        let own = [
            (env::AGENT, order.agent_id.clone()),
            (env::TASK, order.task_id.clone()),
            (env::CLAIM_EPOCH, order.epoch.to_string()),
            (env::RECEIPTS_DIR, session.join(RECEIPTS).display().to_string()),
        ];
        let mut variables = exec::allowed(&settings.env);
        variables.extend(sandbox.variables());
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        variables.extend(worktrees::setup::slot_of(hub, &place.git_dir)?.variables());
        variables.extend(git_trace::variables(&session.join(GIT_TRACE)));
        let seat = Seat::new(&hub.root, work, &run, &place.root, &session.join(RECEIPTS));
        let members = executor.members(supervisor);
        let broker = members.map(|members| Broker::open(seat, supervisor.beside(), members)).transpose()?.flatten();
        if let Some(broker) = &broker {
            executor.show_socket(broker.folder());
        }
        variables.extend(broker.iter().map(Broker::variable));
        Ok(Self {
            supervisor,
            settings,
            root: place.root.clone(),
            branch: place.branch.clone(),
            session,
            live,
            environment: Environment {
                confinement: Some(sandbox.report().state.word().to_owned()),
                ..executor.environment()
            },
            env: variables,
            marks: marks(hub, &run),
            no_output: order.guardrails.no_output,
            no_event: order.guardrails.no_event,
            wall: order.guardrails.wall,
            push_block,
            executor,
            _broker: broker,
            sandbox,
            unattended,
        })
    }

    /// The folder where the run's processes leave receipts.
    pub fn receipts(&self) -> PathBuf {
        self.session.join(RECEIPTS)
    }

    /// The marks of this attempt alone: a paused run continues under the same name.
    pub fn own_marks(&self) -> Vec<(String, String)> {
        let folder = self.receipts().display().to_string();
        self.marks.iter().cloned().chain([(env::RECEIPTS_DIR.to_owned(), folder)]).collect()
    }

    /// The attempted pushes.
    pub fn push_attempts(&self) -> Vec<Finding> {
        self.push_block.attempts()
    }

    /// The trace file of the run's git commands.
    pub fn git_trace(&self) -> PathBuf {
        self.session.join(GIT_TRACE)
    }

    /// The worktree and its branch.
    pub fn place(&self) -> (&Path, &str) {
        (&self.root, &self.branch)
    }

    /// What the kernel confines in this run.
    pub fn sandbox(&self) -> &SandboxReport {
        self.sandbox.report()
    }

    /// What limits its programs.
    pub fn limits(&self) -> &[LimitReport] {
        self.sandbox.limits_report()
    }

    /// Runs an agent's call under an observer, in the session that began. `scratch` is its folder for what it is given
    /// in files.
    pub fn run_agent(
        &self,
        agent: &Agent,
        call: &Call,
        name: &str,
        folder: &SessionFolder,
        scratch: &Path,
        attendant: &mut dyn Observer,
    ) -> Result<Report> {
        let mut env = exec::allowed(&call.inherit);
        env.extend(self.env.iter().cloned().chain(self.live.stage_variable()));
        env.extend(call.set.iter().cloned());
        self.push_block.add_variables(&mut env, self.sandbox.git_settings());
        let mut writable = vec![scratch.to_owned()];
        // Programs open their own output again, as `/dev/stdout`.
        writable.extend(call.output_in_file.then(|| folder.stream()));
        let spec = Spec {
            argv: call.argv.clone(),
            cwd: self.root.clone(),
            env,
            marks: self.marks.clone(),
            stdin: call.stdin.clone(),
            clocks: Clocks {
                silence: spec::some(self.no_output),
                meaning: spec::some(self.no_event),
                wall: spec::some(self.wall),
                linger: self.settings.after_result,
                grace: self.settings.grace,
            },
            output: folder.stream(),
            through_file: call.output_in_file,
            errors: Some(folder.errors()),
            keep: Keep { file: self.settings.max_output, ..Keep::default() },
            confinement: self.sandbox.for_agent(agent, &writable),
            limits: self.sandbox.limits(),
        };
        self.executor.with(&[scratch.to_owned()]).run(self.supervisor, spec, name, attendant)
    }

    /// What removes everything of this run outside of our process tree, once this process was killed.
    pub fn after_death(&self, run: &str) -> AfterDeath {
        self.sandbox.after_death(self.executor.with(&[]).after_death(run))
    }

    /// Runs one command unless the run must stop, and adds the result to `results`. `Break`: the run stopped before or
    /// during the command.
    pub fn run_unless_stopped(
        &self,
        command: &Command,
        name: &str,
        watch: &mut Watch,
        results: &mut Vec<CommandResult>,
        findings: &mut Vec<Finding>,
    ) -> Result<ControlFlow<Halt, CommandResult>> {
        if let Some(halt) = watch.check_halt()? {
            return Ok(Break(halt));
        }
        let done = self.run(command, name, watch)?;
        results.push(done.clone());
        if !done.survivors.is_empty() {
            let message = format!("could not be stopped: {}", done.survivors.join(", "));
            findings.push(Finding::medium("process.survived", "", message));
        }
        Ok(match done.was_cancelled() {
            true => Break(Halt::Paused(format!("interrupted during {}: a stop was requested", done.label))),
            false => Continue(done),
        })
    }

    /// Runs one command, in a session of that name.
    pub fn run(&self, command: &Command, name: &str, watch: &mut Watch) -> Result<CommandResult> {
        let folder = self.live.reserve(name)?;
        let mut env = self.env.clone();
        env.extend(self.live.stage_variable());
        env.extend(self.live.trace.parent_of_programs().map(|parent| (env::TRACEPARENT.to_owned(), parent)));
        env.extend(command.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.push_block.add_variables(&mut env, self.sandbox.git_settings());
        let clocks = spec::clocks(self.settings, self.no_output, self.wall, command);
        let (output, limit) = (folder.stream(), self.settings.max_output);
        let spec = spec::of(command, &self.root, env, self.marks.clone(), clocks, output, limit)?;
        let spec = Spec { confinement: self.sandbox.for_command(), limits: self.sandbox.limits(), ..spec };
        self.live.begin(&SessionStart {
            folder: &folder,
            mode: Mode::Process,
            program: &command.title(),
            place: self.place(),
            environment: &self.environment,
            spent: Usage::default(),
            agent_session: None,
            resumes: false,
            model: None,
        });
        let mut observer = CommandObserver { watch, live: self.live, stopped: None };
        let report = self.executor.with(&[]).run(self.supervisor, spec, name, &mut observer)?;
        let mut done = CommandResult::of(command, &report);
        let stopped = observer.stopped.filter(|_| done.was_cancelled());
        if let Some(stopped) = &stopped {
            (done.status, done.outcome) = ("failed".to_owned(), secrets::redact(&text::safe(&stopped.describe())));
        }
        self.live.end(|record| {
            done.describe(record);
            if stopped.is_some() {
                record.status = Status::Cancelled;
            }
        });
        Ok(done)
    }
}

/// Publishes that a command works, and stops it on request.
struct CommandObserver<'a, 'w> {
    watch: &'a mut Watch<'w>,
    live: &'a Publisher<'a>,
    /// A person ended this session alone.
    stopped: Option<StopRequest>,
}

impl Observer for CommandObserver<'_, '_> {
    fn started(&mut self, pid: i32) {
        self.live.started(pid);
    }

    fn observe(&mut self, chunk: &[u8]) -> bool {
        self.live.active(|_| {});
        !chunk.is_empty()
    }

    fn control(&mut self) -> Control {
        self.live.tick();
        if self.stopped.is_none() {
            self.stopped = self.live.stop_request();
        }
        match self.watch.should_cancel() || self.stopped.is_some() {
            true => Control::Cancel,
            false => Control::Continue,
        }
    }
}

/// What the programs of a run leave: receipts, a trace of their git, and the pushes that they attempted.
fn written_by_programs(session: &Path, pushes: &PushBlock) -> Result<[PathBuf; 3]> {
    let own = [session.join(RECEIPTS), session.join(GIT_TRACE), pushes.log()];
    for file in &own[1..] {
        // Only a file that exists can be granted.
        let made = std::fs::File::options().append(true).create(true).open(file);
        made.map_err(|e| files::io_refusal(e, "create", file))?;
    }
    Ok(own)
}

/// The variables that identify a run's processes. The run's name alone may also exist in another repository.
pub fn marks(hub: &Hub, run: &str) -> Vec<(String, String)> {
    vec![(env::RUN.to_owned(), run.to_owned()), (env::ROOT.to_owned(), hub.root.display().to_string())]
}

/// Makes the folder of one attempt of a run.
pub fn new_folder(hub: &Hub, run: &str) -> Result<PathBuf> {
    let runs = hub.state_home().join("runs");
    for n in 1..1000 {
        let folder = runs.join(if n == 1 { run.to_owned() } else { format!("{run}-{n}") });
        if folder.symlink_metadata().is_err() {
            std::fs::create_dir_all(&folder).map_err(|e| files::io_refusal(e, "create", &folder))?;
            // Without links, for the sandbox.
            return Ok(folder.canonicalize()?);
        }
    }
    anyhow::bail!("no free folder for run {run} in {}", runs.display())
}

impl CommandResult {
    fn of(command: &Command, report: &Report) -> Self {
        let (status, outcome) = describe(&report.verdict);
        let names =
            |list: &[exec::Process]| list.iter().map(|p| format!("{} ({})", text::safe(&p.name), p.pid)).collect();
        Self {
            label: secrets::redact(&command.title()),
            cmd: secrets::redact(&command.to_string()),
            status: status.to_owned(),
            outcome,
            exit_code: if let Verdict::Exited(code) = report.verdict { Some(code) } else { None },
            signal: if let Verdict::Signalled(signal) = report.verdict { Some(signal) } else { None },
            duration_seconds: spec::seconds(report),
            output: Output::of(&report.output),
            tail: spec::tail(report),
            ended: names(&report.ended),
            survivors: names(&report.survivors),
        }
    }

    /// How the command's session ended.
    fn describe(&self, record: &mut SessionRecord) {
        record.exit_code = self.exit_code;
        record.status = match self.status.as_str() {
            "ok" => Status::Done,
            "cancelled" => Status::Cancelled,
            _ => Status::Failed,
        };
        record.reason = (record.status != Status::Done).then(|| self.outcome.clone());
    }
}

fn describe(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Exited(0) => ("ok", "ok".to_owned()),
        Verdict::Exited(code) => ("failed", format!("exit code {code}")),
        Verdict::Signalled(signal) => ("failed", format!("killed by signal {signal}")),
        Verdict::TimedOut(TimedOut::Silence) => ("timed_out", "no output for too long".to_owned()),
        Verdict::TimedOut(TimedOut::Meaning) => ("timed_out", "no progress for too long".to_owned()),
        Verdict::Lingered => ("ok", "stopped after its final answer".to_owned()),
        Verdict::TimedOut(TimedOut::Wall) => ("timed_out", "time limit reached".to_owned()),
        Verdict::Cancelled => ("cancelled", "stopped on request".to_owned()),
        Verdict::OverLimit(which) => ("failed", format!("killed: {which}")),
        Verdict::NotStarted(why) => ("not_started", format!("could not start: {}", text::safe(why))),
    }
}
