//! The real storage.
//!
//! ```text
//!  <state_dir>/images/<image id>-<sha256>.<format>   complete and checked
//!  <state_dir>/instances/<instance id>/record.json   written first, removed last
//!                                      disk.qcow2 seed.img console.log console.log.1
//!                                      *.tmp          half-made; does not count, is made anew
//! ```

use super::{Held, MachineFiles, Storage, StorageError};
use crate::config::Config;
use crate::console;
use crate::disk::{self, QemuImg};
use crate::image::ImageCache;
use crate::instance::record::{Life, RECORD_VERSION, Record};
use iroko_agent_link::agent::ImageSource;
use iroko_agent_link::wire::{ConsoleLog, InstanceSpec};
use iroko_model::InstanceId;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const RECORD: &str = "record.json";
const DISK: &str = "disk.qcow2";
const SEED: &str = "seed.img";
const CONSOLE: &str = "console.log";
const GIB: u64 = 1 << 30;
/// A seed may hold a tenant's secrets, a disk holds all of them: nobody else of the host reads them.
/// libvirt hands disk and seed to the emulator's user while the machine runs.
const FILE_MODE: u32 = 0o600;
/// The emulator's user must reach its files and need not list others'.
const DIRECTORY_MODE: u32 = 0o711;

/// Machines and images below one directory.
pub struct LocalStorage {
    instances: PathBuf,
    cache: Arc<ImageCache>,
    qemu_img: QemuImg,
    /// Bounds the children; who waits for an image does not hold up who has one.
    builds: Semaphore,
    image_cache_bytes: u64,
    console_max_bytes: u64,
}

impl LocalStorage {
    /// Opens the storage below `config.state_dir`, which is made where it is missing.
    pub fn open(config: &Config, images: Arc<dyn ImageSource>) -> Result<Self, StorageError> {
        let failed = |e| StorageError::io("making the state directory", e);
        let state_dir = std::path::absolute(&config.state_dir).map_err(failed)?;
        let instances = state_dir.join("instances");
        fs::create_dir_all(&instances).map_err(failed)?;
        let within = Duration::from_secs(config.image_timeout_s);
        let cache = ImageCache::open(state_dir.join("images"), images, within, config.concurrent_downloads);
        Ok(Self {
            instances,
            cache: Arc::new(cache.map_err(failed)?),
            qemu_img: QemuImg { program: config.qemu_img.clone(), timeout: Duration::from_secs(config.disk_timeout_s) },
            builds: Semaphore::new(config.concurrent_builds.max(1)),
            image_cache_bytes: config.image_cache_gib.saturating_mul(GIB),
            console_max_bytes: config.console_max_kib.saturating_mul(1024),
        })
    }

    fn directory(&self, id: InstanceId) -> PathBuf {
        self.instances.join(id.to_string())
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
        blocking("listing the machines", move || list(&directory)).await
    }

    async fn look(&self, id: InstanceId) -> Result<Held, StorageError> {
        let directory = self.directory(id);
        blocking("looking at the machine's files", move || look(id, &directory)).await
    }

    async fn save(&self, record: &Record) -> Result<(), StorageError> {
        let directory = self.directory(record.id);
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|e| StorageError::io("writing the machine's record", io::Error::other(e)))?;
        blocking("writing the machine's record", move || {
            make_directory(&directory)?;
            replace(&directory.join(RECORD), &bytes)
        })
        .await
    }

    async fn make_disk(&self, spec: &InstanceSpec) -> Result<(), StorageError> {
        let size = disk::size_bytes(spec.image.virtual_size_bytes, spec.resources.disk_gib)
            .map_err(|needed_gib| StorageError::DiskTooSmall { needed_gib, has_gib: spec.resources.disk_gib })?;
        let image = self.cache.get(&spec.image).await?;
        let path = self.directory(spec.id).join(DISK);
        let partial = temporary(&path);
        let _permit = self.builds.acquire().await;
        let made = self.qemu_img.create_overlay(&partial, image.path(), spec.image.format, size).await;
        made.map_err(StorageError::QemuImg)?;
        blocking("naming the machine's disk", move || {
            let file = File::open(&partial)?;
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            sync_parent(&path)
        })
        .await
    }

    async fn make_seed(&self, spec: &InstanceSpec) -> Result<(), StorageError> {
        let bytes = crate::seed::image(spec).map_err(StorageError::Seed)?;
        let path = self.directory(spec.id).join(SEED);
        blocking("writing the machine's seed", move || replace(&path, &bytes)).await
    }

    async fn remove_files(&self, id: InstanceId) -> Result<(), StorageError> {
        let directory = self.directory(id);
        blocking("removing the machine's files", move || remove_files(&directory)).await
    }

    async fn remove_all(&self, id: InstanceId) -> Result<(), StorageError> {
        let directory = self.directory(id);
        blocking("removing the machine's files", move || {
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
        let in_use = blocking("tidying the machines' files", move || {
            let ids = list(&instances)?;
            let mut in_use = HashSet::new();
            for id in ids {
                let directory = instances.join(id.to_string());
                console::cut(&directory.join(CONSOLE), max, ConsoleLog::MAX_BYTES)?;
                in_use.extend(read_record(id, &directory)?.map(|record| record.image));
            }
            Ok(in_use)
        })
        .await?;
        let (cache, bound) = (self.cache.clone(), self.image_cache_bytes);
        for name in blocking("evicting images", move || cache.evict(&in_use, bound)).await? {
            tracing::info!(image = name, "evicted an unused image");
        }
        Ok(())
    }

    fn files(&self, spec: &InstanceSpec) -> MachineFiles {
        let directory = self.directory(spec.id);
        MachineFiles {
            disk: directory.join(DISK),
            backing: self.cache.path(&spec.image),
            backing_format: spec.image.format,
            seed: directory.join(SEED),
            console: directory.join(CONSOLE),
        }
    }
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
            tracing::error!(%id, error = ?damaged.err(), "the machine's record is damaged; its disk is kept");
            Ok(Some(Record::new(id, 0, String::new(), Life::Born, 0)))
        }
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
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
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
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
