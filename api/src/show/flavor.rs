//! Flavors.

use crate::show::Show;
use iroko_model::{Invalid, Labels, Name};
use iroko_store::flavor::{Flavor as Row, Size};
use iroko_web::problem::Faults;
use iroko_wire::flavor::*;
use iroko_wire::{label_map, labels};

/// Name, size and labels of a flavor that is asked for.
pub fn checked(wire: FlavorCreate) -> Result<(Name, Size, Labels), Faults> {
    let mut faults = Faults::default();
    let name = faults.take("/name", Name::try_from(wire.name));
    let labels = faults.take("/labels", labels(wire.labels));
    for (pointer, value, range) in [
        ("/vcpus", wire.vcpus, 1..=1024),
        ("/memory_mib", wire.memory_mib, 16..=33_554_432),
        ("/disk_gib", wire.disk_gib, 1..=1_048_576),
    ] {
        if !range.contains(&value) {
            let text = format!("{value} is not between {} and {}", range.start(), range.end());
            faults.note(pointer, Invalid::new("size_range", text));
        }
    }
    let limits = limits(wire.network_limits.unwrap_or_default(), &mut faults);
    let size = Size { vcpus: wire.vcpus, memory_mib: wire.memory_mib, disk_gib: wire.disk_gib, limits };
    let checked = name.zip(labels).map(|(name, labels)| (name, size, labels));
    faults.finish_with(checked)
}

impl Show<Flavor> for Row {
    fn show(self) -> Flavor {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, name, vcpus, memory_mib, disk_gib, limits, created_at, .. } = row;
        Flavor { id, name, vcpus, memory_mib, disk_gib, network_limits: limits.0.into(), labels, created_at }
    }
}
