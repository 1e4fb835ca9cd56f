//! Following a project: what happened to its things, in order, from any place on.

use crate::App;
use crate::problem::{Kind, Problem, Result};
use crate::wire::event::{Event, place_of, place_text};
use axum::response::sse::Event as Sse;
use futures::Stream;
use iroko_model::ProjectId;
use iroko_store::event::{self, Event as Row};
use iroko_store::{Signals, Wake};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Events read at a time.
const BATCH: i64 = 500;
/// Longest time between two looks: signals only say when to look sooner.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Next look after a failure.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Streams at the same time in this process: each keeps a connection to the database for its signals.
pub const STREAMS_MAX: usize = 64;

/// Turns of the streams.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// A stream that goes on after `last_event_id`, or begins with what happens from now on; what
/// happened a moment ago may come too.
pub async fn follow(
    app: &App,
    project: ProjectId,
    last_event_id: Option<&str>,
) -> Result<impl Stream<Item = std::result::Result<Sse, Infallible>> + Send + use<>> {
    let turn = app.streams.0.clone().try_acquire_owned().map_err(|_| {
        Problem::with(Kind::Unavailable, "too many event streams are open; close some, or ask the lists instead")
    })?;
    let signals = app.store.signals(Wake::All).await?;
    let mut conn = app.store.connection().await?;
    let (after, is_cut) = match last_event_id {
        None => (event::event_now(&mut conn).await?, false),
        Some(text) => {
            let after = place_of(text).ok_or_else(|| {
                let text = "Last-Event-ID is not the id of an event; leave it out to begin with what happens now";
                Problem::with(Kind::BadRequest, text)
            })?;
            (after, event::event_is_trimmed(&mut conn, after).await?)
        }
    };
    drop(conn);
    let mut first = VecDeque::new();
    if is_cut {
        first.push_back(Sse::default().event("reset").data(
            "{\"detail\":\"events after the given id are no longer kept; read the lists again, then go on with this stream\"}",
        ));
    }
    first.push_back(Sse::default().event("begin").id(place_text(after)).data("{}"));
    let follower = Follower { app: app.clone(), project, after, ready: first, signals, _turn: turn };
    Ok(futures::stream::unfold(follower, Follower::next))
}

struct Follower {
    app: App,
    project: ProjectId,
    after: (i64, i64),
    ready: VecDeque<Sse>,
    signals: Signals,
    _turn: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(mut self) -> Option<(std::result::Result<Sse, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((Ok(event), self));
            }
            if self.app.shutdown.is_cancelled() {
                return None;
            }
            match self.look().await {
                Ok(()) if self.ready.is_empty() => {
                    let shutdown = self.app.shutdown.clone();
                    shutdown.run_until_cancelled(self.signals.wait(LOOK_EVERY)).await;
                }
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(error = %iroko_daemon::chain(&error), "events could not be read; trying again");
                    let shutdown = self.app.shutdown.clone();
                    shutdown.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
                }
            }
        }
    }

    async fn look(&mut self) -> iroko_store::Result<()> {
        let mut tx = self.app.store.begin_bound(self.project).await?;
        let rows = event::event_tail(&mut tx, self.project, self.after, BATCH).await?;
        for row in rows {
            self.after = (row.revision, row.seq);
            self.ready.extend(sse(row));
        }
        Ok(())
    }
}

/// `None` where nothing that a tenant sees has changed.
fn sse(row: Row) -> Option<Sse> {
    let id = place_text((row.revision, row.seq));
    let shown = Event::of(row)?;
    let event = Sse::default().id(id).event(format!("{}.{}", shown.noun, shown.verb));
    event.json_data(&shown).ok()
}
