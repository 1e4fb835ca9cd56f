//! Programs that act for an organization.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Noun, Within};
use iroko_model::{Naming, OrganizationId, ServiceAccountId};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// A service account.
#[derive(Debug, Clone, FromRow)]
pub struct ServiceAccount {
    /// What every noun has; the name is unique in the organization.
    #[sqlx(flatten)]
    pub common: Common<ServiceAccountId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub organization_id: OrganizationId,
    /// Since when it is disabled.
    pub disabled_at: Option<OffsetDateTime>,
}

impl Noun for ServiceAccount {
    type Id = ServiceAccountId;
    const TABLE: &'static str = "service_account";
    const COLUMNS: &'static str = "n.organization_id, n.disabled_at";

    fn common(&self) -> &Common<ServiceAccountId> {
        &self.common
    }
}

/// Makes a service account.
pub async fn service_account_insert(
    conn: &mut Conn,
    organization: OrganizationId,
    naming: &Naming,
) -> Result<ServiceAccount> {
    let row = Columns::default().naming(naming)?.set("organization_id", organization.as_uuid())?;
    noun::insert(conn, ServiceAccountId::new(), row).await
}

/// One service account of the organization.
pub async fn service_account_get(
    conn: &mut Conn,
    organization: OrganizationId,
    id: ServiceAccountId,
) -> Result<Option<ServiceAccount>> {
    noun::get(conn, &Within::organization(organization), id).await
}

/// Changes a service account that the caller has locked.
pub async fn service_account_update(
    conn: &mut Conn,
    was: &ServiceAccount,
    naming: &Naming,
    is_disabled: bool,
) -> Result<ServiceAccount> {
    let since = is_disabled.then(|| was.disabled_at.unwrap_or_else(OffsetDateTime::now_utc));
    noun::update(conn, was.common.id, Columns::default().naming(naming)?.set("disabled_at", since)?).await
}
