//! Subnets.

use super::{common, naming, written};
use crate::App;
use iroko_identity::extract::Tenant;
use iroko_identity::resource::{Change, Create, Delete, Place, Resource, Routes, Words, owner};
use iroko_model::SubnetId;
use iroko_model::permission::perm;
use iroko_store::noun::Within;
use iroko_store::subnet::{self as store, Subnet as Row};
use iroko_store::{Error, Store, Tx};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::subnet::{AllocationPool, Subnet, SubnetCreate, SubnetSettings};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<Subnets, App>::read().create().change().delete().router()
}

struct Subnets;

impl Resource for Subnets {
    type Row = Row;
    type Shown = Subnet;
    type Read = Tenant<perm::SubnetRead>;
    const WORDS: Words = Words { id: "subnet", a: "a subnet", many: "subnets", tag: "Subnets" };
    const PATH: &'static str = "/v1/projects/{project_id}/subnets";
    const PARAMETER: &'static str = "subnet_id";

    fn show(row: Row, _: &dyn Place) -> Subnet {
        Subnet {
            common: common(row.common),
            project_id: row.project_id,
            network_id: row.network_id,
            cidr: row.cidr.to_string(),
            gateway_ip: row.gateway.map(|gateway| gateway.ip().to_string()),
            service_ip: row.service.ip().to_string(),
            allocation_pools: row.pools.0.into_iter().map(AllocationPool::from).collect(),
            dns_servers: row.dns_servers.iter().map(|server| server.ip().to_string()).collect(),
        }
    }
}

impl Create for Subnets {
    type Request = SubnetCreate;
    type By = Tenant<perm::SubnetCreate>;
    type Needs = Store;
    const QUOTA: Option<&'static str> = Some("subnets");
    const CREATE: &'static str =
        "One of each family can be on a network, and more. The hosts of the network learn of it.";

    async fn create(tx: &mut Tx, within: &Within, _: &Store, asked: SubnetCreate) -> Result<Row> {
        let plan = asked.plan()?;
        let naming = written(asked.name, asked.description, asked.labels);
        let made = store::subnet_insert(tx, owner(within)?, asked.network_id, &naming, &plan).await;
        let made = made.map_err(|error| match error {
            Error::Taken(_) => {
                let text = format!("{} overlaps another subnet of the network; choose another range", plan.cidr);
                Problem::with(Kind::Conflict, text).rule("subnet_overlap")
            }
            error => error.into(),
        })?;
        made.ok_or_else(|| Problem::missing("/network_id", "network"))
    }
}

impl Change for Subnets {
    type Settings = SubnetSettings;
    type By = Tenant<perm::SubnetUpdate>;
    const UPDATE: &'static str = "SubnetUpdate";
    const CHANGE: &'static str = "Guests learn of other `dns_servers` when they renew their lease.";

    fn settings(row: &Row) -> Result<SubnetSettings> {
        let written = naming(&row.common)?;
        let dns_servers = row.dns_servers.iter().map(|server| server.ip().to_string()).collect();
        let (name, description, labels) = (written.name, written.description, written.labels);
        let allocation_pools = row.pools.0.iter().copied().map(AllocationPool::from).collect();
        Ok(SubnetSettings { name, description, allocation_pools, dns_servers, labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: SubnetSettings) -> Result<Row> {
        let plan = to.plan(row.cidr, row.gateway.map(|gateway| gateway.ip()))?;
        let naming = written(to.name, to.description, to.labels);
        Ok(store::subnet_update(tx, &row, &naming, &plan).await?)
    }
}

impl Delete for Subnets {
    type By = Tenant<perm::SubnetDelete>;
    const DELETE: &'static str = "No port may have an address of it. The hosts of the network learn of it.";

    fn in_use() -> Problem {
        let text = "ports still have addresses of the subnet; delete their instances or ports first";
        Problem::with(Kind::Conflict, text).rule("in_use")
    }

    async fn delete(tx: &mut Tx, within: &Within, id: SubnetId) -> Result<bool> {
        store::subnet_delete(tx, within, id).await.map_err(Self::kept)
    }
}
