use super::*;
use iroko_model::Resources;
use iroko_model::host::Architecture;
use proptest::prelude::*;
use std::collections::HashMap;

fn host(vcpus: u64, memory_mib: u64, disk_gib: u64) -> HostView {
    HostView {
        id: HostId::new(),
        enabled: true,
        alive: true,
        architecture: Some(Architecture::X86_64),
        capacity: Resources { vcpus, memory_mib, disk_gib },
        used: Resources::default(),
        instances: 0,
        resting: false,
        full: false,
    }
}

fn machine(vcpus: u64, memory_mib: u64, disk_gib: u64) -> Pending {
    Pending {
        id: InstanceId::new(),
        resources: Resources { vcpus, memory_mib, disk_gib },
        architecture: Architecture::X86_64,
        excluded_hosts: vec![],
        suspended: false,
    }
}

#[test]
fn a_batch_spreads() {
    let mut hosts = vec![host(8, 8192, 100), host(8, 8192, 100), host(4, 4096, 50)];
    let batch: Vec<_> = (0..10).map(|_| machine(1, 1024, 10)).collect();
    assert_eq!(place(&batch, &mut hosts).placed.len(), 10);
    assert_eq!(hosts.iter().map(|h| h.instances).collect::<Vec<_>>(), [4, 4, 2], "in proportion to their size");
}

#[test]
fn each_constraint_removes() {
    let fits = host(4, 4096, 40);
    let table: [(Option<Constraint>, HostView); 9] = [
        (None, fits.clone()),
        (Some(Constraint::Disabled), HostView { enabled: false, ..fits.clone() }),
        (Some(Constraint::Silent), HostView { alive: false, ..fits.clone() }),
        (Some(Constraint::Full), HostView { full: true, ..fits.clone() }),
        (Some(Constraint::Resting), HostView { resting: true, ..fits.clone() }),
        (Some(Constraint::Architecture), HostView { architecture: Some(Architecture::Aarch64), ..fits.clone() }),
        (Some(Constraint::Vcpus), HostView { used: Resources { vcpus: 4, ..Resources::default() }, ..fits.clone() }),
        (Some(Constraint::Memory), host(4, 1023, 40)),
        (Some(Constraint::Disk), host(4, 4096, 9)),
    ];
    for (constraint, host) in table {
        let asked = machine(1, 1024, 10);
        assert_eq!(check(&asked, &host).err(), constraint);
        let of_any = [Constraint::Disabled, Constraint::Silent, Constraint::Full, Constraint::Resting];
        assert_eq!(unready(&host), constraint.filter(|constraint| of_any.contains(constraint)));
        let fits = if constraint.is_none() { 4 } else { 0 };
        assert_eq!(room(asked.resources, asked.architecture, &[host]), fits, "{constraint:?}");
    }
    let excluded = Pending { excluded_hosts: vec![fits.id], ..machine(1, 1024, 10) };
    assert_eq!(check(&excluded, &fits), Err(Constraint::FailedBuild));
}

#[test]
fn refusals_explain_themselves() {
    let full = HostView { used: Resources { vcpus: 0, memory_mib: 3584, disk_gib: 0 }, ..host(4, 4096, 40) };
    let hosts = vec![full, HostView { enabled: false, ..host(64, 65536, 1000) }, host(2, 2048, 40)];
    assert_eq!(
        explain(&machine(4, 1024, 10), &hosts),
        "none of 3 hosts fits: 1 disabled by the operator, 1 without 4 free vCPUs, 1 without 1024 MiB of free memory; \
         the nearest lacks 2 vCPUs. Choose a smaller flavor or free room; it is tried again by itself"
    );
    assert!(explain(&machine(1, 1, 1), &[]).contains("no host has joined"));
    let silent = HostView { alive: false, ..host(4, 4096, 40) };
    assert!(explain(&machine(1, 1, 1), &[silent]).contains("1 not reporting. Only the operator"));
}

proptest! {
    #[test]
    fn never_gives_more_than_there_is(
        hosts in proptest::collection::vec((0u64..16, 0u64..16, 0u64..16, any::<bool>()), 0..8),
        batch in proptest::collection::vec((1u64..6, 1u64..6, 1u64..6), 0..40),
    ) {
        let mut hosts: Vec<_> = hosts.into_iter().map(|(v, m, d, enabled)| HostView { enabled, ..host(v, m, d) }).collect();
        let batch: Vec<_> = batch.into_iter().map(|(v, m, d)| machine(v, m, d)).collect();
        let decision = place(&batch, &mut hosts);
        prop_assert_eq!(decision.placed.len() + decision.refused.len(), batch.len());
        let mut given: HashMap<HostId, Resources> = HashMap::new();
        for (instance, host) in &decision.placed {
            let need = batch.iter().find(|p| p.id == *instance).unwrap().resources;
            let sum = given.entry(*host).or_default();
            *sum = sum.plus(&need);
        }
        for host in &hosts {
            let given = given.get(&host.id).copied().unwrap_or_default();
            prop_assert!(given.fits_in(&host.capacity) && (host.enabled || given == Resources::default()));
        }
        for (instance, _) in &decision.refused {
            let refused = batch.iter().find(|p| p.id == *instance).unwrap();
            prop_assert!(hosts.iter().all(|h| check(refused, h).is_err()), "a refused machine fits nowhere, also afterwards");
        }
    }

    #[test]
    fn there_is_room_for_as_many_as_are_placed(
        hosts in proptest::collection::vec((0u64..9, 0u64..9, 0u64..9, any::<bool>(), 0u64..9), 0..5),
        size in (1u64..4, 1u64..4, 1u64..4),
    ) {
        let mut hosts: Vec<_> = hosts
            .into_iter()
            .map(|(v, m, d, alive, used)| HostView {
                alive,
                used: Resources { vcpus: used, memory_mib: used, disk_gib: 0 },
                ..host(v, m, d)
            })
            .collect();
        let batch: Vec<_> = (0..64).map(|_| machine(size.0, size.1, size.2)).collect();
        let told = room(batch[0].resources, Architecture::X86_64, &hosts);
        prop_assert_eq!(place(&batch, &mut hosts).placed.len() as u64, told);
    }
}
