//! Storage in memory: nothing touches the disk, so that one process can be a hundred hosts.
//!
//! It survives the agent over it, as a disk survives a process, and obeys [`Faults`].

use super::{Held, InstanceFiles, Storage, StorageError};
use crate::disk;
use crate::faults::{Faults, Injected};
use crate::instance::record::Record;
use iroko_agent_wire::{DiskRoom, InstanceSpec};
use iroko_model::InstanceId;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Size of a simulated disk.
const TOTAL_MIB: u64 = 1 << 20;

/// The disk of a simulated host.
#[derive(Debug, Default)]
pub struct FakeStorage {
    held: Mutex<HashMap<InstanceId, Held>>,
    consoles: Mutex<HashMap<InstanceId, Vec<u8>>>,
    faults: Arc<Faults>,
    disk_latency: Duration,
    is_full: AtomicBool,
}

impl FakeStorage {
    /// The disk has no room, or has some again.
    pub fn full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that disturbs operations as `faults` says, and takes `disk_latency` for making
    /// an instance's disk.
    pub fn with(faults: Arc<Faults>, disk_latency: Duration) -> Self {
        Self { faults, disk_latency, ..Self::default() }
    }

    /// What is kept of an instance.
    pub fn held(&self, id: InstanceId) -> Held {
        self.lock().get(&id).cloned().unwrap_or_default()
    }

    /// How many instances anything is kept of.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True where nothing is kept at all.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Changes what is kept of an instance behind the agent's back.
    pub fn meddle(&self, id: InstanceId, change: impl FnOnce(&mut Held)) {
        change(self.lock().entry(id).or_default());
    }

    /// What a guest writes to its serial console.
    pub fn write_console(&self, id: InstanceId, text: &str) {
        let mut consoles = self.consoles.lock().unwrap_or_else(PoisonError::into_inner);
        consoles.entry(id).or_default().extend_from_slice(text.as_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn act<T>(
        &self,
        verb: &'static str,
        act: impl FnOnce(&mut HashMap<InstanceId, Held>) -> T + Send,
    ) -> Result<T, StorageError> {
        let passed = self.faults.enter(verb).await.map_err(injected)?;
        let done = act(&mut self.lock());
        self.faults.leave(passed).await;
        Ok(done)
    }
}

fn injected(fault: Injected) -> StorageError {
    StorageError::io("a simulated file operation", io::Error::other(fault))
}

#[async_trait::async_trait]
impl Storage for FakeStorage {
    async fn instances(&self) -> Result<Vec<InstanceId>, StorageError> {
        Ok(self.lock().keys().copied().collect())
    }

    async fn look(&self, id: InstanceId) -> Result<Held, StorageError> {
        Ok(self.held(id))
    }

    async fn save(&self, record: &Record) -> Result<(), StorageError> {
        let (id, record) = (record.id, record.clone());
        self.act("save", |held| held.entry(id).or_default().record = Some(record)).await
    }

    async fn make_disk(&self, spec: &InstanceSpec) -> Result<(), StorageError> {
        disk::size_bytes(spec.image.virtual_size_bytes, spec.resources.disk_gib)
            .map_err(|needed_gib| StorageError::DiskTooSmall { needed_gib, has_gib: spec.resources.disk_gib })?;
        if self.is_full.load(Ordering::SeqCst) {
            return Err(StorageError::Full { free_mib: 0, kept_mib: 1 });
        }
        if !self.disk_latency.is_zero() {
            tokio::time::sleep(self.disk_latency).await;
        }
        let id = spec.id;
        self.act("make_disk", |held| {
            let held = held.entry(id).or_default();
            (held.disk, held.litter) = (true, true);
        })
        .await
    }

    async fn make_seed(&self, spec: &InstanceSpec) -> Result<(), StorageError> {
        let id = spec.id;
        self.act("make_seed", |held| {
            let held = held.entry(id).or_default();
            (held.seed, held.litter) = (true, true);
        })
        .await
    }

    async fn remove_files(&self, id: InstanceId) -> Result<(), StorageError> {
        self.act("remove_files", |held| {
            let left = held.remove(&id).and_then(|held| held.record);
            if let Some(record) = left {
                held.insert(id, Held { record: Some(record), ..Held::default() });
            }
        })
        .await
    }

    async fn remove_all(&self, id: InstanceId) -> Result<(), StorageError> {
        self.act("remove_all", |held| drop(held.remove(&id))).await
    }

    async fn console_tail(&self, id: InstanceId, max: usize) -> Result<Option<Vec<u8>>, StorageError> {
        let consoles = self.consoles.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(consoles.get(&id).map(|text| text[text.len().saturating_sub(max)..].to_vec()))
    }

    async fn tidy(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn room(&self) -> Result<DiskRoom, StorageError> {
        let is_full = self.is_full.load(Ordering::SeqCst);
        Ok(DiskRoom { total_mib: TOTAL_MIB, free_mib: if is_full { 0 } else { TOTAL_MIB / 2 }, is_full })
    }

    async fn has_room(&self, _: InstanceId) -> Result<bool, StorageError> {
        Ok(!self.is_full.load(Ordering::SeqCst))
    }

    fn files(&self, spec: &InstanceSpec) -> InstanceFiles {
        InstanceFiles {
            disk: PathBuf::from("disk.qcow2"),
            backing: PathBuf::from("image"),
            backing_format: spec.image.format,
            seed: PathBuf::from("seed.img"),
            console: PathBuf::from("console.log"),
        }
    }
}
