//! How many more there is room for: what [`super::place`] would give a host, one after the other, without doing it.

use super::filter::check;
use iroko_model::Resources;
use iroko_model::host::Architecture;
use iroko_store::placement::{HostView, Pending};

/// How many instances of this size and architecture get a host, all alike and asked for now.
pub fn room(size: Resources, architecture: Architecture, hosts: &[HostView]) -> u64 {
    let pending = Pending {
        id: iroko_model::InstanceId::new(),
        resources: size,
        architecture,
        excluded_hosts: Vec::new(),
        suspended: false,
    };
    let fitting = hosts.iter().filter(|host| check(&pending, host).is_ok());
    fitting.map(|host| times(size, host.capacity.saturating_sub(&host.used))).fold(0, u64::saturating_add)
}

/// How often a size fits into what is free; a size of nothing fits without end.
fn times(size: Resources, free: Resources) -> u64 {
    let times = |free: u64, size: u64| free.checked_div(size).unwrap_or(u64::MAX);
    times(free.vcpus, size.vcpus).min(times(free.memory_mib, size.memory_mib)).min(times(free.disk_gib, size.disk_gib))
}
