//! Service accounts.

use super::common;
use crate::Identity;
use crate::extract::{Guard, Within as Inside};
use crate::resource::service::taken;
use crate::resource::{Change, Create, Delete, Place, Resource, Routes, Words, missing, naming, owner_organization};
use crate::service::authority::outranks_subject;
use iroko_model::permission::perm;
use iroko_model::{Naming, ServiceAccountId};
use iroko_store::authority::Subject;
use iroko_store::noun::{self, Within};
use iroko_store::service_account::{self as store, ServiceAccount as Row};
use iroko_store::{Store, Tx};
use iroko_web::problem::{Problem, Result};
use iroko_wire::service_account::{ServiceAccount, ServiceAccountCreate, ServiceAccountSettings};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<Identity> {
    Routes::<ServiceAccounts, Identity>::read().create().change().delete().router()
}

struct ServiceAccounts;

impl Resource for ServiceAccounts {
    type Row = Row;
    type Shown = ServiceAccount;
    type Read = Inside<perm::ServiceAccountRead>;
    const WORDS: Words =
        Words { id: "service_account", a: "a service account", many: "service accounts", tag: "Service accounts" };
    const PATH: &'static str = "/v1/organizations/{organization_id}/service-accounts";
    const PARAMETER: &'static str = "service_account_id";

    fn show(row: Row, _: &dyn Place) -> ServiceAccount {
        let disabled = row.disabled_at.is_some();
        ServiceAccount { common: common(row.common), organization_id: row.organization_id, disabled }
    }
}

impl Create for ServiceAccounts {
    type Request = ServiceAccountCreate;
    type By = Inside<perm::ServiceAccountCreate>;
    type Needs = Store;
    const CREATE: &'static str = "A program that acts for the organization. Give it roles, and API keys to act with.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: ServiceAccountCreate,
    ) -> Result<Row> {
        let naming = Naming { name: asked.name, description: asked.description, labels: asked.labels };
        store::service_account_insert(tx, owner_organization(within)?, &naming).await.map_err(taken::<Self>)
    }
}

impl Change for ServiceAccounts {
    type Settings = ServiceAccountSettings;
    type By = Inside<perm::ServiceAccountUpdate>;
    const UPDATE: &'static str = "ServiceAccountUpdate";
    const CHANGE: &'static str = "Nobody changes one that has more than they have.";

    fn settings(row: &Row) -> Result<ServiceAccountSettings> {
        let Naming { name, description, labels } = naming(&row.common)?;
        Ok(ServiceAccountSettings { name, description, disabled: row.disabled_at.is_some(), labels })
    }

    async fn change(
        tx: &mut Tx,
        by: &<Self as Change>::By,
        _: &Within,
        row: Row,
        to: ServiceAccountSettings,
    ) -> Result<Row> {
        outranks_subject(tx, by.actor(), Subject::ServiceAccount(row.common.id)).await?;
        let naming = Naming { name: to.name, description: to.description, labels: to.labels };
        store::service_account_update(tx, &row, &naming, to.disabled).await.map_err(taken::<Self>)
    }
}

impl Delete for ServiceAccounts {
    type By = Inside<perm::ServiceAccountDelete>;
    const DELETE: &'static str = "With its API keys and roles. Nobody deletes one that has more than they have.";

    async fn used(
        tx: &mut Tx,
        by: &<Self as Delete>::By,
        within: &Within,
        id: ServiceAccountId,
    ) -> Result<Option<Problem>> {
        noun::get::<Row>(tx, within, id).await?.ok_or_else(missing)?;
        outranks_subject(tx, by.actor(), Subject::ServiceAccount(id)).await.map(|()| None)
    }
}
