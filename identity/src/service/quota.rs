//! Quotas.

use crate::Identity;
use crate::show::Show;
use iroko_model::Invalid;
use iroko_store::authority::Scope;
use iroko_store::quota::{self, DefaultQuota, Excess};
use iroko_store::{Bound, Tx, Wake};
use iroko_web::problem::{Faults, Plain, Problem, Result, Rule};
use iroko_wire::quota::{DefaultQuotas, Quotas, QuotasUpdate};
use std::collections::BTreeMap;

/// Takes amounts of quotas for what the transaction goes on to make, or says which would be exceeded.
pub async fn take(tx: &mut Tx, scope: Scope, amounts: &[(&str, i64)]) -> Result<()> {
    match quota::quota_take(tx, amounts).await?.first() {
        None => Ok(()),
        Some(excess) => Err(exceeded(scope, excess)),
    }
}

/// Of the caller's own project or organization the numbers are told; of one above it only that it has
/// reached its limit: what others use there is theirs.
fn exceeded(scope: Scope, excess: &Excess) -> Problem {
    let Excess { name, most, used, asked, .. } = excess;
    let own = match scope {
        Scope::Project(id) => excess.project_id == Some(id.as_uuid()),
        Scope::Organization(id) => excess.organization_id == Some(id.as_uuid()),
        Scope::System => false,
    };
    let text = match scope {
        Scope::Project(_) if own => format!(
            "the project's quota {name} is {most}: {used} are used and {asked} more were asked for; \
             delete some, or ask an owner of the project's organization to raise it"
        ),
        Scope::Organization(_) if own => format!(
            "the organization's quota {name} is {most}: {used} are used in it and below it and {asked} more were asked for; \
             delete some, or ask an owner of the organization above it, or the operator, to raise it"
        ),
        _ => format!(
            "the quota {name} of an organization above has no room for {asked} more; \
             delete some, or ask an owner of your organization, who can see it and have it raised"
        ),
    };
    Problem::refuse(Rule::QuotaExceeded, text)
}

fn bound(scope: Scope) -> Result<Bound> {
    match scope {
        Scope::Project(id) => Ok(id.into()),
        Scope::Organization(id) => Ok(id.into()),
        Scope::System => Err(Problem::new(Plain::NotFound)),
    }
}

/// Limits and usage.
pub async fn get(app: &Identity, scope: Scope) -> Result<Quotas> {
    let mut tx = app.store.begin_bound(bound(scope)?).await?;
    Ok(Quotas { items: quota::quota_report(&mut tx).await?.into_iter().map(Show::show).collect() })
}

/// Sets all limits. None may be more than what there is above.
pub async fn set(app: &Identity, scope: Scope, request: QuotasUpdate) -> Result<Quotas> {
    let mut tx = app.store.begin_bound(bound(scope)?).await?;
    let known = quota::quota_report(&mut tx).await?;
    let mut faults = Faults::default();
    for (name, most) in &request.limits {
        let pointer = format!("/limits/{name}");
        match known.iter().find(|quota| quota.name == *name) {
            None => faults.note(&pointer, Invalid::new("quota_unknown", format!("there is no quota {name:?} here"))),
            Some(_) if *most < 0 => faults.note(&pointer, Invalid::new("quota_range", "a limit is 0 or more")),
            Some(quota) => {
                if let Some(above) = quota.most_above.filter(|above| most > above) {
                    let text =
                        format!("the organization above has {above}; nobody gets more than what they are part of");
                    faults.note(&pointer, Invalid::new("quota_above", text));
                }
            }
        }
    }
    faults.finish()?;
    let limits: Vec<(String, i64)> = request.limits.into_iter().collect();
    let (organization, project) = match scope {
        Scope::Organization(id) => (Some(id.as_uuid()), None),
        Scope::Project(id) => (None, Some(id.as_uuid())),
        Scope::System => (None, None),
    };
    quota::quota_set(&mut tx, organization, project, &limits).await?;
    let set = quota::quota_report(&mut tx).await?.into_iter().map(Show::show).collect();
    app.store.commit(tx).await?;
    Ok(Quotas { items: set })
}

const ORGANIZATION: &str = "organization";
const PROJECT: &str = "project";

/// What new organizations and projects are limited to.
pub async fn default_get(app: &Identity) -> Result<DefaultQuotas> {
    let limits = quota::default_quota_list(&mut *app.store.connection().await?).await?;
    Ok(limits.show())
}

/// Sets what new organizations and projects are limited to.
pub async fn default_set(app: &Identity, request: DefaultQuotas) -> Result<DefaultQuotas> {
    let mut tx = app.store.begin().await?;
    let kinds = quota::quota_kind_list(&mut tx).await?;
    let mut faults = Faults::default();
    for (owner, limits) in [(ORGANIZATION, &request.organization), (PROJECT, &request.project)] {
        for (name, most) in limits {
            let known = kinds.iter().any(|kind| kind.name == *name && !(kind.of_people && owner == PROJECT));
            let fault = match known {
                false => Invalid::new("quota_unknown", format!("there is no quota {name:?} here")),
                true if *most < 0 => Invalid::new("quota_range", "a limit is 0 or more"),
                true => continue,
            };
            faults.note(&format!("/{owner}/{name}"), fault);
        }
    }
    faults.finish()?;
    let limits: Vec<_> = rows(ORGANIZATION, request.organization).chain(rows(PROJECT, request.project)).collect();
    quota::default_quota_set(&mut tx, &limits).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(limits.show())
}

fn rows(owner: &'static str, limits: BTreeMap<String, i64>) -> impl Iterator<Item = DefaultQuota> {
    limits.into_iter().map(move |(name, most)| DefaultQuota { owner: owner.to_owned(), name, most })
}
