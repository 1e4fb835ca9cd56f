//! The real storage.
//!
//! ```text
//!  <state_dir>/images/<image id>-<sha256>.<format>   complete and checked
//!  <state_dir>/instances/<instance id>/record.json   written first, removed last
//!                                      disk.qcow2 seed.img console.log console.log.1
//!                                      *.tmp          half-made; does not count, is made anew
//! ```
//!
//! A seed may hold a tenant's secrets, a disk holds all of them: nobody else of the host reads them. libvirt
//! hands them to the emulator's user, who passes through the directories and lists none.

use super::{Held, InstanceFiles, Storage, StorageError};
use crate::config::Config;
use crate::console;
use crate::disk::{self, QemuImg};
use crate::image::ImageCache;
use crate::instance::record::{Life, Operation, RECORD_VERSION, Record};
use iroko_agent_link::ImageSource;
use iroko_agent_wire::{ConsoleLog, DiskRoom, InstanceSpec};
use iroko_daemon::private;
use iroko_model::InstanceId;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const RECORD: &str = "record.json";
const DISK: &str = "disk.qcow2";
const SEED: &str = "seed.img";
const CONSOLE: &str = "console.log";
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// Free room is told in these steps, in MiB.
const ROOM_STEP_MIB: u64 = 256;
/// What must be free before an instance that was held for want of room goes on, so that it is not held again at once.
const ROOM_TO_GO_ON: u64 = 16 * MIB;

/// Instances and images below one directory.
pub struct LocalStorage {
    instances: PathBuf,
    cache: Arc<ImageCache>,
    qemu_img: QemuImg,
    /// Bounds the children; who waits for an image does not hold up who has one.
    builds: Semaphore,
    /// What is kept free of the disk.
    kept_mib: u64,
    console_max_bytes: u64,
}

impl LocalStorage {
    /// Opens the storage below `config.state_dir`, which is made where it is missing.
    pub fn open(config: &Config, images: Arc<dyn ImageSource>) -> Result<Self, StorageError> {
        let failed = |e| StorageError::io("making the state directory", e);
        let state_dir = std::path::absolute(&config.state_dir).map_err(failed)?;
        let instances = state_dir.join("instances");
        private::passage(&instances).map_err(failed)?;
        tighten(&instances).map_err(failed)?;
        let within = Duration::from_secs(config.image_timeout_s);
        let bound = config.image_cache_gib.saturating_mul(GIB);
        let cache = ImageCache::open(state_dir.join("images"), images, within, config.concurrent_downloads, bound);
        Ok(Self {
            instances,
            cache: Arc::new(cache.map_err(failed)?),
            qemu_img: QemuImg { program: config.qemu_img.clone(), timeout: Duration::from_secs(config.disk_timeout_s) },
            builds: Semaphore::new(config.concurrent_builds.max(1)),
            kept_mib: config.keep_free_mib,
            console_max_bytes: config.console_max_kib.saturating_mul(1024),
        })
    }

    fn directory(&self, id: InstanceId) -> PathBuf {
        self.instances.join(id.to_string())
    }

    /// File names of the images that disks stand on, or will.
    async fn in_use(&self) -> Result<HashSet<String>, StorageError> {
        let instances = self.instances.clone();
        let images = move || {
            let image = |id: InstanceId| Ok(read_record(id, &instances.join(id.to_string()))?.map(|r| r.image));
            list(&instances)?.into_iter().filter_map(|id| image(id).transpose()).collect()
        };
        blocking("looking at the instances' files", images).await
    }
}

/// Runs file work on a thread that may block.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|e| StorageError::io(what, e))
}

#[async_trait::async_trait]
impl Storage for LocalStorage {
    async fn instances(&self) -> Result<Vec<InstanceId>, StorageError> {
        let directory = self.instances.clone();
        blocking("listing the instances", move || list(&directory)).await
    }

    async fn look(&self, id: InstanceId) -> Result<Held, StorageError> {
        let directory = self.directory(id);
        blocking("looking at the instance's files", move || look(id, &directory)).await
    }

    async fn save(&self, record: &Record) -> Result<(), StorageError> {
        let directory = self.directory(record.id);
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|e| StorageError::io("writing the instance's record", io::Error::other(e)))?;
        blocking("writing the instance's record", move || {
            make_directory(&directory)?;
            replace(&directory.join(RECORD), &bytes)
        })
        .await
    }

    async fn make_disk(&self, spec: &InstanceSpec) -> Result<(), StorageError> {
        let size = disk::size_bytes(spec.image.virtual_size_bytes, spec.resources.disk_gib)
            .map_err(|needed_gib| StorageError::DiskTooSmall { needed_gib, has_gib: spec.resources.disk_gib })?;
        let DiskRoom { free_mib, is_full, .. } = self.room().await?;
        if is_full {
            return Err(StorageError::Full { free_mib, kept_mib: self.kept_mib });
        }
        let image = self.cache.get(&spec.image, &self.in_use().await?).await?;
        let path = self.directory(spec.id).join(DISK);
        let partial = temporary(&path);
        let _permit = self.builds.acquire().await;
        let made = self.qemu_img.create_overlay(&partial, image.path(), spec.image.format, size).await;
        if let Err(error) = made {
            drop(tokio::fs::remove_file(&partial).await);
            return Err(StorageError::QemuImg(error));
        }
        blocking("naming the instance's disk", move || {
            let file = File::open(&partial)?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            sync_parent(&path)
        })
        .await
    }

    async fn make_seed(&self, spec: &InstanceSpec) -> Result<(), StorageError> {
        let bytes = crate::seed::image(spec).map_err(StorageError::Seed)?;
        let path = self.directory(spec.id).join(SEED);
        blocking("writing the instance's seed", move || replace(&path, &bytes)).await
    }

    async fn remove_files(&self, id: InstanceId) -> Result<(), StorageError> {
        let directory = self.directory(id);
        blocking("removing the instance's files", move || remove_files(&directory)).await
    }

    async fn remove_all(&self, id: InstanceId) -> Result<(), StorageError> {
        let directory = self.directory(id);
        blocking("removing the instance's files", move || {
            remove_files(&directory)?;
            gone(fs::remove_file(directory.join(RECORD)))?;
            gone(fs::remove_dir(&directory))?;
            sync_parent(&directory)
        })
        .await
    }

    async fn console_tail(&self, id: InstanceId, max: usize) -> Result<Option<Vec<u8>>, StorageError> {
        let log = self.directory(id).join(CONSOLE);
        blocking("reading the console log", move || console::tail(&log, max)).await
    }

    async fn tidy(&self) -> Result<(), StorageError> {
        let (instances, max) = (self.instances.clone(), self.console_max_bytes);
        let cut = blocking("tidying the instances' files", move || {
            let cut = |id: &InstanceId| {
                console::cut(&instances.join(id.to_string()).join(CONSOLE), max, ConsoleLog::MAX_BYTES)
            };
            // One that cannot be cut, its disk being full, holds up no other and no image.
            list(&instances)?.iter().map(cut).rfind(Result::is_err).unwrap_or(Ok(()))
        })
        .await;
        let (cache, in_use) = (self.cache.clone(), self.in_use().await?);
        blocking("evicting images", move || cache.evict(&in_use)).await?;
        cut
    }

    async fn room(&self) -> Result<DiskRoom, StorageError> {
        let (path, kept_mib) = (self.instances.clone(), self.kept_mib);
        let (total, free) = blocking("measuring the disk", move || measure(&path)).await?;
        let free_mib = free / MIB;
        let is_full = free_mib < kept_mib;
        // What changes all the time is told in steps.
        let free_mib = if free_mib > ROOM_STEP_MIB { free_mib - free_mib % ROOM_STEP_MIB } else { free_mib };
        Ok(DiskRoom { total_mib: total / MIB, free_mib, is_full })
    }

    async fn has_room(&self, id: InstanceId) -> Result<bool, StorageError> {
        let path = self.directory(id);
        let (_, free) = blocking("measuring the disk", move || measure(&path)).await?;
        Ok(free >= ROOM_TO_GO_ON)
    }

    fn files(&self, spec: &InstanceSpec) -> InstanceFiles {
        let directory = self.directory(spec.id);
        InstanceFiles {
            disk: directory.join(DISK),
            backing: self.cache.path(&spec.image),
            backing_format: spec.image.format,
            seed: directory.join(SEED),
            console: directory.join(CONSOLE),
        }
    }
}

/// What an older release, or a lax umask, left open to others.
fn tighten(instances: &Path) -> io::Result<()> {
    list(instances)?.iter().try_for_each(|id| private::tighten(&instances.join(id.to_string())))
}

/// Size of a file system and what is free of it for us, in octets.
fn measure(path: &Path) -> io::Result<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    let octets = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok((octets(stat.blocks()), octets(stat.blocks_available())))
}

fn list(instances: &Path) -> io::Result<Vec<InstanceId>> {
    let names = fs::read_dir(instances)?.map(|entry| Ok(entry?.file_name()));
    names
        .map(|name: io::Result<_>| Ok(name?.to_str().and_then(|name| name.parse().ok())))
        .filter_map(Result::transpose)
        .collect()
}

fn look(id: InstanceId, directory: &Path) -> io::Result<Held> {
    let record = read_record(id, directory)?;
    let mut held = Held { record, ..Held::default() };
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(held),
        entries => entries?,
    };
    for entry in entries {
        match entry?.file_name().to_str() {
            Some(RECORD) => {}
            Some(DISK) => (held.disk, held.litter) = (true, true),
            Some(SEED) => (held.seed, held.litter) = (true, true),
            _ => held.litter = true,
        }
    }
    Ok(held)
}

/// A record that cannot be read is answered as one that protects the disk.
fn read_record(id: InstanceId, directory: &Path) -> io::Result<Option<Record>> {
    let bytes = match fs::read(directory.join(RECORD)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    match serde_json::from_slice::<Record>(&bytes) {
        Ok(record) if record.id == id && record.version == RECORD_VERSION => Ok(Some(record)),
        damaged => {
            tracing::error!(%id, error = ?damaged.err(), "the instance's record is damaged; its disk is kept");
            Ok(Some(Record::new(id, 0, String::new(), Life::Born, Operation::done(0))))
        }
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    private::passage(directory)?;
    sync_parent(directory)
}

/// Where a file is made before it gets its name.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Writes the file whole: after a crash at any line there is the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = temporary(path);
    let mut file = private::open(&private::new_file(), &partial)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        // Half a file on a full disk is in nobody's way but the disk's.
        drop(fs::remove_file(&partial));
        return Err(error);
    }
    fs::rename(&partial, path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Removes everything but the record. Goes on past what cannot be removed and says so last.
fn remove_files(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut failed = None;
    for entry in entries {
        let entry = entry?;
        if entry.file_name() != RECORD {
            failed = gone(fs::remove_file(entry.path())).err().or(failed);
        }
    }
    failed.map_or_else(|| File::open(directory)?.sync_all(), Err)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
