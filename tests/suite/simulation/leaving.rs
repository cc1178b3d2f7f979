//! What may be left undone by a coordinator that says that nothing is left to do.

use teof::coordinator::state::input::Leave;
use teof::coordinator::{Effect, State};

use super::History;
use super::world::Task;

impl History {
    /// A coordinator that ends because it is idle leaves no task that it could have chosen.
    pub fn check_leaving(&self, effects: &[Effect]) {
        let state = self.process.as_ref().unwrap();
        let idle = effects.iter().any(|effect| matches!(effect, Effect::Exit(Leave::Idle)));
        if !idle || self.one_shot || state.paused.is_some() || state.breaker.open.is_some() || !self.world.consent {
            return;
        }
        let open = self.world.tasks.iter().filter(|task| self.world.is_open(task));
        let left: Vec<_> = open.filter(|task| self.may_be_chosen(state, task)).map(|task| &task.id).collect();
        assert!(left.is_empty(), "idle, and {left:?} could be done");
    }

    fn may_be_chosen(&self, state: &State, task: &Task) -> bool {
        let agents: Vec<_> = task.agent.map(str::to_owned).into_iter().collect();
        let in_its_way = |other: &str, plan: Option<&String>| {
            other == task.id || plan.is_some_and(|plan| task.plan.as_ref() == Some(plan))
        };
        !state.skips.contains_key(&task.id)
            && !state.cooling.contains_key(&task.id)
            && state.asleep(&agents, self.world.stamp()).is_none()
            && !state.live_jobs().any(|job| in_its_way(&job.task, job.plan.as_ref()))
    }
}
