//! Disks: which file stands behind which name in the guest.

use super::read::{Element, each, first};
use crate::storage::InstanceFiles;
use std::collections::BTreeSet;
use std::path::Path;

/// Name in the guest of the disk.
pub const ROOT: &str = "vda";
/// Name in the guest of the seed.
pub const SEED: &str = "vdb";

/// A disk of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disk {
    /// Its name in the guest.
    pub target: String,
    /// The file behind it.
    pub file: String,
}

impl Disk {
    /// What is wanted.
    pub fn wanted(files: &InstanceFiles) -> Vec<Self> {
        let disk =
            |target: &str, file: &Path| Self { target: target.into(), file: file.to_string_lossy().into_owned() };
        vec![disk(ROOT, &files.disk), disk(SEED, &files.seed)]
    }

    pub(super) fn read(domain: &[Element]) -> Vec<Self> {
        let disk = |disk: &[Element]| {
            let target = first(disk, "devices/disk/target")?.attribute("dev")?.to_owned();
            let file = first(disk, "devices/disk/source")?.attribute("file")?.to_owned();
            Some(Self { target, file })
        };
        each(domain, "devices/disk").into_iter().filter_map(disk).collect()
    }
}

/// True where they are not the same; their order says nothing.
pub fn differ(wanted: &[Disk], seen: &[Disk]) -> bool {
    wanted.iter().collect::<BTreeSet<_>>() != seen.iter().collect()
}
