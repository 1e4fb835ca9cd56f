//! Address sets: named lists of ranges that rules refer to, replaced as a whole.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Noun};
use ipnetwork::IpNetwork;
use iroko_model::{AddressSetId, Naming, ProjectId};
use sqlx::FromRow;
use uuid::Uuid;

/// An address set.
#[derive(Debug, Clone, FromRow)]
pub struct AddressSet {
    /// What every noun has; the name is unique in the project.
    #[sqlx(flatten)]
    pub common: Common<AddressSetId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub project_id: ProjectId,
    /// Its ranges, of both families.
    pub cidrs: Vec<IpNetwork>,
}

impl Noun for AddressSet {
    type Id = AddressSetId;
    const TABLE: &'static str = "address_set";
    const COLUMNS: &'static str = "n.project_id, n.cidrs";

    fn common(&self) -> &Common<AddressSetId> {
        &self.common
    }
}

/// Makes a set.
pub async fn address_set_insert(
    conn: &mut Conn,
    project: ProjectId,
    naming: &Naming,
    cidrs: Vec<IpNetwork>,
) -> Result<AddressSet> {
    let row = Columns::default().naming(naming)?.set("project_id", project.as_uuid())?.set("cidrs", cidrs)?;
    noun::insert(conn, AddressSetId::new(), row).await
}

/// Changes a set that the caller has locked, and tells the hosts with rules that refer to it.
pub async fn address_set_update(
    conn: &mut Conn,
    id: AddressSetId,
    naming: &Naming,
    cidrs: Vec<IpNetwork>,
) -> Result<AddressSet> {
    let row = noun::update(&mut *conn, id, Columns::default().naming(naming)?.set("cidrs", cidrs)?).await?;
    sqlx::query!("INSERT INTO change (kind, object_id) VALUES ('address_set', $1)", id.as_uuid()).execute(conn).await?;
    Ok(row)
}

/// How many security groups have rules that refer to a set.
pub async fn address_set_use(conn: &mut Conn, id: AddressSetId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(DISTINCT security_group_id) AS "groups!" FROM security_group_rule WHERE remote_address_set_id = $1"#,
        id.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}
