//! Networks. The VNI is given out by the unique constraint: a random free number is tried, and
//! when the space gets tight the lowest gap is looked up.

use crate::error::{Error, Result};
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use iroko_model::{Labels, Name, NetworkId, ProjectId, Vni};
use rand::Rng;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// Random numbers tried before the gap is looked up: with half the space taken, one in 2^16 misses.
const RANDOM_TRIES: usize = 16;
/// Tries on the lowest gap, which others may take at the same moment.
const GAP_TRIES: usize = 64;

/// A network.
#[derive(Debug, Clone)]
pub struct Network {
    /// The network.
    pub id: Uuid,
    /// Name; need not be unique.
    pub name: String,
    /// VXLAN identifier.
    pub vni: i32,
    /// MTU of guests.
    pub mtu: i32,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A network as its maker wants it.
#[derive(Debug)]
pub struct NewNetwork<'a> {
    /// Owner.
    pub project_id: ProjectId,
    /// Name.
    pub name: &'a Name,
    /// MTU of guests.
    pub mtu: i32,
    /// Labels.
    pub labels: &'a Labels,
    /// Numbers the VNI is taken from.
    pub vnis: std::ops::RangeInclusive<u32>,
}

/// Makes a network with a VNI nobody has.
pub async fn network_insert(conn: &mut Conn, new: &NewNetwork<'_>) -> Result<Network> {
    for _ in 0..RANDOM_TRIES {
        let vni = rand::rng().random_range(new.vnis.clone());
        if let Some(network) = insert_with(&mut *conn, new, vni).await? {
            return Ok(network);
        }
    }
    for _ in 0..GAP_TRIES {
        let vni = lowest_gap(&mut *conn, &new.vnis).await?.ok_or(Error::Exhausted("VNIs"))?;
        if let Some(network) = insert_with(&mut *conn, new, vni).await? {
            return Ok(network);
        }
    }
    Err(Error::Exhausted("VNIs"))
}

async fn insert_with(conn: &mut Conn, new: &NewNetwork<'_>, vni: u32) -> Result<Option<Network>> {
    Ok(sqlx::query_as!(
        Network,
        "INSERT INTO network (id, project_id, name, vni, mtu, labels) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (vni) DO NOTHING
         RETURNING id, name, vni, mtu, labels, generation, created_at",
        NetworkId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.name.as_str(),
        stored_vni(vni),
        new.mtu,
        serde_json::json!(new.labels)
    )
    .fetch_optional(conn)
    .await?)
}

/// A VNI, which has 24 bits, as the database holds it.
fn stored_vni(vni: u32) -> i32 {
    i32::try_from(vni).unwrap_or(i32::MAX)
}

async fn lowest_gap(conn: &mut Conn, vnis: &std::ops::RangeInclusive<u32>) -> Result<Option<u32>> {
    let gap =
        sqlx::query_scalar!("SELECT vni_lowest_gap($1, $2) AS gap", stored_vni(*vnis.start()), stored_vni(*vnis.end()))
            .fetch_one(conn)
            .await?;
    Ok(gap.and_then(|vni| u32::try_from(vni).ok()).filter(|vni| *vni <= Vni::MAX))
}

/// One network of the project.
pub async fn network_get(conn: &mut Conn, project_id: ProjectId, id: NetworkId) -> Result<Option<Network>> {
    Ok(sqlx::query_as!(
        Network,
        "SELECT id, name, vni, mtu, labels, generation, created_at FROM network WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the project's networks.
pub async fn network_list(
    conn: &mut Conn,
    project_id: ProjectId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Network>> {
    let rows = sqlx::query_as!(
        Network,
        "SELECT id, name, vni, mtu, labels, generation, created_at FROM network
         WHERE project_id = $1 AND ($2::uuid IS NULL OR id > $2)
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

/// Deletes a network that has no subnets and no ports, else [`Error::InUse`]; false where there
/// was none.
pub async fn network_delete(conn: &mut Conn, project_id: ProjectId, id: NetworkId) -> Result<bool> {
    let done =
        sqlx::query!("DELETE FROM network WHERE project_id = $1 AND id = $2", project_id.as_uuid(), id.as_uuid())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}
