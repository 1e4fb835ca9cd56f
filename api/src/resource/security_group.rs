//! Security groups.

use super::{common, naming, written};
use crate::App;
use iroko_identity::extract::Tenant;
use iroko_identity::resource::service::taken;
use iroko_identity::resource::{Change, Create, Delete, Place, Resource, Routes, Words, owner};
use iroko_model::permission::perm;
use iroko_model::{Invalid, ProjectId, SecurityGroupId};
use iroko_store::noun::{self, Within};
use iroko_store::security_group::{self as store, GroupUse, SecurityGroup as Row};
use iroko_store::{Store, Tx};
use iroko_web::problem::{Problem, Result, Rule};
use iroko_wire::security_group::{SecurityGroup, SecurityGroupCreate};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<SecurityGroups, App>::read().create().change().delete().router()
}

struct SecurityGroups;

impl Resource for SecurityGroups {
    type Row = Row;
    type Shown = SecurityGroup;
    type Read = Tenant<perm::SecurityGroupRead>;
    const WORDS: Words =
        Words { id: "security_group", a: "a security group", many: "security groups", tag: "Security groups" };
    const PATH: &'static str = "/v1/projects/{project_id}/security-groups";
    const PARAMETER: &'static str = "security_group_id";

    fn show(row: Row, _: &dyn Place) -> SecurityGroup {
        let Row { project_id, stateful, is_default, .. } = row;
        SecurityGroup { common: common(row.common), project_id, stateful, is_default }
    }
}

impl Create for SecurityGroups {
    type Request = SecurityGroupCreate;
    type By = Tenant<perm::SecurityGroupCreate>;
    type Needs = Store;
    const QUOTA: Option<&'static str> = Some("security_groups");
    const CREATE: &'static str = "A group without rules: nothing passes until some are made.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: SecurityGroupCreate,
    ) -> Result<Row> {
        let naming = written(asked.name, asked.description, asked.labels);
        store::security_group_insert(tx, owner(within)?, &naming, asked.stateful).await.map_err(taken::<Self>)
    }
}

impl Change for SecurityGroups {
    type Settings = SecurityGroupCreate;
    type By = Tenant<perm::SecurityGroupUpdate>;
    const UPDATE: &'static str = "SecurityGroupUpdate";
    const CHANGE: &'static str = "Its hosts follow at once.";

    fn settings(row: &Row) -> Result<SecurityGroupCreate> {
        let written = naming(&row.common)?;
        let (name, description, labels) = (written.name, written.description, written.labels);
        Ok(SecurityGroupCreate { name, description, stateful: row.stateful, labels })
    }

    async fn change(
        tx: &mut Tx,
        _: &<Self as Change>::By,
        _: &Within,
        row: Row,
        to: SecurityGroupCreate,
    ) -> Result<Row> {
        if row.is_default && to.name.as_str() != row.common.name {
            let text = "the default group keeps its name; make a group of your own";
            return Err(Problem::field("/name", Invalid::new("default_group_name", text)));
        }
        let naming = written(to.name, to.description, to.labels);
        store::security_group_update(tx, row.common.id, &naming, to.stateful).await.map_err(taken::<Self>)
    }
}

impl Delete for SecurityGroups {
    type By = Tenant<perm::SecurityGroupDelete>;
    const DELETE: &'static str = "With its rules. No port may be in it, and no rule of another group may refer to it.";

    async fn used(
        tx: &mut Tx,
        _: &<Self as Delete>::By,
        within: &Within,
        id: SecurityGroupId,
    ) -> Result<Option<Problem>> {
        let Some(is) = noun::get::<Row>(tx, within, id).await? else { return Ok(None) };
        if is.is_default {
            let text = "the default group goes with its project; you may delete its rules";
            return Ok(Some(Problem::refuse(Rule::DefaultGroup, text)));
        }
        Ok(in_use(store::security_group_use(tx, id).await?))
    }

    async fn delete(tx: &mut Tx, within: &Within, id: SecurityGroupId) -> Result<bool> {
        store::security_group_delete(tx, within, id).await.map_err(Self::kept)
    }
}

fn in_use(used: GroupUse) -> Option<Problem> {
    let mut by = Vec::new();
    if used.ports > 0 {
        by.push(format!("{} ports are in it (take them out with PATCH, or delete them)", used.ports));
    }
    if used.groups > 0 {
        by.push(format!("{} other security groups have rules that refer to it (delete those)", used.groups));
    }
    (!by.is_empty()).then(|| Problem::refuse(Rule::InUse, by.join("; ")))
}

/// Says which of the groups asked for a port the project does not have. `pointer`: where they stand.
pub fn must_know(pointer: &str, asked: &[Uuid], known: &[Uuid]) -> Result<()> {
    match asked.iter().position(|id| !known.contains(id)) {
        None => Ok(()),
        Some(index) => Err(Problem::missing(format!("{pointer}/{index}"), "security group")),
    }
}

/// The groups of a port to be made: those asked for, or the default group.
pub async fn of_port(tx: &mut Tx, project: ProjectId, asked: Option<Vec<Uuid>>) -> Result<Vec<Uuid>> {
    let Some(asked) = asked else {
        return Ok(store::security_group_default(tx, project).await?.into_iter().collect());
    };
    must_know("/security_group_ids", &asked, &store::security_groups_known(tx, project, &asked).await?)?;
    Ok(asked)
}
