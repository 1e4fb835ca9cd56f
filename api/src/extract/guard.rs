//! Guards: the first argument of every handler but the public ones. A guard's type says what is asked
//! and where, it is asked before the body is read, and [`guarded!`](crate::guarded) accepts no handler
//! without one and writes it into the API's document.

use super::Actor;
use crate::App;
use crate::auth::policy;
use crate::layers::rate::tenant as rate;
use crate::problem::{Kind, Problem};
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use iroko_model::permission::Named;
use iroko_model::{OrganizationId, Permission, Permissions, ProjectId};
use iroko_store::authority::Scope;
use std::marker::PhantomData;
use std::ops::Deref;

/// Somebody in a project.
#[derive(Debug, Clone)]
pub struct InProject {
    /// Who.
    pub actor: Actor,
    /// The project of the path.
    pub project: ProjectId,
    /// All they may do in it.
    pub held: Permissions,
}

/// Somebody in an organization.
#[derive(Debug, Clone)]
pub struct InOrganization {
    /// Who.
    pub actor: Actor,
    /// The organization of the path.
    pub organization: OrganizationId,
    /// All they may do in it.
    pub held: Permissions,
}

/// Somebody on the whole system.
#[derive(Debug, Clone)]
pub struct OnSystem {
    /// Who.
    pub actor: Actor,
    /// All they may do on it.
    pub held: Permissions,
}

macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $place:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<P>($inner, PhantomData<fn() -> P>);

        impl<P> Deref for $name<P> {
            type Target = $inner;
            fn deref(&self) -> &$inner { &self.0 }
        }

        impl<P: Named> Guard for $name<P> {
            const ASKS: Asks = Asks { permission: Some(P::PERMISSION), place: $place };
        }
    };
}

guard! {
    /// Who has the permission `P` in the project of the path.
    Tenant, InProject, "project"
}
guard! {
    /// Who has the permission `P` in the organization of the path.
    Within, InOrganization, "organization"
}
guard! {
    /// Who has the permission `P` above the project of the path: in its organization.
    AboveProject, InProject, "above"
}
guard! {
    /// Who has the permission `P` above the organization of the path: in its parent, or on the system.
    AboveOrganization, InOrganization, "above"
}
guard! {
    /// Who has the permission `P` on the whole system.
    System, OnSystem, "system"
}

/// Anybody who has logged in and whose account holds.
#[derive(Debug, Clone)]
pub struct Caller(pub OnSystem);

/// What a guard asks.
#[derive(Debug, Clone, Copy)]
pub struct Asks {
    /// This permission, or none but to be logged in.
    pub permission: Option<Permission>,
    /// In the `project` or `organization` of the path, `above` it, or on the `system`.
    pub place: &'static str,
}

/// A handler's first argument.
pub trait Guard {
    /// What it asks.
    const ASKS: Asks;
}

impl Guard for Caller {
    const ASKS: Asks = Asks { permission: None, place: "system" };
}

impl<P: Named> FromRequestParts<App> for Tenant<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (actor, project) = of_path(parts, app, "project_id").await?;
        let held = policy::ask(app, parts, &actor, Scope::Project(project), P::PERMISSION).await?;
        about(None, Some(project));
        rate::charge(app, Scope::Project(project)).await?;
        Ok(Self(InProject { actor, project, held }, PhantomData))
    }
}

impl<P: Named> FromRequestParts<App> for Within<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (actor, organization) = of_path(parts, app, "organization_id").await?;
        let held = policy::ask(app, parts, &actor, Scope::Organization(organization), P::PERMISSION).await?;
        about(Some(organization), None);
        rate::charge(app, Scope::Organization(organization)).await?;
        Ok(Self(InOrganization { actor, organization, held }, PhantomData))
    }
}

impl<P: Named> FromRequestParts<App> for AboveProject<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (actor, project) = of_path(parts, app, "project_id").await?;
        let held = policy::ask_above(app, &actor, Scope::Project(project), P::PERMISSION).await?;
        about(None, Some(project));
        Ok(Self(InProject { actor, project, held }, PhantomData))
    }
}

impl<P: Named> FromRequestParts<App> for AboveOrganization<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (actor, organization) = of_path(parts, app, "organization_id").await?;
        let held = policy::ask_above(app, &actor, Scope::Organization(organization), P::PERMISSION).await?;
        about(Some(organization), None);
        Ok(Self(InOrganization { actor, organization, held }, PhantomData))
    }
}

impl<P: Named> FromRequestParts<App> for System<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, app).await?;
        let held = policy::ask(app, parts, &actor, Scope::System, P::PERMISSION).await?;
        Ok(Self(OnSystem { actor, held }, PhantomData))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, app).await?;
        let held = policy::is_in_good_standing(app, parts, &actor).await?;
        Ok(Self(OnSystem { actor, held }))
    }
}

/// Notes what the request is about, for the audit log.
fn about(organization: Option<OrganizationId>, project: Option<ProjectId>) {
    if let Some(request) = iroko_store::request::current() {
        request.set_scope(organization, project);
    }
}

/// The actor, and the id that the path names. Text that is no id names nothing.
async fn of_path<T: std::str::FromStr>(parts: &mut Parts, app: &App, name: &str) -> Result<(Actor, T), Problem> {
    let actor = Actor::from_request_parts(parts, app).await?;
    let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Problem::new(Kind::NotFound))?;
    let id = path.iter().find(|(key, _)| *key == name).and_then(|(_, text)| text.parse().ok());
    Ok((actor, id.ok_or_else(|| Problem::new(Kind::NotFound))?))
}

/// A handler's arguments, with a guard right after the state.
pub trait Guarded {
    /// What its guard asks.
    const ASKS: Asks;
}

macro_rules! guarded_arguments {
    ($(($($rest:ident),*))*) => {$(
        impl<M, G: Guard, $($rest),*> Guarded for (M, State<App>, G, $($rest,)*) {
            const ASKS: Asks = G::ASKS;
        }
    )*};
}
guarded_arguments! { () (A) (A, B) (A, B, C) (A, B, C, D) }

/// What the guard of a handler asks.
pub fn asked_by<H: Handler<T, App>, T: Guarded>(_: H) -> Asks {
    T::ASKS
}

/// As `utoipa_axum::routes!`, for handlers with a guard: what it asks goes into the document as
/// `x-iroko-permission`.
#[macro_export]
macro_rules! guarded {
    ($($handler:path),+ $(,)?) => {{
        let mut router = utoipa_axum::router::OpenApiRouter::new();
        $(router = router.routes($crate::extract::told(
            utoipa_axum::routes!($handler),
            $crate::extract::asked_by($handler),
        ));)+
        router
    }};
}

/// Writes what a guard asks into the document's operations.
pub fn told(
    (schemas, mut paths, router): utoipa_axum::router::UtoipaMethodRouter<App>,
    asks: Asks,
) -> utoipa_axum::router::UtoipaMethodRouter<App> {
    let Some(permission) = asks.permission else { return (schemas, paths, router) };
    for item in paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete] {
            let Some(operation) = operation else { continue };
            let extensions = operation.extensions.get_or_insert_default();
            let told = serde_json::json!({"name": permission.as_str(), "scope": asks.place});
            extensions.insert("x-iroko-permission".to_owned(), told);
        }
    }
    (schemas, paths, router)
}
