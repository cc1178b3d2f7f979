//! From a request to a result that a person decides about: how it is told, what is merged, and how it ends.

mod bulk;
mod delivery;
mod ends;
mod history;
mod late;
mod persons;
mod reasons;

use std::fs;

use serde_json::{Value, json};

use crate::harness::agents::{DONE, Fake};
use crate::harness::{Ran, World};

/// A repository with a manager, a worker and one scripted coder.
pub struct Site {
    pub world: World,
    pub coder: Fake,
}

impl Site {
    /// `work` is what the coder does when a call has no script of its own.
    pub fn new(settings: &str, work: &str) -> Site {
        Site::granted(settings, work, &["--continuous"])
    }

    /// With the consent that the flags grant.
    pub fn granted(settings: &str, work: &str, grant: &[&str]) -> Site {
        let world = World::new();
        let seat = |id: &str, role: &str| json!({"agent_id": id, "desired_roles": [role]}).to_string();
        world.write("AGENT_MANIFEST.json", &seat("manager", "manager"));
        world.write("AGENT_MANIFEST.worker-1.json", &seat("worker-1", "engineer"));
        world.write("src/code.txt", "one\n");
        let coder = Fake::new(&world.folder(), "coder", work);
        let head = "[coordinator]\nretries = 0\npoll_min = \"1s\"\npoll_max = \"1s\"\n[pipeline]\nstages = [\"coder\"]\n[roles.coder]\nagent = \"coder\"\n";
        world.write("teof.toml", &format!("{head}{}{settings}\n", coder.settings()));
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "Set up"]);
        world.ok(&[&["consent", "grant", "--allow-apply"], grant].concat());
        Site { world, coder }
    }

    /// A coder that appends a line, and is done.
    pub fn appending(settings: &str) -> Site {
        Site::new(settings, &format!("echo two >> src/code.txt\n{DONE}"))
    }

    /// Submits an objective; gives back its task.
    pub fn submit(&self, objective: &str) -> String {
        self.world.ok(&["coordinator", "submit", "--objective", objective, "--test", "true"]);
        objective.to_lowercase().replace(" the ", "-").replace(' ', "-")
    }

    /// The id of the plan that was made of a submitted objective.
    pub fn plan(&self, task: &str) -> String {
        let plan = self.world.json(&["plan", "show", task]);
        plan["plan"]["plan_id"].as_str().unwrap_or_else(|| panic!("no plan: {plan}")).to_owned()
    }

    pub fn run(&self) -> Ran {
        self.world.run(&["coordinator", "run", "--until-idle"])
    }

    /// The newest job of a task.
    pub fn job(&self, task: &str) -> Value {
        let status = self.world.json(&["coordinator", "status", "--limit", "100"]);
        let all = ["finished", "jobs"].map(|list| status[list].as_array().unwrap().clone()).concat();
        all.iter().rev().find(|job| job["task"] == task).unwrap_or_else(|| panic!("no job: {status:#}")).clone()
    }

    /// The id of the job whose result waits for review.
    pub fn waiting(&self) -> String {
        let listed = self.world.json(&["review", "list"]);
        listed[0]["job"].as_str().unwrap_or_else(|| panic!("nothing waits: {listed}")).to_owned()
    }

    /// Everything that any view says about a task.
    pub fn views(&self, task: &str) -> Vec<(&'static str, String)> {
        let views: [(&str, &[&str]); 7] = [
            ("status", &["coordinator", "status"]),
            ("status --json", &["coordinator", "status", "--json"]),
            ("logs", &["coordinator", "logs", task]),
            ("explain", &["coordinator", "explain", task]),
            ("plan show", &["plan", "show", task]),
            ("review show", &["review", "show", task]),
            ("bus status", &["bus", "status", "--all"]),
        ];
        views.into_iter().map(|(name, args)| (name, self.world.ok(args))).collect()
    }
}
