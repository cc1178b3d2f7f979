//! What a worker starts writes only to its own worktree and what the settings grant: the kernel refuses the rest.
//!
//! Where the kernel has no Landlock, the tests are skipped.

mod attacks;
mod settings;

use serde_json::{Value, json};
use teof::exec::Support;

use crate::harness::work::{SEAT, UNCONFINED};
use crate::harness::{World, skip, until, until_or};

/// Whether the kernel confines; without it a test is skipped.
fn kernel_confines(test: &str) -> bool {
    let confines = Support::of_this_kernel().abi > 0;
    if !confines {
        skip(test, "this kernel has no Landlock");
    }
    confines
}

/// A world with an order, and a person's grant of these settings.
struct Confined {
    world: World,
    order: Value,
}

impl Confined {
    fn new(settings: &str) -> Confined {
        Self::of(World::on_disk(), |_| settings.to_owned())
    }

    fn of(world: World, settings: impl Fn(&World) -> String) -> Confined {
        let world = world.add_work(&[]);
        world.grant(&settings(&world));
        let order = world.order(json!({"guardrails.diff_limit": 400, "guardrails.tests": ["true"]}));
        Confined { world, order }
    }

    /// Runs commands as one run; gives back its outcome and its envelope.
    fn run(&mut self, run: &str, commands: &[&str]) -> (Value, Value) {
        self.order["commands"] = json!(commands);
        let order = self.world.write_order(&self.order);
        let ran = self.world.run(&["foreman", "run", &order, "--execute", "--run", run, "--json"]);
        let outcome = self.world.outcome(run).unwrap_or_else(|| panic!("no outcome: {ran:?}"));
        let envelope = self.world.read_json(outcome["envelope"].as_str().unwrap_or_else(|| panic!("{outcome:#}")));
        (outcome, envelope)
    }

    fn branch(&self) -> String {
        format!("agent/{SEAT}/docs")
    }
}
