//! What the agent keeps on this host's disk: a directory an instance, and the image cache.
//!
//! [`local`] is the real one, [`fake`] holds everything in memory for simulated hosts. Every verb
//! is idempotent, and a file either has its final name and is complete or does not count.

pub mod fake;
pub mod local;

use crate::image::CacheError;
use crate::instance::record::Record;
use iroko_agent_wire::{DiskRoom, InstanceSpec};
use iroko_model::InstanceId;
use iroko_model::image::DiskFormat;
use iroko_model::reason::Code;
use std::io;
use std::path::PathBuf;

/// What an instance's directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The durable record.
    pub record: Option<Record>,
    /// A complete disk.
    pub disk: bool,
    /// A complete seed.
    pub seed: bool,
    /// Anything beside the record: disk, seed, console log, half-made files.
    pub litter: bool,
}

/// The paths an instance's definition refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFiles {
    /// The disk, always qcow2.
    pub disk: PathBuf,
    /// The cached image behind the disk.
    pub backing: PathBuf,
    /// The image's format.
    pub backing_format: DiskFormat,
    /// The seed, raw.
    pub seed: PathBuf,
    /// The serial console's log.
    pub console: PathBuf,
}

/// Why a file is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The image is not in the cache and could not be brought there.
    #[error("the image is not available")]
    Image(#[from] CacheError),
    /// The flavor's disk is smaller than the image's.
    #[error("the image needs a disk of {needed_gib} GiB, the flavor has {has_gib} GiB")]
    DiskTooSmall {
        /// Smallest disk that would do.
        needed_gib: u64,
        /// What the flavor has.
        has_gib: u64,
    },
    /// qemu-img failed.
    #[error("qemu-img failed")]
    QemuImg(#[source] crate::disk::QemuImgError),
    /// The seed does not fit or could not be formatted.
    #[error("the seed could not be made")]
    Seed(#[source] crate::seed::SeedError),
    /// The host's disk is full: nothing more is put on it.
    #[error("the host's disk is full: {free_mib} MiB are free, {kept_mib} MiB are kept free")]
    Full {
        /// What is free.
        free_mib: u64,
        /// What is kept for guests that run.
        kept_mib: u64,
    },
    /// A file could not be read, written or removed.
    #[error("{what} failed")]
    Io {
        /// What was tried, without the path.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl StorageError {
    pub(crate) const fn io(what: &'static str, source: io::Error) -> Self {
        Self::Io { what, source }
    }

    /// True where another attempt would end the same.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Image(error) => error.is_permanent(),
            Self::DiskTooSmall { .. } | Self::Seed(_) => true,
            Self::QemuImg(_) | Self::Full { .. } | Self::Io { .. } => false,
        }
    }

    /// True where the host's disk has no room.
    pub fn is_full(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match self {
            Self::Full { .. } => true,
            Self::Io { source, .. } => full(source.kind()),
            Self::Image(error) => error.is_full(),
            Self::QemuImg(error) => error.is_full(),
            Self::DiskTooSmall { .. } | Self::Seed(_) => false,
        }
    }

    /// Why, in one word.
    pub fn code(&self) -> Code {
        match self {
            _ if self.is_full() => Code::HostDiskFull,
            Self::Image(_) => Code::ImageFailed,
            _ => Code::DiskFailed,
        }
    }

    /// For the tenant.
    pub fn public(&self) -> String {
        match self {
            _ if self.is_full() => "the host's disk is full; an operator must make room".into(),
            Self::Image(error) => error.public(),
            Self::DiskTooSmall { needed_gib, has_gib } => format!(
                "the image needs a disk of {needed_gib} GiB and the flavor has {has_gib} GiB: \
                 choose a flavor with at least {needed_gib} GiB of disk"
            ),
            Self::QemuImg(_) => "the instance's disk could not be made on this host".into(),
            Self::Seed(error) => error.to_string(),
            Self::Full { .. } | Self::Io { .. } => {
                "the host could not read or write its disk; an operator finds the cause in its log".into()
            }
        }
    }
}

/// The files of this host's instances.
#[async_trait::async_trait]
pub trait Storage: Send + Sync {
    /// Instances of which anything is kept.
    async fn instances(&self) -> Result<Vec<InstanceId>, StorageError>;
    /// What is kept of one instance.
    async fn look(&self, id: InstanceId) -> Result<Held, StorageError>;
    /// Replaces the record, durably and atomically.
    async fn save(&self, record: &Record) -> Result<(), StorageError>;
    /// Brings the image into the cache and makes the disk over it. May be dropped half-way.
    async fn make_disk(&self, spec: &InstanceSpec) -> Result<(), StorageError>;
    /// Makes the cloud-init seed.
    async fn make_seed(&self, spec: &InstanceSpec) -> Result<(), StorageError>;
    /// Removes everything of an instance but its record.
    async fn remove_files(&self, id: InstanceId) -> Result<(), StorageError>;
    /// Removes everything of an instance, the record last.
    async fn remove_all(&self, id: InstanceId) -> Result<(), StorageError>;
    /// The last `max` bytes of an instance's serial console; `None` where it has none.
    async fn console_tail(&self, id: InstanceId, max: usize) -> Result<Option<Vec<u8>>, StorageError>;
    /// Bounds what grows: console logs and unused images.
    async fn tidy(&self) -> Result<(), StorageError>;
    /// Room on the file system of disks and images.
    async fn room(&self) -> Result<DiskRoom, StorageError>;
    /// Whether an instance that was held for want of room may go on.
    async fn has_room(&self, id: InstanceId) -> Result<bool, StorageError>;
    /// Where the files of an instance are, whether or not they exist.
    fn files(&self, spec: &InstanceSpec) -> InstanceFiles;
}
