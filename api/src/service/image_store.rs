//! The bytes of images, as files.
//!
//! `images/ID` is complete and checked; `images/.upload-ID` is arriving. A file becomes an image by
//! a rename after `fsync`. What belongs to no record (a crash in between, a deletion that did not get
//! to the file) is swept at the next start.

use async_trait::async_trait;
use axum::body::BodyDataStream;
use futures::StreamExt;
use iroko_agent_hub::ImageFiles;
use iroko_daemon::private;
use iroko_model::ImageId;
use iroko_model::image::raw::HEAD_BYTES;
use iroko_model::image::{self, DiskFormat, Fault, OnDisk};
use iroko_web::hex;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use uuid::Uuid;

const UPLOAD_PREFIX: &str = ".upload-";
/// Longest time between two pieces of an upload.
const SILENCE: Duration = Duration::from_secs(45);

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The sender stopped half-way.
    #[error("the upload broke off")]
    Broken(#[source] Option<axum::Error>),
    /// The file could not be written.
    #[error("the image's file could not be written")]
    File(#[from] io::Error),
}

/// Decides, before bytes are written, whether they may be.
pub trait Admission: Send {
    /// Why not.
    type Error: From<StoreError> + Send;
    /// `size_bytes` of the upload have come, of which `head` are the first, at most [`HEAD_BYTES`].
    fn admit(&mut self, size_bytes: u64, head: &[u8]) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What was received.
#[derive(Debug)]
pub struct Received {
    /// Length.
    pub size_bytes: u64,
    /// SHA-256, lower case hexadecimal.
    pub sha256: String,
}

/// The directory of the bytes.
#[derive(Debug)]
pub struct ImageStore {
    dir: PathBuf,
}

impl ImageStore {
    /// Opens the directory, making it if needed.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        private::directory(&dir)?;
        private::tighten(&dir)?;
        Ok(Self { dir })
    }

    fn upload_path(&self, upload: Uuid) -> PathBuf {
        self.dir.join(format!("{UPLOAD_PREFIX}{upload}"))
    }

    fn path(&self, id: ImageId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    /// Writes an upload to its own file, hashing as it goes. Nothing is written that was not admitted.
    pub async fn receive<A: Admission>(
        &self,
        upload: Uuid,
        body: &mut BodyDataStream,
        admission: &mut A,
    ) -> Result<Received, A::Error> {
        let path = self.upload_path(upload);
        let mut file = File::from_std(private::new_file().open(path).map_err(StoreError::File)?);
        let (mut hash, mut head, mut size_bytes) = (Sha256::new(), Vec::new(), 0u64);
        while let Some(piece) = timeout(SILENCE, body.next()).await.map_err(|_| StoreError::Broken(None))? {
            let piece = piece.map_err(|e| StoreError::Broken(Some(e)))?;
            size_bytes = size_bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            head.extend(piece.iter().take(HEAD_BYTES - head.len()));
            admission.admit(size_bytes, &head).await?;
            hash.update(&piece);
            file.write_all(&piece).await.map_err(StoreError::File)?;
        }
        file.flush().await.map_err(StoreError::File)?;
        file.sync_all().await.map_err(StoreError::File)?;
        Ok(Received { size_bytes, sha256: hex(&hash.finalize()) })
    }

    /// Checks an upload against the declared format; returns the size of the disk the guest sees.
    pub async fn inspect(&self, upload: Uuid, format: DiskFormat) -> Result<u64, Fault<io::Error>> {
        let path = self.upload_path(upload);
        let work = move || {
            let file = std::fs::File::open(path).map_err(Fault::Read)?;
            let length = file.metadata().map_err(Fault::Read)?.len();
            image::inspect(format, &mut OnDisk { file, length })
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Fault::Read(io::Error::other(e))))
    }

    /// Makes an upload the image's bytes.
    pub async fn keep(&self, upload: Uuid, id: ImageId) -> io::Result<()> {
        fs::rename(self.upload_path(upload), self.path(id)).await?;
        File::open(&self.dir).await?.sync_all().await
    }

    /// Throws an upload away.
    pub async fn discard(&self, upload: Uuid) {
        let _ = fs::remove_file(self.upload_path(upload)).await;
    }

    /// Throws an image's bytes away. A failure leaves them for the sweep.
    pub async fn remove(&self, id: ImageId) {
        if let Err(error) = fs::remove_file(self.path(id)).await {
            tracing::warn!(%id, %error, "the bytes of a deleted image were not removed; the next start sweeps them");
        }
    }

    /// Removes files that belong to no record, and uploads of a process that is gone.
    pub async fn sweep(&self, known: &HashSet<Uuid>) -> io::Result<()> {
        let mut entries = fs::read_dir(&self.dir).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_known = name.parse().is_ok_and(|id: Uuid| known.contains(&id));
            // Another process may just be writing it, with a record younger than `known`.
            if !is_known && !is_younger(&entry, SILENCE * 2).await {
                tracing::info!(name, "sweeping a file that belongs to no image");
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(())
    }
}

async fn is_younger(entry: &fs::DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().await.and_then(|meta| meta.modified());
    modified.ok().and_then(|at| at.elapsed().ok()).is_none_or(|elapsed| elapsed < age)
}

#[async_trait]
impl ImageFiles for ImageStore {
    async fn open(&self, id: ImageId) -> io::Result<File> {
        File::open(self.path(id)).await
    }
}
