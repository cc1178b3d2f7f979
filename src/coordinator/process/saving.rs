//! Saves the state before anything is begun that is not in it, and says what a process does that cannot save it.

use std::time::{Duration, Instant};

use super::Shell;
use crate::base::Result;
use crate::coordinator::executor::publish;
use crate::coordinator::state::input::{Effect, Leave};
use crate::coordinator::state::store::Store;

/// When the state could not be saved, it is tried again after so long.
pub(super) const AGAIN: Duration = Duration::from_secs(5);
/// A run that is to end by itself waits so long for a state that can be saved.
const PATIENCE: Duration = Duration::from_secs(30);

/// While much happens, the projection is written no more often.
const PROJECTION_EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Saving {
    pub store: Store,
    /// When projection and metrics were written last, and whether they lack what was saved since.
    projected: Option<Instant>,
    is_outdated: bool,
    /// Since when the state cannot be saved: nothing is performed until it is.
    pub failing_since: Option<Instant>,
}

impl Saving {
    fn has_failed_for(&self, patience: Duration, now: Instant) -> bool {
        self.failing_since.is_some_and(|since| now.saturating_duration_since(since) >= patience)
    }
}

impl Shell<'_> {
    /// Performs what is to be done until nothing is. What the next process could not know of is saved first.
    ///
    /// # Errors
    /// Why the state cannot be saved, when this run does not wait until it can.
    pub(super) fn drain(&mut self) -> Result<()> {
        while !self.effects.is_empty() && self.leave.is_none() {
            let Some(effect) = self.next_effect() else { break };
            if effect.needs_saving(|action| self.saving.store.knows(action)) {
                if let Err(e) = self.saving.store.save(&self.hub, &self.state) {
                    self.effects.push_front(effect);
                    return self.cannot_save(e);
                }
                self.saving.failing_since = None;
            }
            self.perform(effect);
        }
        Ok(())
    }

    /// Saves the state, and writes projection and metrics when that is due or, `at_once`, in any case. Nothing is
    /// written when they say the same.
    pub(super) fn publish(&mut self, at_once: bool) {
        let saved = self.saving.store.save(&self.hub, &self.state);
        self.saving.is_outdated |= self.saving.store.take_news();
        if !self.saving.is_outdated || !(at_once || self.projection_due().is_zero()) {
            return;
        }
        (self.saving.is_outdated, self.saving.projected) = (false, Some(Instant::now()));
        if let Err(e) = saved.and_then(|()| publish::project(&self.hub, &self.manager, &self.state)) {
            self.report(format!("the state was not published: {e:#}"));
        }
    }

    /// How long the projection may stay as it is.
    pub(super) fn projection_due(&self) -> Duration {
        match self.saving.projected {
            _ if !self.saving.is_outdated => Duration::MAX,
            Some(at) => PROJECTION_EVERY.saturating_sub(at.elapsed()),
            None => Duration::ZERO,
        }
    }

    fn cannot_save(&mut self, why: anyhow::Error) -> Result<()> {
        let now = Instant::now();
        if self.saving.failing_since.is_none() {
            self.saving.failing_since = Some(now);
            self.report(format!("the state cannot be saved, so nothing is done: {why:#}"));
        }
        let told_to_stop = self.signals > 0 || self.effects.contains(&Effect::Exit(Leave::Stopped));
        if told_to_stop {
            self.leave_unsaved();
            return Ok(());
        }
        let gives_up = self.options.errand || (self.options.until_idle && self.saving.has_failed_for(PATIENCE, now));
        if gives_up { Err(why) } else { Ok(()) }
    }

    /// Workers are told to end, and not waited for: the next process finds out what became of them.
    fn leave_unsaved(&mut self) {
        let effects = std::mem::take(&mut self.effects);
        effects.into_iter().filter(|effect| matches!(effect, Effect::Tell { .. })).for_each(|tell| self.perform(tell));
        self.report("ending without having saved the state: the next run finds out what is not in it".into());
        self.leave = Some(Leave::Stopped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_cannot_be_saved_is_waited_for_half_a_minute() {
        let start = Instant::now();
        let saving = Saving { failing_since: Some(start), ..Saving::default() };
        assert!(!saving.has_failed_for(PATIENCE, start + Duration::from_secs(25)));
        assert!(saving.has_failed_for(PATIENCE, start + Duration::from_secs(30)));
        assert!(!Saving::default().has_failed_for(PATIENCE, start + Duration::from_secs(90)));
    }
}
