//! The directory of images, one file each, complete and checked or not there.
//!
//! Ten instances that want one image cause one download: the first starts it as a task of its own,
//! all wait for its outcome, and it goes on when one of them no longer wants to. A lease keeps an
//! image from being evicted while a disk over it is being made.
//!
//! All files together stay within a bound that the operator sets: before an image is fetched, those that no disk
//! stands on make room for it, the one used longest ago first. One for which there is no room is refused.

use super::{CacheError, fetch, file_name};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use iroko_agent_link::ImageSource;
use iroko_agent_wire::ImageSpec;
use iroko_daemon::private;
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
    bound_bytes: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    fetching: HashMap<String, Fetching>,
    leases: HashMap<String, Weak<()>>,
    /// Octets that downloads under way will take.
    arriving: HashMap<String, u64>,
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
        bound_bytes: u64,
    ) -> io::Result<Self> {
        private::passage(&directory)?;
        private::tighten(&directory)?;
        let downloads = Arc::new(Semaphore::new(downloads.max(1)));
        Ok(Self { directory, source, within, downloads, bound_bytes, state: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the image is, or will be.
    pub fn path(&self, image: &ImageSpec) -> PathBuf {
        self.directory.join(file_name(image))
    }

    /// Brings the image into the cache, or waits for whoever does. `in_use` are file names that disks stand
    /// on; others make room for it, those used longest ago first.
    pub async fn get(&self, image: &ImageSpec, in_use: &HashSet<String>) -> Result<Lease, CacheError> {
        let path = self.path(image);
        let lease = self.lease(file_name(image), path.clone());
        if tokio::fs::try_exists(&path).await.map_err(CacheError::io("looking for the image"))? {
            touch(&path);
            return Ok(lease);
        }
        let fetching = self.fetching(image, path, in_use)?;
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
    fn fetching(&self, image: &ImageSpec, path: PathBuf, in_use: &HashSet<String>) -> Result<Fetching, CacheError> {
        let name = file_name(image);
        let mut state = self.state();
        state.fetching.retain(|_, fetching| fetching.peek().is_none());
        if let Some(fetching) = state.fetching.get(&name) {
            return Ok(fetching.clone());
        }
        let (id, size_bytes, bound_bytes) = (image.id, image.size_bytes, self.bound_bytes);
        let no_room = CacheError::NoRoom { id, size_bytes, bound_bytes };
        let Some(others) = bound_bytes.checked_sub(size_bytes) else { return Err(no_room) };
        if self.shrink(&state, in_use, others).map_err(CacheError::io("making room for the image"))? > others {
            return Err(no_room);
        }
        state.arriving.insert(name.clone(), image.size_bytes);
        let fetching = self.start(image.clone(), path);
        state.fetching.insert(name, fetching.clone());
        Ok(fetching)
    }

    fn start(&self, image: ImageSpec, path: PathBuf) -> Fetching {
        let (source, downloads, within) = (self.source.clone(), self.downloads.clone(), self.within);
        let partial = self.directory.join(format!("{}.{PARTIAL}", file_name(&image)));
        let image_of_task = image.clone();
        let download = async move {
            let _permit = downloads.acquire().await;
            // A download that ended between our look and now has already brought it.
            if tokio::fs::try_exists(&path).await.unwrap_or(false) {
                return Ok(());
            }
            fetch::fetch(&*source, &image, &partial, &path, within).await
        };
        let task = tokio::spawn(download);
        let (state, name) = (self.state.clone(), file_name(&image_of_task));
        let ended = async move {
            let outcome = task.await.unwrap_or(Err(CacheError::Interrupted));
            state.lock().unwrap_or_else(PoisonError::into_inner).arriving.remove(&name);
            outcome
        };
        // Driven by itself: what a download takes is given back also when nobody waits for it any more.
        let ended = tokio::spawn(ended);
        async move { ended.await.unwrap_or(Err(CacheError::Interrupted)) }.boxed().shared()
    }

    /// Removes the images used longest ago until what is kept is within the bound, as far as nobody uses them.
    /// `in_use` are file names that disks stand on. Blocks.
    pub fn evict(&self, in_use: &HashSet<String>) -> io::Result<()> {
        // Under the lock, so that no lease begins between the check and the removal.
        let state = self.state();
        self.shrink(&state, in_use, self.bound_bytes).map(drop)
    }

    /// Removes what nobody uses until at most `bound` octets are kept or arrive; returns how many do.
    fn shrink(&self, state: &State, in_use: &HashSet<String>, bound: u64) -> io::Result<u64> {
        let mut kept: u64 = state.arriving.values().sum();
        let mut unused = vec![];
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let (meta, name) = (entry.metadata()?, entry.file_name().to_string_lossy().into_owned());
            let modified = meta.modified()?;
            let image = name.strip_suffix(PARTIAL).and_then(|name| name.strip_suffix('.')).unwrap_or(&name);
            if state.arriving.contains_key(image) {
                continue;
            }
            let is_stale = modified.elapsed().is_ok_and(|age| age > PARTIAL_MAX_AGE);
            let is_partial = image != name;
            kept += meta.len();
            let is_leased = state.leases.get(image).is_some_and(|lease| lease.strong_count() > 0);
            if (is_partial && is_stale) || (!is_leased && (is_partial || !in_use.contains(&name))) {
                // What is stale goes first, and in any case.
                unused.push((!(is_partial && is_stale), modified, meta.len(), name));
            }
        }
        unused.sort();
        for (is_good, _, size, name) in unused {
            if is_good && kept <= bound {
                break;
            }
            fs::remove_file(self.directory.join(&name))?;
            tracing::info!(image = name, "removed an image that nobody uses from the cache");
            kept = kept.saturating_sub(size);
        }
        Ok(kept)
    }
}

/// Notes that an image is used now. That it could not be noted only makes it look older.
fn touch(path: &Path) {
    let noted = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = noted {
        tracing::debug!(%error, "the use of an image could not be noted");
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
