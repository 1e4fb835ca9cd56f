//! Rules of security groups.

use crate::App;
use crate::service::security_group_rule as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ListParams, ListQuery, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{ProjectId, SecurityGroupId, SecurityGroupRuleId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::security_group_rule::{SecurityGroupRule, SecurityGroupRuleCreate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, delete))
}

/// Create a rule
///
/// A rule allows; what no rule of a port's groups allows is dropped. It acts on the group's ports at once.
#[utoipa::path(post, path = "/v1/projects/{project_id}/security-groups/{security_group_id}/rules", operation_id = "security_group_rule_create", tag = "Security groups",
    request_body = SecurityGroupRuleCreate, responses((status = 201, description = "Made", body = SecurityGroupRule)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupUpdate>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId)>,
    ApiJson(body): ApiJson<SecurityGroupRuleCreate>,
) -> Result<(StatusCode, Json<SecurityGroupRule>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, path.1, body).await?)))
}

/// List a group's rules
///
/// Oldest first, in pages; `name` is the description.
#[utoipa::path(get, path = "/v1/projects/{project_id}/security-groups/{security_group_id}/rules", operation_id = "security_group_rule_list", tag = "Security groups",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<SecurityGroupRule>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupRead>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId)>,
    query: ListQuery,
) -> Result<Json<List<SecurityGroupRule>>> {
    Ok(Json(service::list(&app, tenant.project, path.1, query).await?))
}

/// Show a rule
#[utoipa::path(get, path = "/v1/projects/{project_id}/security-groups/{security_group_id}/rules/{rule_id}", operation_id = "security_group_rule_get", tag = "Security groups",
    responses((status = 200, description = "The rule", body = SecurityGroupRule)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupRead>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId, SecurityGroupRuleId)>,
) -> Result<Json<SecurityGroupRule>> {
    Ok(Json(service::get(&app, tenant.project, path.1, path.2).await?))
}

/// Delete a rule
///
/// Connections that only it allowed are cut.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/security-groups/{security_group_id}/rules/{rule_id}", operation_id = "security_group_rule_delete", tag = "Security groups",
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupUpdate>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId, SecurityGroupRuleId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1, path.2).await?;
    Ok(StatusCode::NO_CONTENT)
}
