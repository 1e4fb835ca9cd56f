//! Statistics of ports and of rules.

use crate::App;
use crate::service::statistics as service;
use axum::Json;
use axum::extract::State;
use iroko_identity::extract::{ApiPath, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{PortId, ProjectId, SecurityGroupId};
use iroko_web::problem::Result;
use iroko_wire::statistics::{PortStatistics, SecurityGroupStatistics};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(of_port)).merge(guarded!(of_security_group))
}

/// Show what a port has carried
///
/// Since it was made, on whatever hosts; `rx` and `tx` as its instance sees them. Hosts count every half minute unless they are
/// set up otherwise; a number never gets smaller.
#[utoipa::path(get, path = "/v1/projects/{project_id}/ports/{port_id}/statistics", operation_id = "port_statistics", tag = "Ports",
    responses((status = 200, description = "What it has carried", body = PortStatistics)))]
async fn of_port(
    State(app): State<App>,
    tenant: Tenant<perm::PortRead>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
) -> Result<Json<PortStatistics>> {
    Ok(Json(service::of_port(&app, tenant.project, path.1).await?))
}

/// Show what the rules of a security group have let through
///
/// For all ports in it together. A number never gets smaller.
#[utoipa::path(get, path = "/v1/projects/{project_id}/security-groups/{security_group_id}/statistics",
    operation_id = "security_group_statistics", tag = "Security groups",
    responses((status = 200, description = "A row for each rule", body = SecurityGroupStatistics)))]
async fn of_security_group(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupRead>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId)>,
) -> Result<Json<SecurityGroupStatistics>> {
    Ok(Json(service::of_security_group(&app, tenant.project, path.1).await?))
}
