//! The cache against sources that break, lie and count.

use super::*;
use bytes::Bytes;
use futures::StreamExt;
use iroko_agent_link::{ImageError, ImageStream};
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
        let rest = &self.bytes[usize::try_from(offset).unwrap()..];
        let part = Bytes::copy_from_slice(&rest[..rest.len().min(self.breaks_after)]);
        let broken = (part.len() < rest.len()).then(|| Err(ImageError::Unreachable("cut".into())));
        Ok(futures::stream::iter([Ok(part)].into_iter().chain(broken)).boxed())
    }
}

/// Larger than anything here.
const BOUND: u64 = 1 << 20;

async fn get(cache: &ImageCache, image: &ImageSpec) -> Result<Lease, CacheError> {
    cache.get(image, &HashSet::new()).await
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
    ImageCache::open(directory.path().join("images"), source.clone(), Duration::from_secs(30), 2, BOUND).unwrap()
}

fn names(cache: &ImageCache) -> Vec<String> {
    let entries = fs::read_dir(&cache.directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn ten_instances_cause_one_download() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::new(b"disk", 100));
    let (cache, image) = (cache(&directory, &source), raw(b"disk"));
    let leases = futures::future::join_all((0..10).map(|_| get(&cache, &image))).await;
    for lease in leases {
        assert_eq!(fs::read(lease.unwrap().path()).unwrap(), b"disk");
    }
    get(&cache, &image).await.unwrap();
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    assert_eq!(names(&cache), [file_name(&image)]);
}

#[tokio::test]
async fn a_broken_stream_is_resumed_also_by_the_next_process() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::new(b"0123456789", 3));
    let (cache, image) = (cache(&directory, &source), raw(b"0123456789"));
    fs::write(cache.directory.join(format!("{}.partial", file_name(&image))), b"01").unwrap();
    let lease = get(&cache, &image).await.unwrap();
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
    let error = get(&cache, &wrong_sum).await.unwrap_err();
    assert!(!error.is_permanent() && error.public().contains(&good.sha256), "{}", error.public());
    let too_short = ImageSpec { size_bytes: 3, virtual_size_bytes: 3, ..good.clone() };
    assert!(matches!(get(&cache, &too_short).await.unwrap_err(), CacheError::Length { wanted: 3, found: 4, .. }));
    let wrong_size = ImageSpec { virtual_size_bytes: 5, ..good.clone() };
    assert!(matches!(get(&cache, &wrong_size).await.unwrap_err(), CacheError::Header { .. }));
    let not_qcow2 = ImageSpec { format: DiskFormat::Qcow2, ..good.clone() };
    assert!(matches!(get(&cache, &not_qcow2).await.unwrap_err(), CacheError::Header { .. }));
    assert_eq!(names(&cache), [""; 0]);
    get(&cache, &good).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let source = Source::new(b"disk", 0);
    let cache = cache(&directory, &source);
    let error = get(&cache, &raw(b"disk")).await.unwrap_err();
    assert!(matches!(error, CacheError::Late { .. }), "{error:?}");
    assert!(source.asked.load(Ordering::SeqCst) > 2, "it was tried again");
}

/// The first stream of a source whose bytes are wrong until they are asked for from the beginning.
struct Mended {
    good: Vec<u8>,
    offsets: Mutex<Vec<u64>>,
}

#[async_trait::async_trait]
impl ImageSource for Mended {
    async fn image(&self, _: ImageId, offset: u64) -> Result<ImageStream, ImageError> {
        self.offsets.lock().unwrap().push(offset);
        let rest = Bytes::copy_from_slice(&self.good[usize::try_from(offset).unwrap()..]);
        Ok(futures::stream::iter([Ok(rest)]).boxed())
    }
}

#[tokio::test]
async fn what_an_earlier_run_left_is_never_trusted_and_blames_nobody() {
    for left in [&b"99"[..], b"9999999999", b"longer than the image is", b"0123456780"] {
        let directory = tempfile::tempdir().unwrap();
        let source = Arc::new(Mended { good: b"0123456789".to_vec(), offsets: Mutex::default() });
        let path = directory.path().join("images");
        let cache = ImageCache::open(path, source.clone(), Duration::from_secs(30), 2, BOUND).unwrap();
        let image = raw(b"0123456789");
        fs::write(cache.directory.join(format!("{}.partial", file_name(&image))), left).unwrap();
        let lease = get(&cache, &image).await.unwrap();
        assert_eq!(fs::read(lease.path()).unwrap(), b"0123456789");
        assert_eq!(source.offsets.lock().unwrap().last(), Some(&0), "from nothing");
        assert_eq!(names(&cache), [file_name(&image)]);
    }
}

#[tokio::test]
async fn images_make_room_for_others_and_the_bound_holds() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::new(b"disk", 100));
    let path = directory.path().join("images");
    let cache = ImageCache::open(path, source.clone(), Duration::from_secs(30), 2, 12).unwrap();
    let images: Vec<_> = (0..4).map(|_| raw(b"disk")).collect();
    let age = |image: &ImageSpec, seconds: u64| {
        let file = fs::File::options().append(true).open(cache.path(image)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    };
    for (image, seconds) in images[..3].iter().zip([300, 200, 100]) {
        drop(get(&cache, image).await.unwrap());
        age(image, seconds);
    }
    // The first was used last: what was used longest ago is the second.
    drop(get(&cache, &images[0]).await.unwrap());
    let lease = get(&cache, &images[3]).await.unwrap();
    let there = |image: &ImageSpec| cache.path(image).exists();
    assert_eq!(images.iter().map(there).collect::<Vec<_>>(), [true, false, true, true]);
    // All that is there is in use, by a disk or by one that is being made.
    let in_use = HashSet::from([file_name(&images[0]), file_name(&images[2])]);
    let error = cache.get(&images[1], &in_use).await.unwrap_err();
    assert!(matches!(error, CacheError::NoRoom { size_bytes: 4, bound_bytes: 12, .. }), "{error:?}");
    assert!(!error.is_permanent() && error.public().contains("make room"), "{}", error.public());
    drop(lease);
    cache.get(&images[1], &in_use).await.unwrap();
    assert_eq!(images.iter().map(there).collect::<Vec<_>>(), [true, true, true, false]);
    let large = raw(b"more than twelve");
    assert!(matches!(get(&cache, &large).await.unwrap_err(), CacheError::NoRoom { .. }));
    assert!(there(&images[0]), "nothing is thrown away for what cannot fit");
}

#[tokio::test]
async fn eviction_spares_what_is_used_or_leased() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::new(b"disk", 100));
    let mut cache = cache(&directory, &source);
    let (used, leased, idle) = (raw(b"disk"), raw(b"disk"), raw(b"disk"));
    for image in [&used, &idle] {
        drop(get(&cache, image).await.unwrap());
    }
    let lease = get(&cache, &leased).await.unwrap();
    let in_use = HashSet::from([file_name(&used)]);
    let there = |cache: &ImageCache| [&used, &leased, &idle].map(|image| cache.path(image).exists());
    cache.evict(&in_use).unwrap();
    assert_eq!(there(&cache), [true, true, true], "within the bound");
    cache.bound_bytes = 0;
    cache.evict(&in_use).unwrap();
    assert_eq!(there(&cache), [true, true, false]);
    drop(lease);
    cache.evict(&in_use).unwrap();
    assert_eq!(there(&cache), [true, false, false]);
}
