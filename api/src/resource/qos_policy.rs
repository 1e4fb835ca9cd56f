//! QoS policies.

use super::{common, naming, written};
use crate::App;
use iroko_identity::extract::Tenant;
use iroko_identity::resource::service::taken;
use iroko_identity::resource::{Change, Create, Delete, Place, Resource, Routes, Words, owner};
use iroko_model::permission::perm;
use iroko_model::{ProjectId, QosPolicyId};
use iroko_store::noun::{self, Within};
use iroko_store::qos_policy::{self as store, QosPolicy as Row};
use iroko_store::{Store, Tx};
use iroko_web::problem::{Problem, Result, Rule};
use iroko_wire::qos_policy::{QosPolicy, QosPolicyCreate};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<QosPolicies, App>::read().create().change().delete().router()
}

struct QosPolicies;

impl Resource for QosPolicies {
    type Row = Row;
    type Shown = QosPolicy;
    type Read = Tenant<perm::QosPolicyRead>;
    const WORDS: Words = Words { id: "qos_policy", a: "a QoS policy", many: "QoS policies", tag: "QoS policies" };
    const PATH: &'static str = "/v1/projects/{project_id}/qos-policies";
    const PARAMETER: &'static str = "qos_policy_id";

    fn show(row: Row, _: &dyn Place) -> QosPolicy {
        QosPolicy { common: common(row.common), project_id: row.project_id, network_limits: row.limits.into() }
    }
}

impl Create for QosPolicies {
    type Request = QosPolicyCreate;
    type By = Tenant<perm::QosPolicyCreate>;
    type Needs = Store;
    const QUOTA: Option<&'static str> = Some("qos_policies");
    const CREATE: &'static str = "How much ports with it may carry. What holds for a port is the smaller of its policy's and its flavor's limit.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: QosPolicyCreate,
    ) -> Result<Row> {
        let naming = written(asked.name, asked.description, asked.labels);
        let made = store::qos_policy_insert(tx, owner(within)?, &naming, asked.network_limits.into()).await;
        made.map_err(taken::<Self>)
    }
}

impl Change for QosPolicies {
    type Settings = QosPolicyCreate;
    type By = Tenant<perm::QosPolicyUpdate>;
    const UPDATE: &'static str = "QosPolicyUpdate";
    const CHANGE: &'static str = "The hosts of its ports follow at once.";

    fn settings(row: &Row) -> Result<QosPolicyCreate> {
        let written = naming(&row.common)?;
        let (name, description, labels) = (written.name, written.description, written.labels);
        Ok(QosPolicyCreate { name, description, network_limits: row.limits.into(), labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: QosPolicyCreate) -> Result<Row> {
        let naming = written(to.name, to.description, to.labels);
        store::qos_policy_update(tx, &row, &naming, to.network_limits.into()).await.map_err(taken::<Self>)
    }
}

impl Delete for QosPolicies {
    type By = Tenant<perm::QosPolicyDelete>;
    const DELETE: &'static str = "No port may have it.";

    async fn used(tx: &mut Tx, _: &<Self as Delete>::By, _: &Within, id: QosPolicyId) -> Result<Option<Problem>> {
        let ports = store::qos_policy_use(tx, id).await?;
        let text = format!("{ports} ports have this policy; give them another, or none, first");
        Ok((ports > 0).then(|| Problem::refuse(Rule::InUse, text)))
    }
}

/// Says which field is wrong where a port is to have a policy that the project does not have.
pub async fn known(tx: &mut Tx, project: ProjectId, id: Option<QosPolicyId>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    match noun::get::<Row>(tx, &Within::project(project), id).await? {
        Some(_) => Ok(()),
        None => Err(Problem::missing("/qos_policy_id", "QoS policy")),
    }
}
