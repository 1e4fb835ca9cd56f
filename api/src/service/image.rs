//! Images: records in the database, bytes in the [image store](super::image_store).

use super::image_store::{Received, StoreError};
use crate::App;
use crate::extract::ListQuery;
use crate::problem::{Kind, Problem, Result};
use crate::service::quota;
use crate::wire::List;
use crate::wire::image::{CheckedImage, Image, ImageCreate};
use axum::body::BodyDataStream;
use iroko_model::image::DiskFormat;
use iroko_model::{ImageId, Invalid, ProjectId};
use iroko_store::Wake;
use iroko_store::authority::Scope;
use iroko_store::image::{self, Image as Row, ImageDeletion, NewImage, Uploaded};
use iroko_store::request;
use std::time::Duration;
use uuid::Uuid;

/// An upload that is silent for longer has broken off.
const LEASE: Duration = Duration::from_secs(60);
const GIB: u64 = 1 << 30;

/// Makes an image's record.
pub async fn create(app: &App, project: ProjectId, request: ImageCreate) -> Result<Image> {
    let CheckedImage { name, disk_format, architecture, sha256, labels } = request.try_into()?;
    let new = NewImage {
        project_id: project,
        name: &name,
        architecture,
        disk_format,
        sha256: sha256.as_deref(),
        labels: &labels,
    };
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("images", 1)]).await?;
    let row = image::image_insert(&mut tx, &new).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.into())
}

/// A page of images.
pub async fn list(app: &App, project: ProjectId, query: ListQuery) -> Result<List<Image>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(List::of(image::image_list(&mut tx, project, query.page, &query.filter).await?, Image::from))
}

/// One image.
pub async fn get(app: &App, project: ProjectId, id: ImageId) -> Result<Image> {
    Ok(row(app, project, id).await?.into())
}

async fn row(app: &App, project: ProjectId, id: ImageId) -> Result<Row> {
    let mut tx = app.store.begin_bound(project).await?;
    image::image_get(&mut tx, project, id).await?.ok_or(Problem::new(Kind::NotFound))
}

/// Takes an image's bytes. They become the image only when they are complete and right; until then
/// the record stays as it was, and an upload that breaks off can be made again.
pub async fn upload(app: &App, project: ProjectId, id: ImageId, body: BodyDataStream) -> Result<Image> {
    let record = row(app, project, id).await?;
    let upload = Uuid::now_v7();
    let mut tx = app.store.begin_bound(project).await?;
    if !image::image_upload_begin(&mut tx, id, upload, LEASE.as_secs_f64()).await? {
        let text = format!("the image is {}; bytes cannot be replaced, make another image", record.status);
        return Err(Problem::with(Kind::Conflict, text));
    }
    app.store.commit_aside(tx).await?;
    // A task of its own: when the sender is gone this request ends where it waits, and the record
    // must be given back all the same.
    let (app, about) = (app.clone(), request::current());
    let task = tokio::spawn(async move {
        let work = take(&app, project, &record, upload, body);
        // Its audit record is part of its own commit, whoever waits for the answer.
        match about {
            Some(about) => request::within(about, work).await,
            None => work.await,
        }
    });
    task.await.map_err(|error| Problem::internal(&error))?
}

async fn take(app: &App, project: ProjectId, record: &Row, upload: Uuid, body: BodyDataStream) -> Result<Image> {
    let id = ImageId::from(record.id);
    let done = match receive(app, project, record, upload, body).await {
        Ok(bytes) => finish(app, project, id, upload, bytes).await,
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        app.images.discard(upload).await;
        let mut tx = app.store.begin_bound(project).await?;
        image::image_upload_abort(&mut tx, id, upload).await?;
        app.store.commit_aside(tx).await?;
    }
    done
}

async fn receive(app: &App, project: ProjectId, record: &Row, upload: Uuid, body: BodyDataStream) -> Result<Uploaded> {
    let id = ImageId::from(record.id);
    let renew = || async move {
        let Ok(mut tx) = app.store.begin_bound(project).await else { return false };
        let renewed = image::image_upload_renew(&mut tx, id, upload, LEASE.as_secs_f64()).await.unwrap_or(false);
        renewed && app.store.commit_aside(tx).await.is_ok()
    };
    let received = app.images.receive(upload, body, app.config.image.max_gib * GIB, LEASE / 3, renew).await?;
    if let Some(wanted) = record.sha256.as_deref().filter(|wanted| *wanted != received.sha256) {
        let text = format!("the bytes have the SHA-256 {}, not {wanted}; upload them again", received.sha256);
        return Err(Problem::field("/sha256", Invalid::new("checksum_differs", text)));
    }
    let format: DiskFormat = record.disk_format.parse().map_err(|e| Problem::internal(&e))?;
    let virtual_size = virtual_size(format, &received).map_err(|invalid| Problem::field("/disk_format", invalid))?;
    Ok(Uploaded {
        size_bytes: received.size_bytes as i64,
        virtual_size_bytes: virtual_size as i64,
        sha256: received.sha256,
    })
}

fn virtual_size(format: DiskFormat, received: &Received) -> std::result::Result<u64, Invalid> {
    match format {
        DiskFormat::Qcow2 => iroko_model::image::qcow2_inspect(&received.header),
        DiskFormat::Raw if received.size_bytes == 0 => Err(Invalid::new("image_empty", "the upload has no bytes")),
        DiskFormat::Raw => Ok(received.size_bytes),
    }
}

/// The record is locked by its update, the file renamed, then the update committed: an active record
/// always has its bytes, and an upload that lost its right touches neither.
async fn finish(app: &App, project: ProjectId, id: ImageId, upload: Uuid, bytes: Uploaded) -> Result<Image> {
    let mut tx = app.store.begin_bound(project).await?;
    let gib = (bytes.size_bytes + GIB as i64 - 1) / GIB as i64;
    quota::take(&mut tx, Scope::Project(project), &[("image_gib", gib)]).await?;
    let row = image::image_upload_finish(&mut tx, id, upload, &bytes).await?;
    let row = row.ok_or_else(|| Problem::with(Kind::Conflict, "another upload of the image has taken over"))?;
    app.images.keep(upload, id).await.map_err(|e| Problem::internal(&e))?;
    app.store.commit(tx).await?;
    Ok(row.into())
}

/// Deletes an image that no instance starts from.
pub async fn delete(app: &App, project: ProjectId, id: ImageId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    match image::image_delete(&mut tx, project, id).await? {
        ImageDeletion::Deleted => {}
        ImageDeletion::NotFound => return Err(Problem::new(Kind::NotFound)),
        ImageDeletion::InUse => {
            return Err(Problem::with(Kind::Conflict, "instances start from the image; delete them first"));
        }
    }
    app.store.commit_for(tx, Wake::Nobody).await?;
    app.images.remove(id).await;
    Ok(())
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::TooLarge => {
                Self::with(Kind::TooLarge, "the image is larger than this cloud takes (image.max_gib)")
            }
            StoreError::Broken(_) => Self::with(Kind::BadRequest, "the upload broke off; make it again"),
            StoreError::Lost => Self::with(Kind::Conflict, "another upload of the image has taken over"),
            StoreError::File(_) => Self::internal(&error),
        }
    }
}
