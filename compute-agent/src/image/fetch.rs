//! Fetches one image into a file, resuming where a broken stream ended.
//!
//! The checksum runs along with the bytes; what an earlier process left in the file is read once
//! and continued. Only a complete and right file gets its final name. A file that came in pieces and is wrong is
//! fetched once more from nothing before its source is blamed.

use super::CacheError;
use futures::StreamExt;
use iroko_agent_link::{Backoff, ImageError, ImageSource};
use iroko_agent_wire::ImageSpec;
use iroko_daemon::private;
use iroko_model::image::{Fault, OnDisk};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(10);
const READ_CHUNK: usize = 256 * 1024;

/// Brings the image to `path`, by way of `partial` beside it.
pub(super) async fn fetch(
    source: &dyn ImageSource,
    image: &ImageSpec,
    partial: &Path,
    path: &Path,
    within: Duration,
) -> Result<(), CacheError> {
    let mut is_pieced = false;
    let mut outcome = download(source, image, partial, within, &mut is_pieced).await;
    if is_pieced && outcome.as_ref().is_err_and(CacheError::is_mismatch) {
        // What an earlier run left, or what came before a break, may be what is wrong: nobody is blamed for it.
        tracing::warn!(image = %image.id, "an image that came in pieces is wrong; it is fetched once more from nothing");
        drop(tokio::fs::remove_file(partial).await);
        outcome = download(source, image, partial, within, &mut is_pieced).await;
    }
    // Only bytes that may be continued are kept, and nothing of a disk that is full.
    if outcome.as_ref().is_err_and(|error| error.is_permanent() || error.is_mismatch() || error.is_full()) {
        drop(tokio::fs::remove_file(partial).await);
    }
    outcome?;
    tokio::fs::rename(partial, path).await.map_err(CacheError::io("naming the image"))?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let directory = File::open(parent).await.map_err(CacheError::io("opening the directory"))?;
    directory.sync_all().await.map_err(CacheError::io("syncing the directory"))
}

async fn download(
    source: &dyn ImageSource,
    image: &ImageSpec,
    partial: &Path,
    within: Duration,
    is_pieced: &mut bool,
) -> Result<(), CacheError> {
    let mut arriving = Arriving::open(image, partial).await?;
    *is_pieced = arriving.length > 0;
    let end = Instant::now() + within;
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MOST);
    while arriving.length < image.size_bytes {
        let before = arriving.length;
        *is_pieced |= before > 0;
        let broken = match tokio::time::timeout_at(end, arriving.take(source)).await {
            Ok(Err(Broken::Final(error))) => return Err(error),
            Ok(Err(Broken::Stream(error))) => Some(error),
            Ok(Ok(())) => None,
            Err(_) => return Err(CacheError::Late { id: image.id, within, source: None }),
        };
        if arriving.length == image.size_bytes {
            break;
        }
        if arriving.length > before {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        if Instant::now() + wait >= end {
            return Err(CacheError::Late { id: image.id, within, source: broken.map(Arc::new) });
        }
        tracing::warn!(image = %image.id, at = arriving.length, error = ?broken, "image stream broke; it is resumed");
        tokio::time::sleep(wait).await;
    }
    arriving.finish().await
}

enum Broken {
    Stream(ImageError),
    Final(CacheError),
}

/// A file that grows, and the checksum of what it holds.
struct Arriving<'a> {
    image: &'a ImageSpec,
    file: File,
    length: u64,
    digest: Sha256,
}

impl<'a> Arriving<'a> {
    /// Opens the partial file and reads what it already holds.
    async fn open(image: &'a ImageSpec, partial: &Path) -> Result<Self, CacheError> {
        let failed = "opening the partial image";
        let mut options = private::options();
        options.read(true).write(true).create(true).truncate(false);
        let opened = private::open(&options, partial).map_err(CacheError::io(failed))?;
        let mut file = File::from_std(opened);
        let (mut length, mut digest, mut chunk) = (0, Sha256::new(), vec![0; READ_CHUNK]);
        loop {
            let n = file.read(&mut chunk).await.map_err(CacheError::io(failed))?;
            if n == 0 {
                break;
            }
            digest.update(&chunk[..n]);
            length += octets(n);
        }
        Ok(Self { image, file, length, digest })
    }

    /// Takes bytes until the stream ends or breaks.
    async fn take(&mut self, source: &dyn ImageSource) -> Result<(), Broken> {
        let mut stream = match source.image(self.image.id, self.length).await {
            Ok(stream) => stream,
            Err(error) => return Err(broken(error)),
        };
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(broken)?;
            let found = self.length + octets(bytes.len());
            if found > self.image.size_bytes {
                let (id, wanted) = (self.image.id, self.image.size_bytes);
                return Err(Broken::Final(CacheError::Length { id, wanted, found }));
            }
            self.file.write_all(&bytes).await.map_err(|e| Broken::Final(CacheError::io("writing the image")(e)))?;
            self.digest.update(&bytes);
            self.length = found;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), CacheError> {
        let (id, wanted) = (self.image.id, self.image.size_bytes);
        if self.length != wanted {
            return Err(CacheError::Length { id, wanted, found: self.length });
        }
        let found = hex(&self.digest.finalize());
        if found != self.image.sha256 {
            return Err(CacheError::Checksum { id, wanted: self.image.sha256.clone(), found });
        }
        self.file.flush().await.map_err(CacheError::io("writing the image"))?;
        self.file.sync_all().await.map_err(CacheError::io("syncing the image"))?;
        inspect(self.image, self.file).await
    }
}

/// The bytes must be what the spec says: the flavor's disk was chosen by it. Nothing a control plane says
/// makes a header be believed that reaches other files of this host.
async fn inspect(image: &ImageSpec, file: File) -> Result<(), CacheError> {
    let (id, format, length) = (image.id, image.format, image.size_bytes);
    let file = file.into_std().await;
    let work = move || iroko_model::image::inspect(format, &mut OnDisk { file, length });
    let found = tokio::task::spawn_blocking(work).await.map_err(|_| CacheError::Interrupted)?;
    let found = found.map_err(|fault| match fault {
        Fault::Bytes(source) => CacheError::Header { id, source },
        Fault::Read(error) => CacheError::io("reading the image")(error),
    })?;
    if found == image.virtual_size_bytes {
        return Ok(());
    }
    let message = format!("its disk has {found} bytes, {} were registered", image.virtual_size_bytes);
    Err(CacheError::Header { id: image.id, source: iroko_model::Invalid::new("virtual_size", message) })
}

fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn broken(error: ImageError) -> Broken {
    match error {
        ImageError::NotFound(id) => Broken::Final(CacheError::NotFound(id)),
        ImageError::Unreachable(_) => Broken::Stream(error),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
