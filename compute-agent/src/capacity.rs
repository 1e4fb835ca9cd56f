//! What this host has, less what it keeps for itself: the facts of a session request.

use crate::config::{CapacityConfig, Config};
use iroko_model::Resources;
use iroko_model::host::Architecture;
use std::path::{Path, PathBuf};
use std::{fs, io};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Why the host could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    /// The processor is of an architecture Iroko does not know.
    #[error("this host's architecture, {0}, is not supported")]
    Architecture(&'static str),
    /// A file of the host could not be read.
    #[error("{0} could not be read")]
    Read(PathBuf, #[source] io::Error),
    /// `/proc/meminfo` had no total.
    #[error("the host does not say how much memory it has")]
    Memory,
}

/// Raw sizes of a host.
#[derive(Debug, Clone, Copy)]
struct Measured {
    processors: u64,
    memory_mib: u64,
    disk_gib: u64,
}

/// The architecture of this host and what instances may use of it. Makes `state_dir` where it is
/// missing, since its file system is measured.
pub fn of_host(config: &Config) -> Result<(Architecture, Resources), CapacityError> {
    let measured = Measured {
        processors: std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(u64::MAX)),
        memory_mib: memory_mib()?,
        disk_gib: disk_gib(&config.state_dir)?,
    };
    Ok((architecture()?, offered(measured, &config.capacity)))
}

/// The architecture this agent runs on.
pub fn architecture() -> Result<Architecture, CapacityError> {
    std::env::consts::ARCH.parse().map_err(|_| CapacityError::Architecture(std::env::consts::ARCH))
}

fn offered(measured: Measured, config: &CapacityConfig) -> Resources {
    Resources {
        vcpus: overcommitted(measured.processors, config.vcpu_overcommit),
        memory_mib: measured.memory_mib.saturating_sub(config.reserved_memory_mib),
        disk_gib: config.disk_gib.unwrap_or(measured.disk_gib.saturating_sub(config.reserved_disk_gib)),
    }
}

/// Processors times a factor, rounded down; nothing of a factor that is no positive number.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a host has far fewer than 2^52 processors; a float that is out of range becomes the nearest integer"
)]
fn overcommitted(processors: u64, factor: f64) -> u64 {
    (processors as f64 * factor.max(0.0)) as u64
}

fn memory_mib() -> Result<u64, CapacityError> {
    const PATH: &str = "/proc/meminfo";
    let text = fs::read_to_string(PATH).map_err(|e| CapacityError::Read(PATH.into(), e))?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 =
        total.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok()).ok_or(CapacityError::Memory)?;
    Ok(kib / (MIB / 1024))
}

fn disk_gib(path: &Path) -> Result<u64, CapacityError> {
    let failed = |e: io::Error| CapacityError::Read(path.to_owned(), e);
    iroko_daemon::private::passage(path).map_err(failed)?;
    let stat = nix::sys::statvfs::statvfs(path).map_err(|e| failed(e.into()))?;
    Ok(stat.blocks().saturating_mul(stat.fragment_size()) / GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_what_is_left() {
        let measured = Measured { processors: 8, memory_mib: 16_000, disk_gib: 100 };
        let config = CapacityConfig { vcpu_overcommit: 1.5, ..CapacityConfig::default() };
        let room = offered(measured, &config);
        assert_eq!(room, Resources { vcpus: 12, memory_mib: 13_952, disk_gib: 80 });
        let small = Measured { memory_mib: 10, disk_gib: 1, ..measured };
        assert_eq!(offered(small, &config), Resources { vcpus: 12, memory_mib: 0, disk_gib: 0 });
        let fixed = CapacityConfig { disk_gib: Some(7), ..config };
        assert_eq!(offered(measured, &fixed).disk_gib, 7);
    }

    #[test]
    fn this_host_can_be_measured() {
        let dir = tempfile::tempdir().unwrap();
        let capacity = CapacityConfig { reserved_memory_mib: 0, reserved_disk_gib: 0, ..CapacityConfig::default() };
        let config = Config { state_dir: dir.path().join("new"), capacity, ..Config::default() };
        let (_, room) = of_host(&config).unwrap();
        assert!(room.vcpus > 0 && room.memory_mib > 0, "{room:?}");
    }
}
