//! Rules of security groups. Each change of a group's rules takes its turn on the group's row.

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::{ProjectId, SecurityGroupId, SecurityGroupRuleId};
use iroko_store::Error;
use iroko_store::authority::Scope;
use iroko_store::security_group::security_group_get;
use iroko_store::security_group_rule::{self as rule, NewSecurityGroupRule, refs, security_group_touch};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::security_group_rule::{CheckedRule, SecurityGroupRule, SecurityGroupRuleCreate};

/// Most rules of a group: a host walks through them for each packet that begins a conversation.
pub const RULES_OF_GROUP_MAX: i64 = 200;

/// Makes a rule.
pub async fn create(
    app: &App,
    project: ProjectId,
    group: SecurityGroupId,
    request: SecurityGroupRuleCreate,
) -> Result<SecurityGroupRule> {
    let wanted = CheckedRule::try_from(request)?;
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("security_group_rules", 1)]).await?;
    let there = security_group_touch(&mut tx, project, group, &refs(&wanted.rule)).await?;
    if there.ok_or(Problem::new(Plain::NotFound))? >= RULES_OF_GROUP_MAX {
        let text = format!(
            "a group has at most {RULES_OF_GROUP_MAX} rules; put addresses into an address set, or take a second group"
        );
        return Err(Problem::refuse(Rule::SecurityGroupFull, text));
    }
    let new = NewSecurityGroupRule {
        project_id: project,
        security_group_id: group,
        rule: &wanted.rule,
        description: &wanted.description,
        labels: &wanted.labels,
    };
    let row = rule::security_group_rule_insert(&mut tx, &new).await.map_err(refused)?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn refused(error: Error) -> Problem {
    match error {
        Error::Taken(_) => Problem::refuse(
            Rule::SecurityGroupRuleExists,
            "the group has a rule that says just this; nothing is missing",
        ),
        Error::Missing(what) if what == "security_group_rule_remote_group" => {
            Problem::missing("/remote_group_id", "security group")
        }
        Error::Missing(what) if what == "security_group_rule_address_set" => {
            Problem::missing("/remote_address_set_id", "address set")
        }
        error => error.into(),
    }
}

/// A page of a group's rules.
pub async fn list(
    app: &App,
    project: ProjectId,
    group: SecurityGroupId,
    query: ListQuery,
) -> Result<List<SecurityGroupRule>> {
    let mut tx = app.store.begin_bound(project).await?;
    security_group_get(&mut tx, project, group).await?.ok_or(Problem::new(Plain::NotFound))?;
    let page = rule::security_group_rule_list(&mut tx, project, group, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// One rule.
pub async fn get(
    app: &App,
    project: ProjectId,
    group: SecurityGroupId,
    id: SecurityGroupRuleId,
) -> Result<SecurityGroupRule> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = rule::security_group_rule_get(&mut tx, project, group, id).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Deletes a rule; flows that only it allowed are cut.
pub async fn delete(app: &App, project: ProjectId, group: SecurityGroupId, id: SecurityGroupRuleId) -> Result<()> {
    let missing = || Problem::new(Plain::NotFound);
    let mut tx = app.store.begin_bound(project).await?;
    let row = rule::security_group_rule_get(&mut tx, project, group, id).await?.ok_or_else(missing)?;
    security_group_touch(&mut tx, project, group, &refs(&row.rule)).await?.ok_or_else(missing)?;
    if !rule::security_group_rule_delete(&mut tx, project, group, id).await? {
        return Err(missing());
    }
    Ok(app.store.commit(tx).await?)
}
