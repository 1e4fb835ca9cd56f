//! Switching off: the guest is asked, again and again, then it is forced. Pure.

use super::facts::{Facts, StopClock};
use super::record::Record;
use super::step::{Rest, Step};

/// The next step towards off of an instance that is on.
pub const fn next(facts: &Facts<'_>, record: &Record) -> Step {
    match facts.stop {
        StopClock::Due => Step::Shutdown,
        StopClock::Overdue => Step::Destroy,
        StopClock::Asked if record.operation.is_under_way() => Step::Rest(Rest::Rebooting),
        StopClock::Asked => Step::Rest(Rest::Stopping),
    }
}
