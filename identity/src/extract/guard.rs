//! Guards: the first argument of every handler but the public ones. A guard's type says what is asked
//! and where, it is asked before the body is read, and [`guarded!`](crate::guarded) accepts no handler
//! without one, puts it around the handler as its [`gate`] and writes it into the API's document.

use super::Actor;
use crate::Identity;
use crate::auth::policy;
use crate::layers::idempotency;
use crate::layers::rate::tenant as rate;
use axum::Extension;
use axum::extract::{FromRef, FromRequestParts, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use iroko_model::permission::Named;
use iroko_model::role::Held;
use iroko_model::{OrganizationId, Permission, Permissions, ProjectId};
use iroko_store::authority::Scope;
use iroko_web::problem::{Plain, Problem};
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
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<P>($inner, PhantomData<fn() -> P>);

        impl<P> Clone for $name<P> {
            fn clone(&self) -> Self { Self(self.0.clone(), PhantomData) }
        }

        impl<P> Deref for $name<P> {
            type Target = $inner;
            fn deref(&self) -> &$inner { &self.0 }
        }

        impl<P: Named, S: Send + Sync> FromRequestParts<S> for $name<P>
        where
            Identity: FromRef<S>,
        {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                admitted(parts, &Identity::from_ref(state)).await
            }
        }
    };
}

guard! {
    /// Who has the permission `P` in the project of the path.
    Tenant, InProject
}
guard! {
    /// Who has the permission `P` in the organization of the path.
    Within, InOrganization
}
guard! {
    /// Who has the permission `P` above the project of the path: in its organization.
    AboveProject, InProject
}
guard! {
    /// Who has the permission `P` above the organization of the path: in its parent, or on the system.
    AboveOrganization, InOrganization
}
guard! {
    /// Who has the permission `P` on the whole system.
    System, OnSystem
}

/// Anybody who has logged in and whose account holds.
#[derive(Debug, Clone)]
pub struct Caller(pub OnSystem);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Identity: FromRef<S>,
{
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        admitted(parts, &Identity::from_ref(state)).await
    }
}

/// Whoever may do anything at all in the project of the path.
#[derive(Debug, Clone)]
pub struct KnowsProject {
    /// Who.
    pub actor: Actor,
    /// All they may do in it, and could if it were not suspended.
    pub held: Held,
}

/// Whoever may do anything at all in the organization of the path.
#[derive(Debug, Clone)]
pub struct KnowsOrganization {
    /// Who.
    pub actor: Actor,
    /// All they may do in it, and could if it were not suspended.
    pub held: Held,
}

macro_rules! knows {
    ($name:ident, $parameter:literal, $id:ty, $scope:path, $place:literal) => {
        impl<S: Send + Sync> FromRequestParts<S> for $name
        where
            Identity: FromRef<S>,
        {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                admitted(parts, &Identity::from_ref(state)).await
            }
        }

        impl Guard for $name {
            const ASKS: Asks = Asks { permission: None, place: $place };

            fn actor(&self) -> &Actor {
                &self.actor
            }

            async fn admit(parts: &mut Parts, app: &Identity) -> Result<Self, Problem> {
                let (actor, id) = of_path::<$id>(parts, app, $parameter).await?;
                let scope = $scope(id);
                let held = policy::ask_all(app, parts, &actor, scope).await?;
                about(scope.organization_id(), scope.project_id());
                rate::charge(app, scope).await?;
                Ok(Self { actor, held })
            }
        }
    };
}

knows!(KnowsProject, "project_id", ProjectId, Scope::Project, "project");
knows!(KnowsOrganization, "organization_id", OrganizationId, Scope::Organization, "organization");

/// What a guard asks.
#[derive(Debug, Clone, Copy)]
pub struct Asks {
    /// This permission, or none: to be logged in, or to have any there.
    pub permission: Option<Permission>,
    /// In the `project` or `organization` of the path, `above` it, or on the `system`.
    pub place: &'static str,
}

/// A handler's first argument.
pub trait Guard: Clone + Send + Sync + Sized + 'static {
    /// What it asks.
    const ASKS: Asks;

    /// Asks it.
    fn admit(parts: &mut Parts, app: &Identity) -> impl Future<Output = Result<Self, Problem>> + Send;

    /// Whom it has let in.
    fn actor(&self) -> &Actor;
}

/// A guard that has let the caller of the request in.
#[derive(Clone)]
struct Admitted<G>(G);

/// Stands around a handler: nothing of an operation happens, and no stored answer is given, before its guard has let
/// the caller in.
pub async fn gate<G: Guard>(Extension(app): Extension<Identity>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match G::admit(&mut parts, &app).await {
        Ok(guard) => {
            let actor = guard.actor().clone();
            parts.extensions.insert(Admitted(guard));
            idempotency::once(&app, &actor, Request::from_parts(parts, body), next).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The guard of an operation that does not name it: what its [`gate`] has found out.
#[derive(Debug)]
pub struct By<G>(pub G);

impl<G: Guard, S: Send + Sync> FromRequestParts<S> for By<G>
where
    Identity: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        admitted(parts, &Identity::from_ref(state)).await.map(Self)
    }
}

/// What the gate has found out.
async fn admitted<G: Guard>(parts: &mut Parts, app: &Identity) -> Result<G, Problem> {
    match parts.extensions.remove::<Admitted<G>>() {
        Some(Admitted(guard)) => Ok(guard),
        None => G::admit(parts, app).await,
    }
}

impl<P: Named> Guard for Tenant<P> {
    const ASKS: Asks = Asks { permission: Some(P::PERMISSION), place: "project" };

    fn actor(&self) -> &Actor {
        &self.0.actor
    }

    async fn admit(parts: &mut Parts, app: &Identity) -> Result<Self, Problem> {
        let (actor, project) = of_path(parts, app, "project_id").await?;
        let held = policy::ask(app, parts, &actor, Scope::Project(project), P::PERMISSION).await?;
        about(None, Some(project));
        rate::charge(app, Scope::Project(project)).await?;
        Ok(Self(InProject { actor, project, held }, PhantomData))
    }
}

impl<P: Named> Guard for Within<P> {
    const ASKS: Asks = Asks { permission: Some(P::PERMISSION), place: "organization" };

    fn actor(&self) -> &Actor {
        &self.0.actor
    }

    async fn admit(parts: &mut Parts, app: &Identity) -> Result<Self, Problem> {
        let (actor, organization) = of_path(parts, app, "organization_id").await?;
        let held = policy::ask(app, parts, &actor, Scope::Organization(organization), P::PERMISSION).await?;
        about(Some(organization), None);
        rate::charge(app, Scope::Organization(organization)).await?;
        Ok(Self(InOrganization { actor, organization, held }, PhantomData))
    }
}

impl<P: Named> Guard for AboveProject<P> {
    const ASKS: Asks = Asks { permission: Some(P::PERMISSION), place: "above" };

    fn actor(&self) -> &Actor {
        &self.0.actor
    }

    async fn admit(parts: &mut Parts, app: &Identity) -> Result<Self, Problem> {
        let (actor, project) = of_path(parts, app, "project_id").await?;
        let held = policy::ask_above(app, &actor, Scope::Project(project), P::PERMISSION).await?;
        about(None, Some(project));
        Ok(Self(InProject { actor, project, held }, PhantomData))
    }
}

impl<P: Named> Guard for AboveOrganization<P> {
    const ASKS: Asks = Asks { permission: Some(P::PERMISSION), place: "above" };

    fn actor(&self) -> &Actor {
        &self.0.actor
    }

    async fn admit(parts: &mut Parts, app: &Identity) -> Result<Self, Problem> {
        let (actor, organization) = of_path(parts, app, "organization_id").await?;
        let held = policy::ask_above(app, &actor, Scope::Organization(organization), P::PERMISSION).await?;
        about(Some(organization), None);
        Ok(Self(InOrganization { actor, organization, held }, PhantomData))
    }
}

impl<P: Named> Guard for System<P> {
    const ASKS: Asks = Asks { permission: Some(P::PERMISSION), place: "system" };

    fn actor(&self) -> &Actor {
        &self.0.actor
    }

    async fn admit(parts: &mut Parts, app: &Identity) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, app).await?;
        let held = policy::ask(app, parts, &actor, Scope::System, P::PERMISSION).await?;
        Ok(Self(OnSystem { actor, held }, PhantomData))
    }
}

impl Guard for Caller {
    const ASKS: Asks = Asks { permission: None, place: "system" };

    fn actor(&self) -> &Actor {
        &self.0.actor
    }

    async fn admit(parts: &mut Parts, app: &Identity) -> Result<Self, Problem> {
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
async fn of_path<T: std::str::FromStr>(parts: &mut Parts, app: &Identity, name: &str) -> Result<(Actor, T), Problem> {
    let actor = Actor::from_request_parts(parts, app).await?;
    let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Problem::new(Plain::NotFound))?;
    let id = path.iter().find(|(key, _)| *key == name).and_then(|(_, text)| text.parse().ok());
    Ok((actor, id.ok_or_else(|| Problem::new(Plain::NotFound))?))
}

/// A handler's arguments, with a guard right after the state.
pub trait Guarded {
    /// Its guard.
    type By: Guard;
}

macro_rules! guarded_arguments {
    ($(($($rest:ident),*))*) => {$(
        impl<M, S, G: Guard, $($rest),*> Guarded for (M, State<S>, G, $($rest,)*) {
            type By = G;
        }
    )*};
}
guarded_arguments! { () (A) (A, B) (A, B, C) (A, B, C, D) }

/// The guard of a handler.
pub fn guard_of<H: Handler<T, S>, T: Guarded, S>(_: H) -> PhantomData<T::By> {
    PhantomData
}

/// As `utoipa_axum::routes!`, for handlers with a guard: it becomes the handler's [`gate`], and what it asks goes into
/// the document as `x-iroko-permission`.
#[macro_export]
macro_rules! guarded {
    ($($handler:path),+ $(,)?) => {{
        let mut router = utoipa_axum::router::OpenApiRouter::new();
        $(router = router.routes($crate::extract::guarded_by(
            utoipa_axum::routes!($handler),
            $crate::extract::guard_of($handler),
        ));)+
        router
    }};
}

/// Puts a guard around operations and writes what it asks into their document.
pub fn guarded_by<G: Guard, S: Clone + Send + Sync + 'static>(
    (schemas, mut paths, router): utoipa_axum::router::UtoipaMethodRouter<S>,
    _: PhantomData<G>,
) -> utoipa_axum::router::UtoipaMethodRouter<S> {
    let router = router.route_layer(from_fn(gate::<G>));
    let Some(permission) = G::ASKS.permission else { return (schemas, paths, router) };
    for item in paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete] {
            let Some(operation) = operation else { continue };
            let extensions = operation.extensions.get_or_insert_default();
            let asks = serde_json::json!({"name": permission.as_str(), "scope": G::ASKS.place});
            extensions.insert("x-iroko-permission".to_owned(), asks);
        }
    }
    (schemas, paths, router)
}
