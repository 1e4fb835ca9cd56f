//! The bytes of an image: let in piece by piece, checked when all are there, then the image's.
//!
//! ```text
//!   begin ─> admit each piece (right, size, first bytes, quota) ─> checksum ─> format and tables ─> finish
//!     │            └── refused, broken off ──> what was reserved is given back, the file removed
//!     └── the API dies: the lease runs out, and with it what was reserved
//! ```
//!
//! The quota `image_gib` is reserved before the bytes that need it are written, in whole GiB, so that several
//! uploads at once count together. Of a sender who says a length all of it is reserved before the first byte.

use super::image::row;
use super::image_store::{Admission, StoreError};
use crate::App;
use axum::body::{Body, BodyDataStream, HttpBody};
use futures::StreamExt;
use iroko_identity::auth::policy;
use iroko_identity::extract::{Actor, InProject};
use iroko_identity::service::quota;
use iroko_model::image::{DiskFormat, Fault, qcow2, raw};
use iroko_model::{ImageId, Invalid, Permission, ProjectId};
use iroko_store::authority::Scope;
use iroko_store::image::{self, Image as Row, Uploaded};
use iroko_store::request;
use iroko_web::problem::{Problem, Result, Rule};
use iroko_wire::image::Image;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// An upload that is silent for longer has broken off.
const LEASE: Duration = Duration::from_secs(60);
/// An upload asks this often whether its sender may still make images.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How often the lease of an upload under way is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// Most octets, and longest time, that are read past a refusal.
const DRAIN_MAX_BYTES: usize = 256 << 20;
const DRAIN_MAX: Duration = Duration::from_secs(15);
const GIB: u64 = 1 << 30;

/// Takes an image's bytes. They become the image only when they are complete and right; until then
/// the record stays as it was, and an upload that breaks off can be made again.
///
/// `is_expecting`: the sender waits for a word before it sends (`Expect: 100-continue`).
pub async fn upload(app: &App, tenant: &InProject, id: ImageId, body: Body, is_expecting: bool) -> Result<Image> {
    let (project, actor) = (tenant.project, tenant.actor.clone());
    let bytes = Bytes { announced: body.size_hint().exact(), stream: body.into_data_stream(), is_expecting };
    let record = row(app, project, id).await?;
    let upload = Uuid::now_v7();
    let mut tx = app.store.begin_bound(project).await?;
    if !image::image_upload_begin(&mut tx, id, upload, LEASE.as_secs_f64()).await? {
        let text = format!("the image is {}; bytes cannot be replaced, make another image", record.status);
        return Err(Problem::refuse(Rule::ImageHasBytes, text));
    }
    app.store.commit_aside(tx).await?;
    // A task of its own: when the sender is gone this request ends where it waits, and the record
    // must be given back all the same.
    let (app, about) = (app.clone(), request::current());
    let task = tokio::spawn(async move {
        let work = take(&app, &actor, project, &record, upload, bytes);
        // Its audit record is part of its own commit, whoever waits for the answer.
        match about {
            Some(about) => request::within(about, work).await,
            None => work.await,
        }
    });
    task.await.map_err(|error| Problem::internal(&error))?
}

/// What a sender sends.
struct Bytes {
    /// The length it announced.
    announced: Option<u64>,
    stream: BodyDataStream,
    /// It waits for a word, and has sent nothing yet.
    is_expecting: bool,
}

impl Bytes {
    /// Reads on for a while, past what was refused: a sender that finds its connection closed while it sends
    /// does not read the answer.
    async fn drain(mut self) {
        let mut left = DRAIN_MAX_BYTES;
        let reading = async {
            while let Some(Ok(piece)) = self.stream.next().await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN_MAX, reading).await;
    }
}

async fn take(
    app: &App,
    actor: &Actor,
    project: ProjectId,
    record: &Row,
    upload: Uuid,
    mut bytes: Bytes,
) -> Result<Image> {
    let id = record.common.id;
    let done = match receive(app, actor, project, record, upload, &mut bytes).await {
        Ok(bytes) => finish(app, project, id, upload, bytes).await,
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        if !bytes.is_expecting {
            tokio::spawn(bytes.drain());
        }
        app.images.discard(upload).await;
        let mut tx = app.store.begin_bound(project).await?;
        image::image_upload_abort(&mut tx, id, upload).await?;
        app.store.commit_aside(tx).await?;
    }
    done
}

async fn receive(
    app: &App,
    actor: &Actor,
    project: ProjectId,
    record: &Row,
    upload: Uuid,
    bytes: &mut Bytes,
) -> Result<Uploaded> {
    let format: DiskFormat = record.disk_format.parse().map_err(|e| Problem::internal(&e))?;
    let mut gate = Gate {
        app,
        actor,
        asked: Instant::now(),
        project,
        id: record.common.id,
        upload,
        format,
        max_bytes: app.config.image.max_gib.saturating_mul(GIB),
        announced: bytes.announced,
        is_head_checked: false,
        reserved_gib: 0,
        renewed: Instant::now(),
    };
    gate.begin().await?;
    bytes.is_expecting = false;
    let received = app.images.receive(upload, &mut bytes.stream, &mut gate).await?;
    if let Some(wanted) = record.sha256.as_deref().filter(|wanted| *wanted != received.sha256) {
        let text = format!("the bytes have the SHA-256 {}, not {wanted}; upload them again", received.sha256);
        return Err(Problem::field("/sha256", Invalid::new("checksum_differs", text)));
    }
    // Reading the tables of a large image takes a while.
    gate.renew().await?;
    // Who may no longer make images, or has logged out, ends here: before the bytes become the image.
    gate.ask().await?;
    let virtual_size = app.images.inspect(upload, format).await.map_err(|fault| match fault {
        Fault::Bytes(invalid) => Problem::field("/disk_format", invalid),
        Fault::Read(error) => StoreError::File(error).into(),
    })?;
    let octets = |size: u64| i64::try_from(size).map_err(|e| Problem::internal(&e));
    Ok(Uploaded {
        size_bytes: octets(received.size_bytes)?,
        virtual_size_bytes: octets(virtual_size)?,
        sha256: received.sha256,
    })
}

/// What an upload has to pass with each piece.
struct Gate<'a> {
    app: &'a App,
    actor: &'a Actor,
    /// When it was last asked whether the sender may do this.
    asked: Instant,
    project: ProjectId,
    id: ImageId,
    upload: Uuid,
    format: DiskFormat,
    max_bytes: u64,
    /// The length its sender announced.
    announced: Option<u64>,
    is_head_checked: bool,
    reserved_gib: u64,
    renewed: Instant,
}

impl Gate<'_> {
    async fn begin(&mut self) -> Result<()> {
        let announced = self.announced.unwrap_or(1);
        self.check_size(announced)?;
        self.reserve(announced).await
    }

    fn check_size(&self, size_bytes: u64) -> Result<()> {
        if size_bytes <= self.max_bytes {
            return Ok(());
        }
        Err(Problem::refuse(Rule::ImageTooLarge, "the image is larger than this cloud takes (image.max_gib)"))
    }

    /// Refuses what the first bytes already show to be wrong. Too few of them are left to the end.
    fn check_head(&mut self, head: &[u8]) -> Result<()> {
        if self.is_head_checked || head.len() < raw::HEAD_BYTES {
            return Ok(());
        }
        self.is_head_checked = true;
        let wrong = |invalid| Problem::field("/disk_format", invalid);
        match self.format {
            DiskFormat::Raw => raw::check_head(head).map_err(wrong),
            DiskFormat::Qcow2 => {
                let header = qcow2::header(head).map_err(wrong)?;
                if self.announced.is_some_and(|announced| announced > header.file_max_bytes()) {
                    return Err(wrong(qcow2::too_long(&header)));
                }
                self.max_bytes = self.max_bytes.min(header.file_max_bytes());
                Ok(())
            }
        }
    }

    /// Reserves the quota for an upload of this size, if that is not yet done.
    async fn reserve(&mut self, size_bytes: u64) -> Result<()> {
        let gib = size_bytes.div_ceil(GIB);
        if gib <= self.reserved_gib {
            return Ok(());
        }
        let more = i64::try_from(gib - self.reserved_gib).unwrap_or(i64::MAX);
        let mut tx = self.app.store.begin_bound(self.project).await?;
        // The row before the quota, as everywhere; renewed first, so that what is reserved already counts.
        if !image::image_upload_renew(&mut tx, self.id, self.upload, LEASE.as_secs_f64()).await? {
            return Err(lost());
        }
        quota::take(&mut tx, Scope::Project(self.project), &[("image_gib", more)]).await?;
        image::image_upload_reserve(&mut tx, self.id, self.upload, i64::try_from(gib).unwrap_or(i64::MAX)).await?;
        self.app.store.commit_aside(tx).await?;
        (self.reserved_gib, self.renewed) = (gib, Instant::now());
        Ok(())
    }

    async fn ask(&mut self) -> Result<()> {
        self.asked = Instant::now();
        policy::ask_again(&self.app.identity, self.actor, Scope::Project(self.project), Permission::ImageCreate)
            .await
            .map(drop)
    }

    async fn renew(&mut self) -> Result<()> {
        let mut tx = self.app.store.begin_bound(self.project).await?;
        if !image::image_upload_renew(&mut tx, self.id, self.upload, LEASE.as_secs_f64()).await? {
            return Err(lost());
        }
        self.app.store.commit_aside(tx).await?;
        self.renewed = Instant::now();
        Ok(())
    }
}

impl Admission for Gate<'_> {
    type Error = Problem;

    async fn admit(&mut self, size_bytes: u64, head: &[u8]) -> Result<()> {
        self.check_head(head)?;
        self.check_size(size_bytes)?;
        self.reserve(size_bytes).await?;
        if self.asked.elapsed() > ASK_AGAIN {
            self.ask().await?;
        }
        if self.renewed.elapsed() > RENEW_EVERY { self.renew().await } else { Ok(()) }
    }
}

fn lost() -> Problem {
    Problem::refuse(Rule::ImageUploadLost, "the image was deleted, or another upload of it has taken over")
}

/// The record is locked by its update, the file renamed, then the update committed: an active record
/// always has its bytes, and an upload that lost its right touches neither.
async fn finish(app: &App, project: ProjectId, id: ImageId, upload: Uuid, bytes: Uploaded) -> Result<Image> {
    let mut tx = app.store.begin_bound(project).await?;
    let gib = u64::try_from(bytes.size_bytes).unwrap_or(0).div_ceil(GIB);
    // What was reserved is exchanged for what is used, also where the lease had run out meanwhile.
    image::image_upload_reserve(&mut tx, id, upload, 0).await?;
    quota::take(&mut tx, Scope::Project(project), &[("image_gib", i64::try_from(gib).unwrap_or(i64::MAX))]).await?;
    let row = image::image_upload_finish(&mut tx, id, upload, &bytes).await?;
    let row = row.ok_or_else(lost)?;
    app.images.keep(upload, id).await.map_err(|e| Problem::internal(&e))?;
    app.store.commit(tx).await?;
    Ok(crate::resource::image::show(row))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Broken(_) => Self::refuse(Rule::BodyBroken, "the upload broke off; make it again"),
            StoreError::File(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                tracing::error!("the disk of the image store is full");
                Self::refuse(
                    Rule::ImageRoom,
                    "the cloud has no room for images now; try again later, or ask its operator",
                )
            }
            StoreError::File(_) => Self::internal(&error),
        }
    }
}
