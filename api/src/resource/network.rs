//! Networks.

use super::{common, naming, written};
use crate::App;
use crate::config::Config;
use iroko_identity::extract::Tenant;
use iroko_identity::resource::service::taken;
use iroko_identity::resource::{Change, Create, Delete, Place, Resource, Routes, Words, owner};
use iroko_model::permission::perm;
use iroko_store::Tx;
use iroko_store::network::{self as store, Network as Row, NewNetwork};
use iroko_store::noun::Within;
use iroko_web::problem::{Problem, Result, Rule};
use iroko_wire::network::{Network, NetworkCreate};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// Octets of the VXLAN headers over IPv4 (RFC 7348): Ethernet 14, IP 20, UDP 8, VXLAN 8.
const VXLAN_OVERHEAD: i32 = 50;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<Networks, App>::read().create().change().delete().router()
}

struct Networks;

impl Resource for Networks {
    type Row = Row;
    type Shown = Network;
    type Read = Tenant<perm::NetworkRead>;
    const WORDS: Words = Words { id: "network", a: "a network", many: "networks", tag: "Networks" };
    const PATH: &'static str = "/v1/projects/{project_id}/networks";
    const PARAMETER: &'static str = "network_id";

    fn show(row: Row, _: &dyn Place) -> Network {
        Network { common: common(row.common), project_id: row.project_id, mtu: row.mtu }
    }
}

impl Create for Networks {
    type Request = NetworkCreate;
    type By = Tenant<perm::NetworkCreate>;
    type Needs = Arc<Config>;
    const QUOTA: Option<&'static str> = Some("networks");
    const CREATE: &'static str = "One layer-2 segment of its own. It needs a subnet before ports can be made on it.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        config: &Arc<Config>,
        asked: NetworkCreate,
    ) -> Result<Row> {
        let config = &config.network;
        let new = NewNetwork {
            project_id: owner(within)?,
            naming: &written(asked.name, asked.description, asked.labels),
            mtu: config.underlay_mtu - VXLAN_OVERHEAD,
            vnis: config.vni_first..=config.vni_last,
        };
        Ok(store::network_insert(tx, &new).await?)
    }
}

impl Change for Networks {
    type Settings = NetworkCreate;
    type By = Tenant<perm::NetworkUpdate>;
    const UPDATE: &'static str = "NetworkUpdate";

    fn settings(row: &Row) -> Result<NetworkCreate> {
        let written = naming(&row.common)?;
        Ok(NetworkCreate { name: written.name, description: written.description, labels: written.labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: NetworkCreate) -> Result<Row> {
        let naming = written(to.name, to.description, to.labels);
        store::network_update(tx, row.common.id, &naming).await.map_err(taken::<Self>)
    }
}

impl Delete for Networks {
    type By = Tenant<perm::NetworkDelete>;
    const DELETE: &'static str = "It may have no subnets and no ports.";

    fn in_use() -> Problem {
        let text = "the network still has subnets or ports; delete its instances, ports and subnets first";
        Problem::refuse(Rule::InUse, text)
    }
}
