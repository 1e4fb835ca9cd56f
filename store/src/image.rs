//! Images: their records. The bytes lie in the API's image store.
//!
//! An upload holds a lease that it renews while bytes arrive; one that was broken off (the API
//! crashed) loses its lease, and the next upload takes over. Only the holder of `upload_id` can
//! finish, so two uploads never mix.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, By, Columns, Common, Noun, Of, Within};
use iroko_model::host::Architecture;
use iroko_model::image::DiskFormat;
use iroko_model::{HostId, ImageId, Naming, ProjectId};
use sqlx::FromRow;
use uuid::Uuid;

/// An image's record.
#[derive(Debug, Clone, FromRow)]
pub struct Image {
    /// What every noun has; the name need not be unique.
    #[sqlx(flatten)]
    pub common: Common<ImageId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub project_id: ProjectId,
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
}

impl Noun for Image {
    type Id = ImageId;
    const TABLE: &'static str = "image";
    const COLUMNS: &'static str =
        "n.project_id, n.architecture, n.disk_format, n.status, n.size_bytes, n.virtual_size_bytes, n.sha256";
    const FILTERS: &'static [By] = &[By {
        name: "status",
        of: Of::Word(&["queued", "uploading", "active"]),
        condition: "n.status = $",
        about: "Only images with this status.",
    }];

    fn common(&self) -> &Common<ImageId> {
        &self.common
    }
}

/// An image's record as its maker wants it.
#[derive(Debug)]
pub struct NewImage {
    /// Owner.
    pub project_id: ProjectId,
    /// What people write on it.
    pub naming: Naming,
    /// Processor architecture of what is on it.
    pub architecture: Architecture,
    /// Format of the bytes to come.
    pub disk_format: DiskFormat,
    /// SHA-256 the bytes must have, where its maker knows it.
    pub sha256: Option<String>,
}

/// Makes a record without bytes.
pub async fn image_insert(conn: &mut Conn, new: NewImage) -> Result<Image> {
    let row = Columns::default()
        .naming(&new.naming)?
        .set("project_id", new.project_id.as_uuid())?
        .set("architecture", new.architecture.as_str())?
        .set("disk_format", new.disk_format.as_str())?
        .set("sha256", new.sha256)?
        .set("status", "queued")?;
    noun::insert(conn, ImageId::new(), row).await
}

/// One image of the project.
pub async fn image_get(conn: &mut Conn, project: ProjectId, id: ImageId) -> Result<Option<Image>> {
    noun::get(conn, &Within::project(project), id).await
}

/// Changes what people wrote on an image that the caller has locked.
pub async fn image_update(conn: &mut Conn, id: ImageId, naming: &Naming) -> Result<Image> {
    noun::update(conn, id, Columns::default().naming(naming)?).await
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
    let done = sqlx::query_scalar!(
        "UPDATE image SET status = 'active', upload_id = NULL, upload_lease = NULL, reserved_gib = 0,
                size_bytes = $3, virtual_size_bytes = $4, sha256 = $5
         WHERE id = $1 AND upload_id = $2 RETURNING id",
        id.as_uuid(),
        upload,
        bytes.size_bytes,
        bytes.virtual_size_bytes,
        bytes.sha256
    )
    .fetch_optional(&mut *conn)
    .await?;
    match done {
        Some(id) => noun::get(conn, &Within::system(), id.into()).await,
        None => Ok(None),
    }
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageDeletion {
    /// It is gone.
    Deleted,
    /// There was none.
    NotFound,
    /// Instances still start from it.
    InUse,
}

/// Deletes an image that no instance starts from. Needs a transaction: the row is locked first, so
/// that an instance made at the same moment either is seen or finds no image.
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

/// True where an instance on the host starts from the image: only then may the host read it.
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
