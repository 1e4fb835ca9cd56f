//! Images: records in the database. Their bytes come by [an upload](super::image_upload) and lie in the
//! [image store](super::image_store).

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::{ImageId, ProjectId};
use iroko_store::Wake;
use iroko_store::authority::Scope;
use iroko_store::image::{self, Image as Row, ImageDeletion, NewImage};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::image::{CheckedImage, Image, ImageCreate};

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
    Ok(row.show())
}

/// A page of images.
pub async fn list(app: &App, project: ProjectId, query: ListQuery) -> Result<List<Image>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(iroko_web::list(image::image_list(&mut tx, project, query.page, &query.filter).await?, Show::show))
}

/// One image.
pub async fn get(app: &App, project: ProjectId, id: ImageId) -> Result<Image> {
    Ok(row(app, project, id).await?.show())
}

pub(super) async fn row(app: &App, project: ProjectId, id: ImageId) -> Result<Row> {
    let mut tx = app.store.begin_bound(project).await?;
    image::image_get(&mut tx, project, id).await?.ok_or(Problem::new(Kind::NotFound))
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
