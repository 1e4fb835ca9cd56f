//! The quota `api_requests_per_minute` of projects and organizations: what all their callers together may
//! ask. The limits are read from the database again after a few seconds, all in one small query; which
//! organizations are above a scope never changes and is remembered.

use super::{CHARGES, Charge, Key, Left, WINDOW};
use crate::Identity;
use iroko_store::authority::Scope;
use iroko_store::quota::{quota_of_all, scope_path};
use iroko_web::problem::{Problem, Result, Rule};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Name of the quota.
const QUOTA: &str = "api_requests_per_minute";
/// A limit that was set acts after this at the latest.
const READ_AGAIN: Duration = Duration::from_secs(2);
/// Scopes whose organizations are remembered before all are forgotten.
const REMEMBERED: usize = 100_000;

/// Limits by project or organization.
type ById = Arc<HashMap<Uuid, u32>>;

/// What was read of limits, and when.
#[derive(Debug, Default)]
pub struct Limits {
    read: Mutex<Option<(Instant, ById)>>,
    paths: Mutex<HashMap<Uuid, Arc<[Uuid]>>>,
}

/// Charges a request of somebody who was let in to the scope and to what is above it.
pub async fn charge(app: &Identity, scope: Scope) -> Result<()> {
    let limits = limits(app).await?;
    let (Some(id), false) = (scope.id(), limits.is_empty()) else { return Ok(()) };
    for limited in path(app, id, scope).await?.iter().copied().chain([id]) {
        let Some(most) = limits.get(&limited) else { continue };
        let left = take(app, limited, *most);
        let refused_for = left.refused_for;
        let name = match scope {
            Scope::Project(_) => "project",
            Scope::Organization(_) | Scope::System => "organization",
        };
        // What is above is shared with others, of whom nothing is told.
        let whose = match limited == id {
            true => format!("of the {name} is {most}, for all its callers together"),
            false => format!("of an organization above the {name} is used up"),
        };
        if limited == id {
            // Outside a request, in tests of handlers alone, nobody is told.
            let _ = CHARGES.try_with(|charges| charges.borrow_mut().push(Charge { name, limit: *most, left }));
        }
        if let Some(wait) = refused_for {
            let text = format!(
                "the quota {QUOTA} {whose}; wait as long as Retry-After says, or ask whoever is above the {name} for more"
            );
            return Err(Problem::refuse(Rule::RateQuotaExceeded, text).retry_after(wait));
        }
    }
    Ok(())
}

fn take(app: &Identity, id: Uuid, most: u32) -> Left {
    match most {
        0 => Left { requests: 0, reset: WINDOW, refused_for: Some(WINDOW) },
        most => app.rates.take(Key::Tenant(id), most, Instant::now()),
    }
}

/// The limits, at most [`READ_AGAIN`] old. One request reads them again, the others go on with what is known.
async fn limits(app: &Identity) -> Result<ById> {
    let due = {
        let mut read = app.rates.limits.read.lock().unwrap_or_else(PoisonError::into_inner);
        match read.as_mut() {
            Some((at, known)) if at.elapsed() < READ_AGAIN => return Ok(known.clone()),
            Some((at, _)) => *at = Instant::now(),
            None => {}
        }
        read.clone()
    };
    let mut conn = app.store.connection().await?;
    let rows = match (quota_of_all(&mut conn, QUOTA).await, due) {
        (Ok(rows), _) => rows,
        // A database that does not answer now refuses what comes next anyway.
        (Err(_), Some((_, known))) => return Ok(known),
        (Err(error), None) => return Err(error.into()),
    };
    let known: ById =
        Arc::new(rows.into_iter().map(|(id, most)| (id, u32::try_from(most).unwrap_or(u32::MAX))).collect());
    *app.rates.limits.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), known.clone()));
    Ok(known)
}

/// The organizations above the scope, from the top.
async fn path(app: &Identity, id: Uuid, scope: Scope) -> Result<Arc<[Uuid]>> {
    let known = app.rates.limits.paths.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let mut conn = app.store.connection().await?;
    let found: Arc<[Uuid]> = scope_path(&mut conn, scope).await?.into();
    let mut paths = app.rates.limits.paths.lock().unwrap_or_else(PoisonError::into_inner);
    if paths.len() >= REMEMBERED {
        paths.clear();
    }
    paths.insert(id, found.clone());
    Ok(found)
}
