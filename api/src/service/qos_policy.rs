//! QoS policies.

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::{ProjectId, QosPolicyId};
use iroko_store::authority::Scope;
use iroko_store::qos_policy::{self, NewQosPolicy, QosPolicyChange};
use iroko_store::request::{Noun, check_generation};
use iroko_store::{Error, Tx, Wake};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::qos_policy::{CheckedQosPolicy, CheckedQosPolicyUpdate, QosPolicy, QosPolicyCreate, QosPolicyUpdate};

/// Makes a policy.
pub async fn create(app: &App, project: ProjectId, request: QosPolicyCreate) -> Result<QosPolicy> {
    let CheckedQosPolicy { name, description, limits, labels } = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("qos_policies", 1)]).await?;
    let new = NewQosPolicy { project_id: project, name: &name, description: &description, limits, labels: &labels };
    let row = qos_policy::qos_policy_insert(&mut tx, &new).await.map_err(taken)?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.show())
}

fn taken(error: Error) -> Problem {
    match error {
        Error::Taken(_) => {
            Problem::with(Kind::Conflict, "another QoS policy of the project has this name; choose another")
        }
        error => error.into(),
    }
}

/// A page of policies.
pub async fn list(app: &App, project: ProjectId, query: ListQuery) -> Result<List<QosPolicy>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(iroko_web::list(qos_policy::qos_policy_list(&mut tx, project, query.page, &query.filter).await?, Show::show))
}

/// One policy.
pub async fn get(app: &App, project: ProjectId, id: QosPolicyId) -> Result<QosPolicy> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = qos_policy::qos_policy_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Changes a policy; the hosts of its ports follow.
pub async fn update(app: &App, project: ProjectId, id: QosPolicyId, request: QosPolicyUpdate) -> Result<QosPolicy> {
    let wanted: CheckedQosPolicyUpdate = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::QosPolicy, id.as_uuid()).await?;
    let change = QosPolicyChange {
        name: wanted.name.as_ref(),
        description: wanted.description.as_deref(),
        limits: wanted.limits,
        labels: wanted.labels.as_ref(),
    };
    let row = qos_policy::qos_policy_update(&mut tx, project, id, &change).await.map_err(taken)?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// Deletes a policy that no port has.
pub async fn delete(app: &App, project: ProjectId, id: QosPolicyId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::QosPolicy, id.as_uuid()).await?;
    let used = qos_policy::qos_policy_use(&mut tx, id).await?;
    if used > 0 {
        return Err(in_use(used));
    }
    match qos_policy::qos_policy_delete(&mut tx, project, id).await {
        Ok(true) => Ok(app.store.commit_for(tx, Wake::Nobody).await?),
        Ok(false) => Err(Problem::new(Kind::NotFound)),
        // Since it was counted.
        Err(Error::InUse(_)) => Err(in_use(1)),
        Err(error) => Err(error.into()),
    }
}

fn in_use(ports: i64) -> Problem {
    let text = format!("{ports} ports have this policy; give them another, or none, first");
    Problem::with(Kind::Conflict, text)
}

/// Says which field is wrong where a port is to have a policy that the project does not have.
pub async fn known(tx: &mut Tx, project: ProjectId, id: Option<QosPolicyId>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    match qos_policy::qos_policy_get(tx, project, id).await? {
        Some(_) => Ok(()),
        None => Err(Problem::missing("/qos_policy_id", "QoS policy")),
    }
}
