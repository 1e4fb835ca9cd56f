//! Following a project, an organization or the system: what happened to its things, in order, from any place on.
//!
//! However many streams are open, one task waits for signals and asks once where there is news; only the streams of
//! these scopes then read, a few at a time ([`READERS`]). So streams cost no connection while nothing happens, and never
//! take all of them. A stream lasts only as long as the right of its caller: that is asked again every
//! [`ASK_AGAIN`]. In an organization and on the system the caller is told of what they may see there ([`needed`]); a
//! project's stream tells all of it, which `event.read` allows.

use crate::App;
use crate::config::EventConfig;
use axum::response::sse::Event as Sse;
use futures::Stream;
use iroko_identity::auth::policy;
use iroko_identity::extract::Actor;
use iroko_model::{Permission, Permissions};
use iroko_store::authority::Scope;
use iroko_store::event::{self, Event as Row};
use iroko_store::{Store, Wake};
use iroko_web::problem::{Problem, Result, Rule};
use iroko_wire::event::{place_of, place_text};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Events read at a time.
const BATCH: i64 = 500;
/// Longest time between two looks: signals only say when to look sooner.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two looks for news.
const LOOK_GAP: Duration = Duration::from_millis(50);
/// Next look after a failure.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A stream asks this often whether its caller may still follow.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// Streams that read at the same time: so many connections they take at most.
const READERS: usize = 4;

/// The open streams. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: EventConfig,
    open: Mutex<Open>,
    readers: Semaphore,
}

#[derive(Debug, Default)]
struct Open {
    all: u32,
    of_caller: HashMap<Uuid, u32>,
    of_scope: HashMap<Scope, (u32, watch::Sender<()>)>,
}

/// A stream's turn; given back when dropped.
#[derive(Debug)]
struct Turn {
    streams: Streams,
    caller: Uuid,
    scope: Scope,
}

impl Streams {
    /// None are open yet.
    pub fn new(most: EventConfig) -> Self {
        Self(Arc::new(Inner { most, open: Mutex::default(), readers: Semaphore::new(READERS) }))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn for a stream, and what says that its scope may have news; or which bound is reached.
    fn take(&self, caller: Uuid, scope: Scope) -> Result<(Turn, watch::Receiver<()>)> {
        let most = self.0.most;
        let refused = |what: &str, most: u32| {
            let text = format!(
                "{what} has {most} event streams open, the most there may be; close some, or ask the lists instead"
            );
            Err(Problem::refuse(Rule::EventStreams, text).retry_after(LOOK_AGAIN))
        };
        let mut open = self.open();
        let (what, per_scope) = match scope {
            Scope::Project(_) => ("the project", most.streams_per_project),
            Scope::Organization(_) => ("the organization", most.streams_per_organization),
            Scope::System => ("the system", most.streams_per_organization),
        };
        let (of_caller, of_scope) = (
            open.of_caller.get(&caller).copied().unwrap_or(0),
            open.of_scope.get(&scope).map_or(0, |(count, _)| *count),
        );
        if of_caller >= most.streams_per_caller {
            return refused("the caller", most.streams_per_caller);
        }
        if of_scope >= per_scope {
            return refused(what, per_scope);
        }
        if open.all >= most.streams {
            let text = "too many event streams are open; try again later, or ask the lists instead";
            return Err(Problem::refuse(Rule::EventStreamsAll, text));
        }
        open.all += 1;
        *open.of_caller.entry(caller).or_default() += 1;
        let (count, news) = open.of_scope.entry(scope).or_insert_with(|| (0, watch::Sender::new(())));
        *count += 1;
        let news = news.subscribe();
        drop(open);
        Ok((Turn { streams: self.clone(), caller, scope }, news))
    }

    fn is_idle(&self) -> bool {
        self.open().all == 0
    }

    /// Tells the streams of these scopes to look; of all where it is not known which.
    fn tell(&self, scopes: Option<&[Scope]>) {
        let open = self.open();
        match scopes {
            Some(scopes) => {
                scopes
                    .iter()
                    .filter_map(|scope| open.of_scope.get(scope))
                    .for_each(|(_, news)| news.send_modify(|()| {}));
            }
            None => open.of_scope.values().for_each(|(_, news)| news.send_modify(|()| {})),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        open.all = open.all.saturating_sub(1);
        leave(&mut open.of_caller, &self.caller, |count| count);
        leave(&mut open.of_scope, &self.scope, |(count, _)| count);
    }
}

/// Counts one less; what is at zero is forgotten.
fn leave<K: Hash + Eq, V>(counts: &mut HashMap<K, V>, key: &K, count: impl Fn(&mut V) -> &mut u32) {
    let Some(value) = counts.get_mut(key) else { return };
    let left = count(value);
    *left = left.saturating_sub(1);
    if *left == 0 {
        counts.remove(key);
    }
}

/// Waits for signals, and tells the streams whose scopes have news.
pub fn spawn(store: Store, streams: Streams, shutdown: CancellationToken) {
    let watch = async move {
        let (mut signals, mut after) = (None, None);
        loop {
            if signals.is_none() {
                signals = store.signals(Wake::All).await.ok();
            }
            match look(&store, &streams, &mut after).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(error = %iroko_daemon::chain(&error), "events could not be read; trying again");
                    // What was missed is not known: every stream looks for itself.
                    after = None;
                    streams.tell(None);
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
            let gap = tokio::time::sleep(LOOK_GAP);
            match signals.as_mut() {
                Some(signals) => drop(tokio::join!(gap, signals.wait(LOOK_EVERY))),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    };
    tokio::spawn(async move { shutdown.run_until_cancelled(watch).await });
}

async fn look(store: &Store, streams: &Streams, after: &mut Option<i64>) -> iroko_store::Result<()> {
    if streams.is_idle() {
        // Streams look once when they begin: what happens until then is none of theirs.
        *after = None;
        return Ok(());
    }
    let mut tx = store.begin_planned().await?;
    let from = match *after {
        Some(from) => from,
        // What is up to here every stream reads by itself, now.
        None => {
            let now = event::event_now(&mut tx).await?.0;
            streams.tell(None);
            now
        }
    };
    let news = event::event_news(&mut tx, from).await?;
    drop(tx);
    *after = Some(news.after);
    streams.tell(Some(&news.scopes));
    Ok(())
}

/// Who follows, what, and what they may do there.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What is followed.
    pub scope: Scope,
    /// The permission that it takes.
    pub permission: Permission,
    /// All that the caller may do there.
    pub held: Permissions,
}

/// A stream that goes on after `last_event_id`, or begins with what happens from now on; what
/// happened a moment ago may come too.
pub async fn follow(
    app: &App,
    asked: Asked<'_>,
    last_event_id: Option<&str>,
) -> Result<impl Stream<Item = std::result::Result<Sse, Infallible>> + Send + use<>> {
    let Asked { actor, scope, permission, held } = asked;
    let (turn, news) = app.streams.take(actor.subject.id(), scope)?;
    let mut conn = app.store.connection().await?;
    let (after, is_cut) = match last_event_id {
        None => (event::event_now(&mut conn).await?, false),
        Some(text) => {
            let after = place_of(text).ok_or_else(|| {
                let text = "Last-Event-ID is not the id of an event; leave it out to begin with what happens now";
                Problem::refuse(Rule::EventIdUnknown, text)
            })?;
            (after, event::event_is_trimmed(&mut conn, after).await?)
        }
    };
    drop(conn);
    let mut first = VecDeque::new();
    let mut tell = |event| first.push_back(Ready { needs: None, event });
    if is_cut {
        tell(Sse::default().event("reset").data(
            "{\"detail\":\"events after the given id are no longer kept; read the lists again, then go on with this stream\"}",
        ));
    }
    tell(Sse::default().event("begin").id(place_text(after)).data("{}"));
    let follower = Follower {
        app: app.clone(),
        actor: actor.clone(),
        scope,
        permission,
        held,
        after,
        ready: first,
        news,
        is_due: true,
        asked_at: Instant::now(),
        turn,
    };
    Ok(futures::stream::unfold(Some(follower), Follower::next))
}

/// An event to tell, to whoever has what it needs.
struct Ready {
    needs: Option<Permission>,
    event: Sse,
}

struct Follower {
    app: App,
    actor: Actor,
    scope: Scope,
    permission: Permission,
    /// What the caller might do when that was last asked.
    held: Permissions,
    after: (i64, i64),
    ready: VecDeque<Ready>,
    /// Says that there may be something to read.
    news: watch::Receiver<()>,
    /// There may be something to read.
    is_due: bool,
    /// When it was last asked whether the caller may follow.
    asked_at: Instant,
    turn: Turn,
}

impl Follower {
    async fn next(this: Option<Self>) -> Option<(std::result::Result<Sse, Infallible>, Option<Self>)> {
        let mut this = this?;
        let shutdown = this.app.shutdown.clone();
        loop {
            // Before anything is told, not only before it is read: rows may have waited for a slow reader.
            if this.asked_at.elapsed() >= ASK_AGAIN {
                match this.ask().await {
                    Ok(Some(end)) => return Some((Ok(end), None)),
                    Ok(None) => {}
                    Err(()) => {
                        shutdown.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await?;
                        continue;
                    }
                }
            }
            if let Some(Ready { needs, event }) = this.ready.pop_front() {
                match needs.is_none_or(|needs| this.held.has(needs)) {
                    true => return Some((Ok(event), Some(this))),
                    false => continue,
                }
            }
            if !std::mem::take(&mut this.is_due) {
                let again = this.asked_at + ASK_AGAIN;
                let news = tokio::time::timeout_at(again, this.news.changed());
                // No answer in time: nothing is due but the question.
                this.is_due = shutdown.run_until_cancelled(news).await?.is_ok();
                continue;
            }
            if let Err(error) = shutdown.run_until_cancelled(this.look()).await? {
                tracing::warn!(error = %iroko_daemon::chain(&error), "events could not be read; trying again");
                this.is_due = true;
                shutdown.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await?;
            }
        }
    }

    /// Asks whether the caller may still follow: what to end with where not, an error where it cannot be said.
    async fn ask(&mut self) -> std::result::Result<Option<Sse>, ()> {
        match policy::ask_again(&self.app.identity, &self.actor, self.scope, self.permission).await {
            Ok(held) => {
                (self.held, self.asked_at) = (held, Instant::now());
                Ok(None)
            }
            Err(problem) if problem.kind().is_of_service() => Err(()),
            Err(problem) => {
                tracing::info!(scope = ?self.scope, caller = %self.turn.caller, "an event stream ends: its caller may not follow any more");
                let text = format!(
                    "you may not follow this any more; log in again, or ask for the permission {}",
                    self.permission
                );
                let detail = serde_json::json!({"detail": text, "status": problem.kind().row().1});
                Ok(Some(Sse::default().event("end").data(detail.to_string())))
            }
        }
    }

    async fn look(&mut self) -> iroko_store::Result<()> {
        // Streams take turns: they never hold all connections.
        let Ok(_reader) = self.app.streams.0.readers.acquire().await else { return Ok(()) };
        let rows = read(&self.app.store, self.scope, self.after).await?;
        self.is_due = i64::try_from(rows.len()).is_ok_and(|rows| rows >= BATCH);
        for row in rows {
            self.after = (row.revision, row.seq);
            self.ready.extend(ready(self.scope, row));
        }
        Ok(())
    }
}

/// The next events of a scope. Those of a tenant are read behind row-level security.
async fn read(store: &Store, scope: Scope, after: (i64, i64)) -> iroko_store::Result<Vec<Row>> {
    match scope {
        Scope::Project(id) => {
            let mut tx = store.begin_bound(id).await?;
            event::event_tail(&mut tx, id, after, BATCH).await
        }
        Scope::Organization(id) => {
            let mut tx = store.begin_bound(id).await?;
            event::event_tail_of_organization(&mut tx, id, after, BATCH).await
        }
        Scope::System => {
            let mut conn = store.connection().await?;
            event::event_tail_of_system(&mut conn, after, BATCH).await
        }
    }
}

/// `None` where no field has changed, and for what the scope's stream does not tell.
fn ready(scope: Scope, row: Row) -> Option<Ready> {
    let id = place_text((row.revision, row.seq));
    let needs = needed(scope, &row.noun)?;
    let shown = crate::show::event::of(row)?;
    let event = Sse::default().id(id).event(format!("{}.{}", shown.noun, shown.verb));
    Some(Ready { needs, event: event.json_data(&shown).ok()? })
}

/// What the caller must have, besides the right to follow, to be told of this noun: what its list asks for. A noun that is not
/// named here stands in no stream but a project's.
#[allow(clippy::option_option, reason = "not told, told to all, told to some")]
fn needed(scope: Scope, noun: &str) -> Option<Option<Permission>> {
    use Permission as P;
    match (scope, noun) {
        (Scope::Project(_), _) => Some(None),
        // Everybody who has logged in sees them.
        (Scope::System, "flavor") => Some(None),
        (Scope::System, "host") => Some(Some(P::HostRead)),
        (Scope::System, "enrolment_token") => Some(Some(P::EnrolmentTokenRead)),
        (_, "organization") => Some(Some(P::OrganizationRead)),
        (_, "role_binding") => Some(Some(P::RoleBindingRead)),
        (Scope::Organization(_), "project") => Some(Some(P::ProjectRead)),
        (Scope::Organization(_), "user" | "second_factor") => Some(Some(P::UserRead)),
        (Scope::Organization(_), "group" | "group_member") => Some(Some(P::GroupRead)),
        (Scope::Organization(_), "service_account") => Some(Some(P::ServiceAccountRead)),
        (Scope::Organization(_), "api_key") => Some(Some(P::ApiKeyRead)),
        (Scope::Organization(_), "role") => Some(Some(P::RoleRead)),
        (Scope::Organization(_), "identity_provider") => Some(Some(P::IdentityProviderRead)),
        (Scope::Organization(_) | Scope::System, _) => None,
    }
}
