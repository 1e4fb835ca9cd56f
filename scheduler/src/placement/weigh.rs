//! Which of the fitting hosts takes it: spread. The host that stays least filled wins, by its
//! scarcest resource; then the one with fewer instances; then the older one, so that the same view
//! gives the same answer.

use iroko_model::Resources;
use iroko_store::placement::{HostView, Pending};
use std::cmp::Reverse;

/// Parts of a million, so that weights are integers and order totally.
const WHOLE: u64 = 1_000_000;

/// Index of the best of the fitting hosts.
pub fn best<'a>(pending: &Pending, fitting: impl Iterator<Item = (usize, &'a HostView)>) -> Option<usize> {
    let weight = |host: &HostView| {
        let fill = fill(&host.used.plus(&pending.resources), &host.capacity);
        (Reverse(fill), Reverse(host.instances), Reverse(host.id))
    };
    fitting.max_by_key(|(_, host)| weight(host)).map(|(index, _)| index)
}

/// How full a host is by its scarcest resource, in parts of a million.
fn fill(used: &Resources, capacity: &Resources) -> u64 {
    let part = |used: u64, capacity: u64| used.saturating_mul(WHOLE).checked_div(capacity).unwrap_or(WHOLE);
    part(used.vcpus, capacity.vcpus)
        .max(part(used.memory_mib, capacity.memory_mib))
        .max(part(used.disk_gib, capacity.disk_gib))
}
