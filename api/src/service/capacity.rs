//! What the cloud has room for, by the scheduler's own view and rules.

use crate::App;
use crate::service::lease;
use iroko_model::Resources;
use iroko_model::host::Architecture;
use iroko_scheduler::placement::{Constraint, room, unready};
use iroko_store::flavor::{Flavor, flavor_list_all};
use iroko_store::placement::{HostView, placement_view};
use iroko_web::problem::Result;
use iroko_wire::capacity::{Capacity, CapacityShare, FlavorRoom};
use iroko_wire::host::Amounts;

/// What there is, and how many more instances of each flavor get a host.
pub async fn get(app: &App) -> Result<Capacity> {
    let mut tx = app.store.begin().await?;
    let hosts = placement_view(&mut tx, lease(app).as_secs_f64()).await?;
    let flavors = flavor_list_all(&mut tx).await?;
    drop(tx);
    Ok(of(&hosts, flavors))
}

fn of(hosts: &[HostView], flavors: Vec<Flavor>) -> Capacity {
    let mut capacity = Capacity {
        available: CapacityShare::default(),
        disabled: CapacityShare::default(),
        unreachable: CapacityShare::default(),
        held: CapacityShare::default(),
        flavors: flavors.into_iter().map(|flavor| room_for(flavor, hosts)).collect(),
    };
    for host in hosts {
        let share = match unready(host) {
            None => &mut capacity.available,
            Some(Constraint::Disabled) => &mut capacity.disabled,
            Some(Constraint::Silent) => &mut capacity.unreachable,
            Some(_) => &mut capacity.held,
        };
        add(share, host);
    }
    capacity
}

fn add(share: &mut CapacityShare, host: &HostView) {
    share.hosts += 1;
    share.instances = share.instances.saturating_add(number(host.instances));
    let sums = [
        (&mut share.total, host.capacity),
        (&mut share.used, host.used),
        (&mut share.free, host.capacity.saturating_sub(&host.used)),
    ];
    for (sum, part) in sums {
        *sum = Amounts {
            vcpus: sum.vcpus.saturating_add(number(part.vcpus)),
            memory_mib: sum.memory_mib.saturating_add(number(part.memory_mib)),
            disk_gib: sum.disk_gib.saturating_add(number(part.disk_gib)),
        };
    }
}

fn room_for(flavor: Flavor, hosts: &[HostView]) -> FlavorRoom {
    let part = |size: i32| u64::try_from(size).unwrap_or(0);
    let size =
        Resources { vcpus: part(flavor.vcpus), memory_mib: part(flavor.memory_mib), disk_gib: part(flavor.disk_gib) };
    let of = |architecture| number(room(size, architecture, hosts));
    FlavorRoom {
        flavor_id: flavor.common.id.into(),
        name: flavor.common.name,
        x86_64: of(Architecture::X86_64),
        aarch64: of(Architecture::Aarch64),
    }
}

fn number(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
