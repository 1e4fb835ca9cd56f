//! Where an instance goes: pure functions over a view of the cluster in memory.
//!
//! ```text
//!   hosts ──filter──> those that could take it ──weigh──> the one that should
//!            │none
//!            └──explain──> how many each constraint removed, the nearest fit, what may be changed
//! ```
//!
//! A batch is placed one machine after the other on a view that each choice changes, so that a
//! thousand instances asked for at once spread as they would one by one.

mod explain;
mod filter;
mod room;
mod weigh;

pub use explain::explain;
pub use filter::{Constraint, check, unready};
pub use room::room;

use iroko_model::reason::{Code, Reason};
use iroko_model::{HostId, InstanceId};
use iroko_store::placement::{HostView, Pending};

/// What was decided for a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Instances and their hosts.
    pub placed: Vec<(InstanceId, HostId)>,
    /// Instances that fit nowhere, and why.
    pub refused: Vec<(InstanceId, Reason)>,
}

/// Decides for a batch, changing `hosts` as it gives their room away.
pub fn place(batch: &[Pending], hosts: &mut [HostView]) -> Decision {
    let mut decision = Decision::default();
    for pending in batch {
        let fitting = hosts.iter().enumerate().filter(|(_, host)| check(pending, host).is_ok());
        match weigh::best(pending, fitting) {
            Some(index) => {
                let host = &mut hosts[index];
                host.used = host.used.plus(&pending.resources);
                host.instances += 1;
                decision.placed.push((pending.id, host.id));
            }
            None => {
                let reason = Reason::new(Code::NoHostFits, explain(pending, hosts));
                decision.refused.push((pending.id, reason));
            }
        }
    }
    decision
}

#[cfg(test)]
mod tests;
