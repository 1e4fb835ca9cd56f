//! Flavors.

use super::{common, naming, written};
use crate::App;
use iroko_identity::extract::{Caller, System};
use iroko_identity::resource::service::taken;
use iroko_identity::resource::{Change, Create, Delete, Place, Resource, Routes, Words};
use iroko_model::permission::perm;
use iroko_store::flavor::{self as store, Flavor as Row, Size};
use iroko_store::noun::Within;
use iroko_store::{Store, Tx};
use iroko_web::problem::Result;
use iroko_wire::flavor::{Flavor, FlavorCreate, FlavorSettings};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<Flavors, App>::read().create().change().delete().router()
}

struct Flavors;

impl Resource for Flavors {
    type Row = Row;
    type Shown = Flavor;
    type Read = Caller;
    const WORDS: Words = Words { id: "flavor", a: "a flavor", many: "flavors", tag: "Flavors" };
    const PATH: &'static str = "/v1/flavors";
    const PARAMETER: &'static str = "flavor_id";
    const WRITTEN_AT: &'static str = "/v1/system/flavors";

    fn show(row: Row, _: &dyn Place) -> Flavor {
        let Row { common: is, vcpus, memory_mib, disk_gib, limits } = row;
        Flavor { common: common(is), vcpus, memory_mib, disk_gib, network_limits: limits.into() }
    }
}

impl Create for Flavors {
    type Request = FlavorCreate;
    type By = System<perm::FlavorCreate>;
    type Needs = Store;
    const CREATE: &'static str = "For all tenants.";

    async fn create(tx: &mut Tx, _: &<Self as Create>::By, _: &Within, _: &Store, asked: FlavorCreate) -> Result<Row> {
        let naming = written(asked.name, asked.description, asked.labels);
        let size = Size {
            vcpus: asked.vcpus.get_i32(),
            memory_mib: asked.memory_mib.get_i32(),
            disk_gib: asked.disk_gib.get_i32(),
            limits: asked.network_limits.into(),
        };
        store::flavor_insert(tx, &naming, size).await.map_err(taken::<Self>)
    }
}

impl Change for Flavors {
    type Settings = FlavorSettings;
    type By = System<perm::FlavorUpdate>;
    const UPDATE: &'static str = "FlavorUpdate";
    const CHANGE: &'static str = "Its size never changes: instances have copied it.";

    fn settings(row: &Row) -> Result<FlavorSettings> {
        let written = naming(&row.common)?;
        Ok(FlavorSettings { name: written.name, description: written.description, labels: written.labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: FlavorSettings) -> Result<Row> {
        let naming = written(to.name, to.description, to.labels);
        store::flavor_update(tx, row.common.id, &naming).await.map_err(taken::<Self>)
    }
}

impl Delete for Flavors {
    type By = System<perm::FlavorDelete>;
    const DELETE: &'static str = "Instances made with it stay as they are.";
}
