//! What an operator can set, with the defaults of a production host.
//!
//! Every bound of the agent stands here under its name. Unknown fields are refused, so that a
//! misspelt one does not silently keep its default. `config.example.toml` shows them all.

use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// How guests are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VirtType {
    /// Hardware virtualization.
    Kvm,
    /// Software emulation: slow, runs anywhere. For labs.
    Qemu,
}

impl VirtType {
    /// The word in libvirt's XML.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Qemu => "qemu",
        }
    }
}

/// What the host's page cache does for guests' disks. Both honour the guest's flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskCache {
    /// Past the page cache (`O_DIRECT`): memory goes to guests. Not every file system can do it.
    None,
    /// Through the page cache: works on every file system.
    Writeback,
}

impl DiskCache {
    /// The word in libvirt's XML.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Writeback => "writeback",
        }
    }
}

/// What instances may use of the host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CapacityConfig {
    /// Memory kept for the host itself, in MiB.
    pub reserved_memory_mib: u64,
    /// Virtual processors offered for each processor of the host.
    pub vcpu_overcommit: f64,
    /// Disk offered, in GiB. Unset: the size of the file system of `state_dir` less
    /// `reserved_disk_gib`.
    pub disk_gib: Option<u64>,
    /// Disk kept for the host and the image cache, in GiB, where `disk_gib` is unset.
    pub reserved_disk_gib: u64,
}

impl Default for CapacityConfig {
    fn default() -> Self {
        Self { reserved_memory_mib: 2048, vcpu_overcommit: 4.0, disk_gib: None, reserved_disk_gib: 20 }
    }
}

/// The compute-agent's configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where disks, images and records live. One file system, so that renames are atomic.
    pub state_dir: PathBuf,
    /// The libvirt daemon that owns this host's instances.
    pub libvirt_uri: String,
    /// How guests are executed.
    pub virt_type: VirtType,
    /// Machine type (a word of QEMU) of new definitions. Unset: `q35` on x86_64, `virt` on aarch64.
    pub machine: Option<String>,
    /// Emulator binary. Unset: the one libvirt chooses.
    pub emulator: Option<PathBuf>,
    /// Page cache policy of guests' disks.
    pub disk_cache: DiskCache,
    /// The `qemu-img` binary.
    pub qemu_img: PathBuf,
    /// What instances may use of the host.
    pub capacity: CapacityConfig,

    /// Seconds between two looks at everything on the host.
    pub poll_period_s: u64,
    /// Seconds a guest gets to shut down before it is switched off.
    pub stop_timeout_s: u64,
    /// Seconds a new instance waits for its ports before it is given up.
    pub ports_timeout_s: u64,
    /// Seconds the bytes of an image may take to arrive.
    pub image_timeout_s: u64,
    /// Seconds making a disk may take once the image is there.
    pub disk_timeout_s: u64,
    /// Seconds after which a call to the hypervisor is late; its outcome is then unknown.
    pub hypervisor_timeout_s: u64,
    /// Longest wait in seconds before an instance that switched itself off is started again, and
    /// between two attempts to start one that does not start.
    pub restart_wait_max_s: u64,

    /// Attempts at building an instance before it is given up on this host.
    pub build_attempts: u32,
    /// Disks made at the same time.
    pub concurrent_builds: usize,
    /// Instances started at the same time.
    pub concurrent_starts: usize,
    /// Images downloaded at the same time.
    pub concurrent_downloads: usize,
    /// Threads that may block in libvirt.
    pub hypervisor_workers: usize,
    /// Calls to the hypervisor that may wait for a thread.
    pub hypervisor_queue: usize,

    /// Largest size of the image cache, in GiB, images in use included. Images that no instance uses make room for
    /// others, the one used longest ago first; an instance whose image does not fit is not built on this host.
    pub image_cache_gib: u64,
    /// Free space on the file system of `state_dir`, in MiB, below which nothing is built any more and operators
    /// are told that the host's disk is full.
    pub keep_free_mib: u64,
    /// Size at which an instance's console log is cut to its tail, in KiB.
    pub console_max_kib: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/iroko/compute".into(),
            libvirt_uri: "qemu:///system".into(),
            virt_type: VirtType::Kvm,
            machine: None,
            emulator: None,
            disk_cache: DiskCache::None,
            qemu_img: "qemu-img".into(),
            capacity: CapacityConfig::default(),
            poll_period_s: 10,
            stop_timeout_s: 60,
            ports_timeout_s: 300,
            image_timeout_s: 1800,
            disk_timeout_s: 120,
            hypervisor_timeout_s: 30,
            restart_wait_max_s: 60,
            build_attempts: 3,
            concurrent_builds: 4,
            concurrent_starts: 8,
            concurrent_downloads: 2,
            hypervisor_workers: 4,
            hypervisor_queue: 256,
            image_cache_gib: 50,
            keep_free_mib: 512,
            console_max_kib: 1024,
        }
    }
}

impl Config {
    /// [`Self::poll_period_s`] as a duration; never zero.
    pub fn poll_period(&self) -> Duration {
        Duration::from_secs(self.poll_period_s.max(1))
    }

    /// [`Self::stop_timeout_s`] as a duration.
    pub const fn stop_timeout(&self) -> Duration {
        Duration::from_secs(self.stop_timeout_s)
    }

    /// [`Self::hypervisor_timeout_s`] as a duration.
    pub const fn hypervisor_timeout(&self) -> Duration {
        Duration::from_secs(self.hypervisor_timeout_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Figment;
    use figment::providers::{Format, Toml};

    #[test]
    fn the_example_parses_and_shows_the_defaults() {
        let file = Figment::from(Toml::string(include_str!("../config.example.toml")));
        let example: Config = file.extract_inner("compute").unwrap();
        assert_eq!(example, Config::default());
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let result: Result<Config, _> = Figment::from(Toml::string("stop_timeout = 5")).extract();
        assert!(result.unwrap_err().to_string().contains("stop_timeout"));
    }
}
