//! Why nothing fits, for the tenant to read: counts and sizes, never names of hosts, what others
//! use, or the capacity of the cloud beyond the one gap that stands in the way.

use super::filter::{Constraint, check};
use iroko_model::Resources;
use iroko_store::placement::{HostView, Pending};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One sentence with the counts, one with the nearest fit, one with what may be done.
pub fn explain(pending: &Pending, hosts: &[HostView]) -> String {
    if hosts.is_empty() {
        return "no host has joined the cloud yet; the operator must enrol one".to_owned();
    }
    let mut removed: BTreeMap<Constraint, usize> = BTreeMap::new();
    for constraint in hosts.iter().filter_map(|host| check(pending, host).err()) {
        *removed.entry(constraint).or_default() += 1;
    }
    let mut text = format!("none of {} fits: ", hosts_of(hosts.len()));
    let counts: Vec<String> = removed.iter().map(|(constraint, count)| said(*constraint, *count, pending)).collect();
    text.push_str(&counts.join(", "));
    if let Some(gap) = nearest(pending, hosts) {
        let _ = write!(text, "; the nearest lacks {gap}");
    }
    let _ = write!(text, ". {}", advice(&removed));
    text
}

fn hosts_of(count: usize) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}

fn said(constraint: Constraint, count: usize, pending: &Pending) -> String {
    let need = &pending.resources;
    match constraint {
        Constraint::Disabled => format!("{count} disabled by the operator"),
        Constraint::Silent => format!("{count} not reporting"),
        Constraint::Architecture => format!("{count} of another architecture than {}", pending.architecture),
        Constraint::FailedBuild => format!("{count} failed to build it"),
        Constraint::Full => format!("{count} with a full disk"),
        Constraint::Resting => format!("{count} resting after failed builds"),
        Constraint::Vcpus => format!("{count} without {} free vCPUs", need.vcpus),
        Constraint::Memory => format!("{count} without {} MiB of free memory", need.memory_mib),
        Constraint::Disk => format!("{count} without {} GiB of free disk", need.disk_gib),
    }
}

/// What the host that comes closest lacks, among those that only lack room.
fn nearest(pending: &Pending, hosts: &[HostView]) -> Option<String> {
    let lacking = |host: &HostView| {
        let gap = pending.resources.saturating_sub(&host.capacity.saturating_sub(&host.used));
        let kinds = [gap.vcpus, gap.memory_mib, gap.disk_gib].iter().filter(|n| **n > 0).count();
        (kinds, gap.memory_mib, gap.vcpus, gap.disk_gib)
    };
    let only_room = |host: &&HostView| {
        matches!(check(pending, host), Err(Constraint::Vcpus | Constraint::Memory | Constraint::Disk))
    };
    let closest = hosts.iter().filter(only_room).min_by_key(|host| lacking(host))?;
    let gap = pending.resources.saturating_sub(&closest.capacity.saturating_sub(&closest.used));
    Some(words(&gap))
}

fn words(gap: &Resources) -> String {
    let parts = [(gap.vcpus, "vCPUs"), (gap.memory_mib, "MiB of memory"), (gap.disk_gib, "GiB of disk")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    parts.join(" and ")
}

fn advice(removed: &BTreeMap<Constraint, usize>) -> &'static str {
    let room = [Constraint::Vcpus, Constraint::Memory, Constraint::Disk];
    if room.iter().any(|c| removed.contains_key(c)) {
        "Choose a smaller flavor or free room; it is tried again by itself"
    } else if removed.contains_key(&Constraint::Architecture) {
        "Choose an image of another architecture"
    } else {
        "Only the operator can change this; it is tried again by itself"
    }
}
