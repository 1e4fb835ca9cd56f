//! Images: their records. Their bytes come by [an upload](crate::service::image_upload).

use super::{common, naming, written};
use crate::App;
use iroko_identity::extract::Tenant;
use iroko_identity::resource::{Change, Create, Place, Resource, Routes, Words, owner};
use iroko_model::Naming;
use iroko_model::permission::perm;
use iroko_store::image::{self as store, Image as Row, NewImage};
use iroko_store::noun::Within;
use iroko_store::{Store, Tx};
use iroko_web::problem::Result;
use iroko_wire::image::{Image, ImageCreate, ImageSettings};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<Images, App>::read().create().change().router()
}

struct Images;

impl Resource for Images {
    type Row = Row;
    type Shown = Image;
    type Read = Tenant<perm::ImageRead>;
    const WORDS: Words = Words { id: "image", a: "an image", many: "images", tag: "Images" };
    const PATH: &'static str = "/v1/projects/{project_id}/images";
    const PARAMETER: &'static str = "image_id";

    fn show(row: Row, _: &dyn Place) -> Image {
        show(row)
    }
}

/// As it is shown.
pub fn show(row: Row) -> Image {
    let Row { common: is, project_id, architecture, disk_format, status, size_bytes, virtual_size_bytes, sha256 } = row;
    let common = common(is);
    Image { common, project_id, disk_format, architecture, status, size_bytes, virtual_size_bytes, sha256 }
}

impl Create for Images {
    type Request = ImageCreate;
    type By = Tenant<perm::ImageCreate>;
    type Needs = Store;
    const QUOTA: Option<&'static str> = Some("images");
    const CREATE: &'static str = "Its bytes follow by `PUT .../file`; it can be used once its status is `active`.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: ImageCreate,
    ) -> Result<Row> {
        let (disk_format, architecture, sha256) = asked.checked()?;
        let naming = written(asked.name, asked.description, asked.labels);
        let new = NewImage { project_id: owner(within)?, naming, architecture, disk_format, sha256 };
        Ok(store::image_insert(tx, new).await?)
    }
}

impl Change for Images {
    type Settings = ImageSettings;
    type By = Tenant<perm::ImageUpdate>;
    const UPDATE: &'static str = "ImageUpdate";
    const CHANGE: &'static str = "Its bytes never change: make another image.";

    fn settings(row: &Row) -> Result<ImageSettings> {
        let Naming { name, description, labels } = naming(&row.common)?;
        Ok(ImageSettings { name, description, labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: ImageSettings) -> Result<Row> {
        let naming = written(to.name, to.description, to.labels);
        Ok(store::image_update(tx, row.common.id, &naming).await?)
    }
}
