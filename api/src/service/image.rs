//! Images: records in the database. Their bytes come by [an upload](super::image_upload) and lie in the
//! [image store](super::image_store).

use crate::App;
use iroko_model::{ImageId, ProjectId};
use iroko_store::Wake;
use iroko_store::image::{self, Image as Row, ImageDeletion};
use iroko_store::noun::{self, Within};
use iroko_web::problem::{Plain, Problem, Result, Rule};

/// One image of the project.
pub(super) async fn row(app: &App, project: ProjectId, id: ImageId) -> Result<Row> {
    let mut tx = app.store.begin_bound(project).await?;
    image::image_get(&mut tx, project, id).await?.ok_or(Problem::new(Plain::NotFound))
}

/// Deletes an image that no instance starts from.
pub async fn delete(app: &App, project: ProjectId, id: ImageId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    noun::compare::<Row>(&mut tx, &Within::project(project), id).await?;
    match image::image_delete(&mut tx, project, id).await? {
        ImageDeletion::Deleted => {}
        ImageDeletion::NotFound => return Err(Problem::new(Plain::NotFound)),
        ImageDeletion::InUse => {
            return Err(Problem::refuse(Rule::InUse, "instances start from the image; delete them first"));
        }
    }
    app.store.commit_for(tx, Wake::Nobody).await?;
    app.images.remove(id).await;
    Ok(())
}
