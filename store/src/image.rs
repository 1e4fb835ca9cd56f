//! Images: their records. The bytes lie in the API's image store.
//!
//! An upload holds a lease that it renews while bytes arrive; one that was broken off (the API
//! crashed) loses its lease, and the next upload takes over. Only the holder of `upload_id` can
//! finish, so two uploads never mix.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use iroko_model::host::Architecture;
use iroko_model::image::DiskFormat;
use iroko_model::{HostId, ImageId, Labels, Name, ProjectId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// An image's record.
#[derive(Debug, Clone)]
pub struct Image {
    /// The image.
    pub id: Uuid,
    /// Name; need not be unique.
    pub name: String,
    /// Processor architecture of what is on it.
    pub architecture: String,
    /// `qcow2` or `raw`.
    pub disk_format: String,
    /// `queued`, `uploading` or `active`.
    pub status: String,
    /// Length of the bytes.
    pub size_bytes: Option<i64>,
    /// Size of the disk the guest sees.
    pub virtual_size_bytes: Option<i64>,
    /// SHA-256 of the bytes, lower case hexadecimal.
    pub sha256: Option<String>,
    /// Labels.
    pub labels: Value,
    /// When the record was made.
    pub created_at: OffsetDateTime,
}

/// An image's record as its maker wants it.
#[derive(Debug)]
pub struct NewImage<'a> {
    /// Owner.
    pub project_id: ProjectId,
    /// Name.
    pub name: &'a Name,
    /// Processor architecture of what is on it.
    pub architecture: Architecture,
    /// Format of the bytes to come.
    pub disk_format: DiskFormat,
    /// SHA-256 the bytes must have, where its maker knows it.
    pub sha256: Option<&'a str>,
    /// Labels.
    pub labels: &'a Labels,
}

/// Makes a record without bytes.
pub async fn image_insert(conn: &mut Conn, new: &NewImage<'_>) -> Result<Image> {
    Ok(sqlx::query_as!(
        Image,
        "INSERT INTO image (id, project_id, name, architecture, disk_format, labels, sha256, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued')
         RETURNING id, name, architecture, disk_format, status, size_bytes, virtual_size_bytes, sha256, labels, created_at",
        ImageId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.name.as_str(),
        new.architecture.as_str(),
        new.disk_format.as_str(),
        serde_json::json!(new.labels),
        new.sha256
    )
    .fetch_one(conn)
    .await?)
}

/// One image of the project.
pub async fn image_get(conn: &mut Conn, project_id: ProjectId, id: ImageId) -> Result<Option<Image>> {
    Ok(sqlx::query_as!(
        Image,
        "SELECT id, name, architecture, disk_format, status, size_bytes, virtual_size_bytes, sha256, labels, created_at
         FROM image WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the project's images.
pub async fn image_list(
    conn: &mut Conn,
    project_id: ProjectId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Image>> {
    let rows = sqlx::query_as!(
        Image,
        "SELECT id, name, architecture, disk_format, status, size_bytes, virtual_size_bytes, sha256, labels, created_at
         FROM image WHERE project_id = $1 AND ($2::uuid IS NULL OR id > $2)
           AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
         ORDER BY id LIMIT $3 + 1",
        project_id.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Takes the right to upload, for `lease_s` seconds. False where another upload holds it or the
/// image is active.
pub async fn image_upload_begin(conn: &mut Conn, id: ImageId, upload: Uuid, lease_s: f64) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE image SET status = 'uploading', upload_id = $2, reserved_gib = 0, upload_lease = now() + make_interval(secs => $3)
         WHERE id = $1 AND (status = 'queued' OR (status = 'uploading' AND upload_lease < now()))",
        id.as_uuid(),
        upload,
        lease_s
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps the right to upload. False where it was lost.
pub async fn image_upload_renew(conn: &mut Conn, id: ImageId, upload: Uuid, lease_s: f64) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE image SET upload_lease = now() + make_interval(secs => $3) WHERE id = $1 AND upload_id = $2",
        id.as_uuid(),
        upload,
        lease_s
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Reserves this many GiB of the quota `image_gib` in all. They count while the right to upload lasts.
pub async fn image_upload_reserve(conn: &mut Conn, id: ImageId, upload: Uuid, gib: i64) -> Result<()> {
    sqlx::query!("UPDATE image SET reserved_gib = $3 WHERE id = $1 AND upload_id = $2", id.as_uuid(), upload, gib)
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives the right back without bytes.
pub async fn image_upload_abort(conn: &mut Conn, id: ImageId, upload: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE image SET status = 'queued', upload_id = NULL, upload_lease = NULL, reserved_gib = 0 WHERE id = $1 AND upload_id = $2",
        id.as_uuid(),
        upload
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What an upload found out about its bytes.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// Length of the bytes.
    pub size_bytes: i64,
    /// Size of the disk the guest sees.
    pub virtual_size_bytes: i64,
    /// SHA-256, lower case hexadecimal.
    pub sha256: String,
}

/// The bytes are complete. `None` where the right to upload was lost.
pub async fn image_upload_finish(
    conn: &mut Conn,
    id: ImageId,
    upload: Uuid,
    bytes: &Uploaded,
) -> Result<Option<Image>> {
    Ok(sqlx::query_as!(
        Image,
        "UPDATE image SET status = 'active', upload_id = NULL, upload_lease = NULL, reserved_gib = 0,
                size_bytes = $3, virtual_size_bytes = $4, sha256 = $5
         WHERE id = $1 AND upload_id = $2
         RETURNING id, name, architecture, disk_format, status, size_bytes, virtual_size_bytes, sha256, labels, created_at",
        id.as_uuid(),
        upload,
        bytes.size_bytes,
        bytes.virtual_size_bytes,
        bytes.sha256
    )
    .fetch_optional(conn)
    .await?)
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageDeletion {
    /// It is gone.
    Deleted,
    /// There was none.
    NotFound,
    /// Machines still start from it.
    InUse,
}

/// Deletes an image that no machine starts from. Needs a transaction: the row is locked first, so
/// that a machine made at the same moment either is seen or finds no image.
pub async fn image_delete(conn: &mut Conn, project_id: ProjectId, id: ImageId) -> Result<ImageDeletion> {
    let locked = sqlx::query!(
        "SELECT id FROM image WHERE project_id = $1 AND id = $2 FOR UPDATE",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(&mut *conn)
    .await?;
    if locked.is_none() {
        return Ok(ImageDeletion::NotFound);
    }
    let done = sqlx::query!(
        "DELETE FROM image WHERE id = $1
         AND NOT EXISTS (SELECT FROM instance WHERE image_id = $1)",
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(if done.rows_affected() == 1 { ImageDeletion::Deleted } else { ImageDeletion::InUse })
}

/// All images there are, to tell the files that belong to none.
pub async fn image_ids(conn: &mut Conn) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT id FROM image").fetch_all(conn).await?)
}

/// True where a machine on the host starts from the image: only then may the host read it.
pub async fn image_is_used_on(conn: &mut Conn, id: ImageId, host_id: HostId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM instance_host w JOIN instance i ON i.id = w.instance_id
                          WHERE w.host_id = $1 AND i.image_id = $2) AS "used!""#,
        host_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}
