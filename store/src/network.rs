//! Networks. The VNI is given out by the unique constraint: a random free number is tried, and
//! when the space gets tight the lowest gap is looked up.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::noun::{self, Columns, Common, Noun, Within};
use iroko_model::{Naming, NetworkId, ProjectId, Vni};
use rand::Rng;
use sqlx::FromRow;
use uuid::Uuid;

/// Random numbers tried before the gap is looked up: with half the space taken, one in 2^16 misses.
const RANDOM_TRIES: usize = 16;
/// Tries on the lowest gap, which others may take at the same moment.
const GAP_TRIES: usize = 64;

/// A network.
#[derive(Debug, Clone, FromRow)]
pub struct Network {
    /// What every noun has; the name need not be unique.
    #[sqlx(flatten)]
    pub common: Common<NetworkId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub project_id: ProjectId,
    /// VXLAN identifier: the operator's business.
    pub vni: i32,
    /// MTU of guests.
    pub mtu: i32,
}

impl Noun for Network {
    type Id = NetworkId;
    const TABLE: &'static str = "network";
    const COLUMNS: &'static str = "n.project_id, n.vni, n.mtu";

    fn common(&self) -> &Common<NetworkId> {
        &self.common
    }
}

/// A network as its maker wants it.
#[derive(Debug)]
pub struct NewNetwork<'a> {
    /// Owner.
    pub project_id: ProjectId,
    /// What people write on it.
    pub naming: &'a Naming,
    /// MTU of guests.
    pub mtu: i32,
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
    let made = sqlx::query_scalar!(
        "INSERT INTO network (id, project_id, name, description, vni, mtu, labels) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (vni) DO NOTHING RETURNING id",
        NetworkId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.naming.name.as_str(),
        new.naming.description.as_str(),
        stored_vni(vni),
        new.mtu,
        serde_json::json!(new.naming.labels)
    )
    .fetch_optional(&mut *conn)
    .await?;
    match made {
        Some(id) => noun::get(conn, &Within::project(new.project_id), id.into()).await,
        None => Ok(None),
    }
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

/// Changes what people wrote on a network that the caller has locked. No host needs to know.
pub async fn network_update(conn: &mut Conn, id: NetworkId, naming: &Naming) -> Result<Network> {
    noun::update(conn, id, Columns::default().naming(naming)?).await
}
