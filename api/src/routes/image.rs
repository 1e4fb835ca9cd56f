//! Images.

use crate::App;
use crate::service::{image as service, image_upload};
use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::EXPECT;
use axum::http::{HeaderMap, StatusCode};
use iroko_identity::extract::{ApiPath, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{ImageId, ProjectId};
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::image::Image;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded!(delete))
        .merge(OpenApiRouter::new().merge(guarded!(upload)).layer(DefaultBodyLimit::disable()))
}

/// Delete an image
///
/// No instance may start from it.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/images/{image_id}", operation_id = "image_delete", tag = "Images",
    params(IfMatch),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::ImageDelete>,
    ApiPath(path): ApiPath<(ProjectId, ImageId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Upload an image's bytes
///
/// Streamed; nothing is visible until all bytes have arrived, their checksum is right and the format is
/// the declared one. An upload that broke off is made again from the start. The bytes come whole and as they
/// are: `Content-Range` and `Content-Encoding` are refused. Bytes declared `raw` that are plainly something
/// else are refused, and a qcow2 that was cut short or names other files. The quota `image_gib` is
/// reserved while they come.
#[utoipa::path(put, path = "/v1/projects/{project_id}/images/{image_id}/file", operation_id = "image_upload", tag = "Images",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes"),
    responses((status = 200, description = "The image, now active", body = Image)))]
async fn upload(
    State(app): State<App>,
    tenant: Tenant<perm::ImageCreate>,
    ApiPath(path): ApiPath<(ProjectId, ImageId)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Image>> {
    Ok(Json(image_upload::upload(&app, &tenant, path.1, body, headers.contains_key(EXPECT)).await?))
}
