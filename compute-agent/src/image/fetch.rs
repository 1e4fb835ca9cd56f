//! Fetches one image into a file, resuming where a broken stream ended.
//!
//! The checksum runs along with the bytes; what an earlier process left in the file is read once
//! and continued. Only a complete and right file gets its final name.

use super::CacheError;
use futures::StreamExt;
use iroko_agent_link::agent::{Backoff, ImageError, ImageSource};
use iroko_agent_link::wire::ImageSpec;
use iroko_model::image::{DiskFormat, QCOW2_HEADER_BYTES, qcow2_inspect};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
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
    let outcome = download(source, image, partial, within).await;
    if outcome.as_ref().is_err_and(|error| error.is_permanent() && !matches!(error, CacheError::Late { .. })) {
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
) -> Result<(), CacheError> {
    let mut arriving = Arriving::open(image, partial).await?;
    let end = Instant::now() + within;
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MOST);
    while arriving.length < image.size_bytes {
        let before = arriving.length;
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
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(partial)
            .await
            .map_err(CacheError::io(failed))?;
        let (mut length, mut digest, mut chunk) = (0, Sha256::new(), vec![0; READ_CHUNK]);
        loop {
            let n = file.read(&mut chunk).await.map_err(CacheError::io(failed))?;
            if n == 0 {
                break;
            }
            digest.update(&chunk[..n]);
            length += n as u64;
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
            let found = self.length + bytes.len() as u64;
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
        inspect(self.image, &mut self.file).await
    }
}

/// The header must say what the spec says: the flavor's disk was chosen by it.
async fn inspect(image: &ImageSpec, file: &mut File) -> Result<(), CacheError> {
    use tokio::io::AsyncSeekExt;
    let found = match image.format {
        DiskFormat::Raw => image.size_bytes,
        DiskFormat::Qcow2 => {
            let mut header = Vec::with_capacity(QCOW2_HEADER_BYTES);
            file.rewind().await.map_err(CacheError::io("reading the image"))?;
            let mut head = file.take(QCOW2_HEADER_BYTES as u64);
            head.read_to_end(&mut header).await.map_err(CacheError::io("reading the image"))?;
            qcow2_inspect(&header).map_err(|source| CacheError::Header { id: image.id, source })?
        }
    };
    if found == image.virtual_size_bytes {
        return Ok(());
    }
    let message = format!("its disk has {found} bytes, {} were registered", image.virtual_size_bytes);
    Err(CacheError::Header { id: image.id, source: iroko_model::Invalid::new("virtual_size", message) })
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
