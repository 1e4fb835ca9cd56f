//! Flavors: the sizes an instance can have. An instance copies the size, so that deleting a flavor
//! changes no instance.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Listing, Noun, Sort, Within};
use crate::page::PageQuery;
use iroko_model::port::PortLimits;
use iroko_model::{FlavorId, Naming};
use sqlx::FromRow;

/// A flavor.
#[derive(Debug, Clone, FromRow)]
pub struct Flavor {
    /// What every noun has; the name is unique.
    #[sqlx(flatten)]
    pub common: Common<FlavorId>,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// How much each port of an instance may carry.
    #[sqlx(json)]
    pub limits: PortLimits,
}

impl Noun for Flavor {
    type Id = FlavorId;
    const TABLE: &'static str = "flavor";
    const COLUMNS: &'static str = "n.vcpus, n.memory_mib, n.disk_gib, port_limits(n.ingress_kbit_s, n.egress_kbit_s, n.ingress_packets_s, n.egress_packets_s) AS limits";

    fn common(&self) -> &Common<FlavorId> {
        &self.common
    }
}

/// What a flavor gives.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// How much each port of an instance may carry.
    pub limits: PortLimits,
}

/// A limit as its column holds it; none larger than [`PortLimits::MOST`] is taken.
pub(crate) fn limit_column(limit: Option<u32>) -> Option<i32> {
    limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX))
}

/// The columns of limits.
///
/// # Errors
/// Where a value cannot be encoded.
pub(crate) fn limit_columns(row: Columns, limits: PortLimits) -> Result<Columns> {
    row.set("ingress_kbit_s", limit_column(limits.ingress_kbit_s))?
        .set("egress_kbit_s", limit_column(limits.egress_kbit_s))?
        .set("ingress_packets_s", limit_column(limits.ingress_packets_s))?
        .set("egress_packets_s", limit_column(limits.egress_packets_s))
}

/// Flavors on a page of [`flavor_list_all`].
const PAGE: i32 = 1000;

/// All flavors, by name. Operators make them: they are as many as operators bear with.
pub async fn flavor_list_all(conn: &mut Conn) -> Result<Vec<Flavor>> {
    let mut listing = Listing { sort: Sort::Name, ..Listing::of(PageQuery { limit: PAGE, after: None }) };
    let mut all: Vec<Flavor> = Vec::new();
    loop {
        let (page, _) = noun::page::<Flavor>(&mut *conn, &Within::system(), &listing).await?;
        all.extend(page.items);
        listing.page.after = page.next;
        listing.after_name = all.last().map(|flavor| flavor.common.name.clone());
        if page.next.is_none() {
            return Ok(all);
        }
    }
}

/// Makes a flavor.
pub async fn flavor_insert(conn: &mut Conn, naming: &Naming, size: Size) -> Result<Flavor> {
    let row = Columns::default()
        .naming(naming)?
        .set("vcpus", size.vcpus)?
        .set("memory_mib", size.memory_mib)?
        .set("disk_gib", size.disk_gib)?;
    noun::insert(conn, FlavorId::new(), limit_columns(row, size.limits)?).await
}

/// Changes what people wrote on a flavor that the caller has locked.
pub async fn flavor_update(conn: &mut Conn, id: FlavorId, naming: &Naming) -> Result<Flavor> {
    noun::update(conn, id, Columns::default().naming(naming)?).await
}
