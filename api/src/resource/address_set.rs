//! Address sets.

use super::{common, naming, written};
use crate::App;
use iroko_identity::extract::Tenant;
use iroko_identity::resource::service::taken;
use iroko_identity::resource::{Change, Create, Delete, Place, Resource, Routes, Words, owner, stored};
use iroko_model::AddressSetId;
use iroko_model::permission::perm;
use iroko_store::address_set::{self as store, AddressSet as Row};
use iroko_store::noun::Within;
use iroko_store::{Store, Tx};
use iroko_web::problem::{Problem, Result, Rule};
use iroko_wire::address_set::{AddressSet, AddressSetCreate};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<AddressSets, App>::read().create().change().delete().router()
}

struct AddressSets;

impl Resource for AddressSets {
    type Row = Row;
    type Shown = AddressSet;
    type Read = Tenant<perm::AddressSetRead>;
    const WORDS: Words = Words { id: "address_set", a: "an address set", many: "address sets", tag: "Address sets" };
    const PATH: &'static str = "/v1/projects/{project_id}/address-sets";
    const PARAMETER: &'static str = "address_set_id";

    fn show(row: Row, _: &dyn Place) -> AddressSet {
        let cidrs = row.cidrs.iter().map(ToString::to_string).collect();
        AddressSet { common: common(row.common), project_id: row.project_id, cidrs }
    }
}

impl Create for AddressSets {
    type Request = AddressSetCreate;
    type By = Tenant<perm::AddressSetCreate>;
    type Needs = Store;
    const QUOTA: Option<&'static str> = Some("address_sets");
    const CREATE: &'static str = "A named list of ranges that rules of security groups refer to.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: AddressSetCreate,
    ) -> Result<Row> {
        let naming = written(asked.name, asked.description, asked.labels);
        store::address_set_insert(tx, owner(within)?, &naming, asked.cidrs.into_ranges()).await.map_err(taken::<Self>)
    }
}

impl Change for AddressSets {
    type Settings = AddressSetCreate;
    type By = Tenant<perm::AddressSetUpdate>;
    const UPDATE: &'static str = "AddressSetUpdate";
    const CHANGE: &'static str =
        "`cidrs` takes the place of all ranges there were; the hosts whose rules refer to it follow at once.";

    fn settings(row: &Row) -> Result<AddressSetCreate> {
        let written = naming(&row.common)?;
        let cidrs = stored(row.cidrs.clone().try_into())?;
        let (name, description, labels) = (written.name, written.description, written.labels);
        Ok(AddressSetCreate { name, description, cidrs, labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: AddressSetCreate) -> Result<Row> {
        let naming = written(to.name, to.description, to.labels);
        store::address_set_update(tx, row.common.id, &naming, to.cidrs.into_ranges()).await.map_err(taken::<Self>)
    }
}

impl Delete for AddressSets {
    type By = Tenant<perm::AddressSetDelete>;
    const DELETE: &'static str = "No rule may refer to it.";

    async fn used(tx: &mut Tx, _: &<Self as Delete>::By, _: &Within, id: AddressSetId) -> Result<Option<Problem>> {
        let groups = store::address_set_use(tx, id).await?;
        let text = format!("{groups} security groups have rules that refer to it; delete those rules first");
        Ok((groups > 0).then(|| Problem::refuse(Rule::InUse, text)))
    }
}
