//! Which hosts could take an instance. Constraints are asked in order; the first that fails is the
//! reason, so that the counts of an explanation add up to the number of hosts.

use iroko_store::placement::{HostView, Pending};

/// Why a host cannot take an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constraint {
    /// The operator has disabled it.
    Disabled,
    /// Its agents have not been heard of, or have not said what the host is.
    Silent,
    /// Its processor is of another architecture.
    Architecture,
    /// It has failed to build this machine.
    FailedBuild,
    /// The file system of its disks and images is full.
    Full,
    /// It has failed what several projects wanted built, and is left in peace for a while.
    Resting,
    /// Not enough virtual processors are free.
    Vcpus,
    /// Not enough memory is free.
    Memory,
    /// Not enough disk is free.
    Disk,
}

/// Why a host takes nothing at all now, whatever is asked of it.
pub fn unready(host: &HostView) -> Option<Constraint> {
    let asked = [
        (host.enabled, Constraint::Disabled),
        (host.alive, Constraint::Silent),
        (!host.full, Constraint::Full),
        (!host.resting, Constraint::Resting),
    ];
    asked.iter().find(|(holds, _)| !holds).map(|(_, constraint)| *constraint)
}

/// Asks every constraint.
pub fn check(pending: &Pending, host: &HostView) -> Result<(), Constraint> {
    let free = host.capacity.saturating_sub(&host.used);
    let need = &pending.resources;
    let asked = [
        (host.enabled, Constraint::Disabled),
        (host.alive, Constraint::Silent),
        (host.architecture == Some(pending.architecture), Constraint::Architecture),
        (!pending.excluded_hosts.contains(&host.id), Constraint::FailedBuild),
        (!host.full, Constraint::Full),
        (!host.resting, Constraint::Resting),
        (need.vcpus <= free.vcpus, Constraint::Vcpus),
        (need.memory_mib <= free.memory_mib, Constraint::Memory),
        (need.disk_gib <= free.disk_gib, Constraint::Disk),
    ];
    asked.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, constraint)| Err(*constraint))
}
