//! What an instance's task remembers while it lives and may forget: clocks, holds and counts.
//!
//! Losing it is safe: a stop is asked for again and gets its full time, back-offs start small.

use super::facts::{Ports, StopClock, Want};
use super::record::Life;
use super::step::Step;
use crate::config::Config;
use iroko_agent_link::Backoff;
use iroko_model::instance::ObservedState;
use iroko_model::reason::Reason;
use std::time::Duration;
use tokio::time::Instant;

/// How long an instance must run before its earlier restarts are forgotten.
const RAN_WELL: Duration = Duration::from_secs(300);
/// First wait after a failed step.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// First wait before an instance that switched itself off starts again.
const RESTART_FIRST: Duration = Duration::from_secs(1);
/// The guest is asked to shut down this many times within its time; some miss the first press.
const ASKS: u32 = 6;
/// The same step in a row, each without an error, before it counts as one that changes nothing.
const SAME_STEP_MAX: u32 = 3;

/// No step is taken before `until`, unless what is wanted changes.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub until: Instant,
    pub state: ObservedState,
    pub reason: Reason,
}

#[derive(Debug)]
pub(crate) struct RetryState {
    wanted: Option<(Want, u64)>,
    asked_first: Option<Instant>,
    asked_last: Option<Instant>,
    waiting_since: Option<Instant>,
    starting_since: Option<Instant>,
    running_since: Option<Instant>,
    pub hold: Option<Hold>,
    pub attempts: u32,
    pub given_up: Option<Reason>,
    retry: Backoff,
    restart: Backoff,
    last_step: Option<Step>,
    same_step: u32,
    asked: bool,
}

impl RetryState {
    pub(crate) fn new(config: &Config) -> Self {
        let most = Duration::from_secs(config.restart_wait_max_s);
        Self {
            wanted: None,
            asked_first: None,
            asked_last: None,
            waiting_since: None,
            starting_since: None,
            running_since: None,
            hold: None,
            attempts: 0,
            given_up: None,
            retry: Backoff::new(RETRY_FIRST, most),
            restart: Backoff::new(RESTART_FIRST, most),
            last_step: None,
            same_step: 0,
            asked: false,
        }
    }

    /// A change of what is wanted ends every hold and every count.
    pub(crate) fn wanted(&mut self, want: Want, generation: u64) {
        if self.wanted.replace((want, generation)) == Some((want, generation)) {
            return;
        }
        self.hold = None;
        self.attempts = 0;
        self.given_up = None;
        self.waiting_since = None;
        self.retry.reset();
        self.stopped();
    }

    /// When a start that is under way has had its time; `None` where none is.
    pub(crate) fn start_until(&mut self, is_starting: bool, within: Duration) -> Option<Instant> {
        if !is_starting {
            self.starting_since = None;
            return None;
        }
        Some(*self.starting_since.get_or_insert_with(Instant::now) + within)
    }

    /// The hold in force, if any.
    pub(crate) fn held(&self) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| hold.until > Instant::now())
    }

    pub(crate) fn hold_retry(&mut self, state: ObservedState, reason: Reason) {
        self.hold = Some(Hold { until: Instant::now() + self.retry.next_wait(), state, reason });
    }

    /// True once per stop of an instance that was seen running and was not asked to stop: it then
    /// waits a little before it starts again.
    pub(crate) fn hold_restart(&mut self, reason: Reason) -> bool {
        let Some(since) = self.running_since.take() else { return false };
        if since.elapsed() >= RAN_WELL {
            self.restart.reset();
        }
        let until = Instant::now() + self.restart.next_wait();
        self.hold = Some(Hold { until, state: ObservedState::Stopped, reason });
        true
    }

    pub(crate) fn step_done(&mut self) {
        self.hold = None;
    }

    /// Counts steps that succeed and change nothing; true once that is enough.
    pub(crate) fn repeats(&mut self, step: Step) -> bool {
        if self.last_step == Some(step) {
            self.same_step += 1;
        } else {
            self.last_step = Some(step);
            self.same_step = 0;
        }
        self.same_step >= SAME_STEP_MAX
    }

    /// It rests as wanted: what failed before is over.
    pub(crate) fn well(&mut self) {
        self.attempts = 0;
        self.retry.reset();
        self.hold = None;
        self.waiting_since = None;
        self.last_step = None;
    }

    pub(crate) fn seen_running(&mut self) {
        self.well();
        self.stopped();
        self.running_since.get_or_insert_with(Instant::now);
    }

    pub(crate) fn asked_to_stop(&mut self) {
        let now = Instant::now();
        self.asked_first.get_or_insert(now);
        self.asked_last = Some(now);
        self.running_since = None;
        self.asked = true;
    }

    /// True where the guest was asked to go down since it was last started.
    pub(crate) const fn was_asked(&self) -> bool {
        self.asked
    }

    /// It starts: nothing was asked of its guest yet.
    pub(crate) fn started(&mut self) {
        self.asked = false;
    }

    /// No stop is under way (any more).
    pub(crate) fn stopped(&mut self) {
        self.asked_first = None;
        self.asked_last = None;
    }

    /// Where the stop stands, and when that changes.
    pub(crate) fn stop_clock(&self, timeout: Duration) -> (StopClock, Option<Instant>) {
        let (Some(first), Some(last)) = (self.asked_first, self.asked_last) else { return (StopClock::Due, None) };
        let (now, end, again) = (Instant::now(), first + timeout, last + timeout / ASKS);
        if now >= end {
            (StopClock::Overdue, None)
        } else if now >= again {
            (StopClock::Due, None)
        } else {
            (StopClock::Asked, Some(again.min(end)))
        }
    }

    /// Whether a new instance has waited for its ports for too long.
    pub(crate) fn ports(&mut self, ready: bool, config: &Config) -> Ports {
        if ready {
            self.waiting_since = None;
            return Ports::Ready;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        if since.elapsed() < Duration::from_secs(config.ports_timeout_s) { Ports::Waiting } else { Ports::Overdue }
    }

    /// When the patience of an instance that waits for its ports ends.
    pub(crate) fn ports_until(&self, life: Life, config: &Config) -> Option<Instant> {
        let end = self.waiting_since? + Duration::from_secs(config.ports_timeout_s);
        (life == Life::Building).then_some(end)
    }
}
