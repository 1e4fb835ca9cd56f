//! The directory of images, one file each, complete and checked or not there.
//!
//! Ten machines that want one image cause one download: the first starts it as a task of its own,
//! all wait for its outcome, and it goes on when one of them no longer wants to. A lease keeps an
//! image from being evicted while a disk over it is being made.

use super::{CacheError, fetch, file_name};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use iroko_agent_link::agent::ImageSource;
use iroko_agent_link::wire::ImageSpec;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use std::{fs, io};
use tokio::sync::Semaphore;

/// Ending of a file that is still arriving.
const PARTIAL: &str = "partial";
/// A partial file untouched for this long belongs to an image nobody waits for.
const PARTIAL_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

type Fetching = Shared<BoxFuture<'static, Result<(), CacheError>>>;

/// The images of one host.
pub struct ImageCache {
    directory: PathBuf,
    source: Arc<dyn ImageSource>,
    within: Duration,
    downloads: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fetching: HashMap<String, Fetching>,
    leases: HashMap<String, Weak<()>>,
}

/// Keeps an image in the cache while it lives.
#[derive(Debug, Clone)]
pub struct Lease {
    path: PathBuf,
    _alive: Arc<()>,
}

impl Lease {
    /// The image's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl ImageCache {
    /// Opens the cache in `directory`, which is made where it is missing.
    pub fn open(
        directory: PathBuf,
        source: Arc<dyn ImageSource>,
        within: Duration,
        downloads: usize,
    ) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let downloads = Arc::new(Semaphore::new(downloads.max(1)));
        Ok(Self { directory, source, within, downloads, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the image is, or will be.
    pub fn path(&self, image: &ImageSpec) -> PathBuf {
        self.directory.join(file_name(image))
    }

    /// Brings the image into the cache, or waits for whoever does.
    pub async fn get(&self, image: &ImageSpec) -> Result<Lease, CacheError> {
        let path = self.path(image);
        let lease = self.lease(file_name(image), path.clone());
        if tokio::fs::try_exists(&path).await.map_err(CacheError::io("looking for the image"))? {
            return Ok(lease);
        }
        let fetching = self.fetching(image, path);
        fetching.await.map(|()| lease)
    }

    fn lease(&self, name: String, path: PathBuf) -> Lease {
        let mut state = self.state();
        state.leases.retain(|_, lease| lease.strong_count() > 0);
        let alive = state.leases.get(&name).and_then(Weak::upgrade).unwrap_or_default();
        state.leases.insert(name, Arc::downgrade(&alive));
        Lease { path, _alive: alive }
    }

    /// The download under way, or a new one. One that has ended is forgotten, so that a failure is
    /// not remembered.
    fn fetching(&self, image: &ImageSpec, path: PathBuf) -> Fetching {
        let mut state = self.state();
        state.fetching.retain(|_, fetching| fetching.peek().is_none());
        if let Some(fetching) = state.fetching.get(&file_name(image)) {
            return fetching.clone();
        }
        let fetching = self.start(image.clone(), path);
        state.fetching.insert(file_name(image), fetching.clone());
        fetching
    }

    fn start(&self, image: ImageSpec, path: PathBuf) -> Fetching {
        let (source, downloads, within) = (self.source.clone(), self.downloads.clone(), self.within);
        let partial = self.directory.join(format!("{}.{PARTIAL}", file_name(&image)));
        let download = async move {
            let _permit = downloads.acquire().await;
            // A download that ended between our look and now has already brought it.
            if tokio::fs::try_exists(&path).await.unwrap_or(false) {
                return Ok(());
            }
            fetch::fetch(&*source, &image, &partial, &path, within).await
        };
        let task = tokio::spawn(download);
        async move { task.await.unwrap_or(Err(CacheError::Interrupted)) }.boxed().shared()
    }

    /// Removes the images used longest ago until what nobody uses is at most `bound` bytes.
    /// `in_use` are file names that disks stand on. Blocks.
    pub fn evict(&self, in_use: &HashSet<String>, bound: u64) -> io::Result<Vec<String>> {
        let mut unused = self.unused(in_use)?;
        unused.sort();
        let mut total: u64 = unused.iter().map(|(_, size, _)| size).sum();
        let mut evicted = vec![];
        for (_, size, name) in unused {
            if total <= bound {
                break;
            }
            // Under the lock, so that no lease begins between the check and the removal.
            let state = self.state();
            if state.leases.get(&name).is_none_or(|lease| lease.strong_count() == 0) {
                fs::remove_file(self.directory.join(&name))?;
                total -= size;
                evicted.push(name);
            }
        }
        Ok(evicted)
    }

    fn unused(&self, in_use: &HashSet<String>) -> io::Result<Vec<(SystemTime, u64, String)>> {
        let mut unused = vec![];
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let (meta, name) = (entry.metadata()?, entry.file_name().to_string_lossy().into_owned());
            let modified = meta.modified()?;
            if name.ends_with(PARTIAL) {
                if modified.elapsed().is_ok_and(|age| age > PARTIAL_MAX_AGE) {
                    fs::remove_file(entry.path())?;
                }
            } else if !in_use.contains(&name) {
                unused.push((modified, meta.len(), name));
            }
        }
        Ok(unused)
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
