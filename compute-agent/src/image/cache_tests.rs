//! The cache against sources that break, lie and count.

use super::*;
use bytes::Bytes;
use futures::StreamExt;
use iroko_agent_link::agent::{ImageError, ImageStream};
use iroko_model::ImageId;
use iroko_model::image::DiskFormat;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Serves the same bytes for every image; each stream breaks after `breaks_after` bytes.
struct Source {
    bytes: Vec<u8>,
    breaks_after: usize,
    asked: AtomicUsize,
    offsets: Mutex<Vec<u64>>,
}

impl Source {
    fn new(bytes: &[u8], breaks_after: usize) -> Arc<Self> {
        let (asked, offsets) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { bytes: bytes.to_vec(), breaks_after, asked, offsets })
    }
}

#[async_trait::async_trait]
impl ImageSource for Source {
    async fn image(&self, _: ImageId, offset: u64) -> Result<ImageStream, ImageError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.offsets.lock().unwrap().push(offset);
        let rest = &self.bytes[offset as usize..];
        let part = Bytes::copy_from_slice(&rest[..rest.len().min(self.breaks_after)]);
        let broken = (part.len() < rest.len()).then(|| Err(ImageError::Unreachable("cut".into())));
        Ok(futures::stream::iter([Ok(part)].into_iter().chain(broken)).boxed())
    }
}

fn raw(bytes: &[u8]) -> ImageSpec {
    let size = bytes.len() as u64;
    ImageSpec {
        id: ImageId::new(),
        format: DiskFormat::Raw,
        sha256: super::fetch::hex(&Sha256::digest(bytes)),
        size_bytes: size,
        virtual_size_bytes: size,
    }
}

fn cache(directory: &tempfile::TempDir, source: &Arc<Source>) -> ImageCache {
    ImageCache::open(directory.path().join("images"), source.clone(), Duration::from_secs(30), 2).unwrap()
}

fn names(cache: &ImageCache) -> Vec<String> {
    let entries = fs::read_dir(&cache.directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn ten_machines_cause_one_download() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::new(b"disk", 100));
    let (cache, image) = (cache(&directory, &source), raw(b"disk"));
    let leases = futures::future::join_all((0..10).map(|_| cache.get(&image))).await;
    for lease in leases {
        assert_eq!(fs::read(lease.unwrap().path()).unwrap(), b"disk");
    }
    cache.get(&image).await.unwrap();
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    assert_eq!(names(&cache), [file_name(&image)]);
}

#[tokio::test]
async fn a_broken_stream_is_resumed_also_by_the_next_process() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::new(b"0123456789", 3));
    let (cache, image) = (cache(&directory, &source), raw(b"0123456789"));
    fs::write(cache.directory.join(format!("{}.partial", file_name(&image))), b"01").unwrap();
    let lease = cache.get(&image).await.unwrap();
    assert_eq!(fs::read(lease.path()).unwrap(), b"0123456789");
    assert_eq!(*source.offsets.lock().unwrap(), [2, 5, 8]);
}

#[tokio::test]
async fn wrong_bytes_never_enter_the_cache() {
    let directory = tempfile::tempdir().unwrap();
    let source = Source::new(b"disk", 100);
    let cache = cache(&directory, &source);
    let good = raw(b"disk");
    let wrong_sum = ImageSpec { sha256: "0".repeat(64), ..good.clone() };
    let error = cache.get(&wrong_sum).await.unwrap_err();
    assert!(error.is_permanent() && error.public().contains(&good.sha256), "{}", error.public());
    let too_short = ImageSpec { size_bytes: 3, virtual_size_bytes: 3, ..good.clone() };
    assert!(matches!(cache.get(&too_short).await.unwrap_err(), CacheError::Length { wanted: 3, found: 4, .. }));
    let wrong_size = ImageSpec { virtual_size_bytes: 5, ..good.clone() };
    assert!(matches!(cache.get(&wrong_size).await.unwrap_err(), CacheError::Header { .. }));
    let not_qcow2 = ImageSpec { format: DiskFormat::Qcow2, ..good.clone() };
    assert!(matches!(cache.get(&not_qcow2).await.unwrap_err(), CacheError::Header { .. }));
    assert_eq!(names(&cache), [""; 0]);
    cache.get(&good).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let source = Source::new(b"disk", 0);
    let cache = cache(&directory, &source);
    let error = cache.get(&raw(b"disk")).await.unwrap_err();
    assert!(matches!(error, CacheError::Late { .. }), "{error:?}");
    assert!(source.asked.load(Ordering::SeqCst) > 2, "it was tried again");
}

#[tokio::test]
async fn eviction_spares_what_is_used_or_leased() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::new(b"disk", 100));
    let cache = cache(&directory, &source);
    let (used, leased, idle) = (raw(b"disk"), raw(b"disk"), raw(b"disk"));
    for image in [&used, &idle] {
        drop(cache.get(image).await.unwrap());
    }
    let lease = cache.get(&leased).await.unwrap();
    let in_use = HashSet::from([file_name(&used)]);
    assert!(cache.evict(&in_use, 8).unwrap().is_empty(), "within the bound");
    assert_eq!(cache.evict(&in_use, 0).unwrap(), [file_name(&idle)]);
    drop(lease);
    assert_eq!(cache.evict(&in_use, 0).unwrap(), [file_name(&leased)]);
    assert!(cache.path(&used).exists());
}
