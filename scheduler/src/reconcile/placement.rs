//! Finds a host for every instance that waits for one.

use super::{PassReport, Reconcile};
use crate::placement::place;
use iroko_model::reason::{Code, Reason};
use iroko_store::placement::{HostView, Pending};
use iroko_store::{Store, Wake, placement};
use std::time::{Duration, Instant};

/// Instances claimed in one pass.
const BATCH: i64 = 256;
/// How long the view of the hosts is used. Its own placements are in it, and the commit refuses what no
/// longer holds; nobody is refused on an old view.
const VIEW_MAX: Duration = Duration::from_secs(1);
/// When an instance that fits nowhere is tried again, unless room is freed before.
const AGAIN_S: f64 = 5.0;

/// What a suspended instance waits for.
const SUSPENDED: &str = "its project or an organization above it is suspended";
/// When it is looked at again, unless it is resumed before.
const SUSPENDED_AGAIN_S: f64 = 60.0;

/// See the module.
#[derive(Debug)]
pub struct Placement {
    lease_s: f64,
    view: Option<(Instant, Vec<HostView>)>,
}

impl Placement {
    /// `lease_s`: seconds of silence after which a host takes nothing new.
    pub const fn new(lease_s: f64) -> Self {
        Self { lease_s, view: None }
    }
}

#[async_trait::async_trait]
impl Reconcile for Placement {
    const NAME: &'static str = "placement";
    const EVERY: Duration = Duration::from_secs(1);
    const WOKEN: Option<Duration> = Some(Duration::from_millis(8));

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut tx = store.begin_planned().await?;
        let claimed = placement::placement_claim(&mut tx, BATCH).await?;
        let is_full = i64::try_from(claimed.len()) == Ok(BATCH);
        let (suspended, batch): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|machine| machine.suspended);
        if !suspended.is_empty() {
            let why = |machine: Pending| (machine.id, Reason::new(Code::Suspended, SUSPENDED));
            let refused: Vec<_> = suspended.into_iter().map(why).collect();
            placement::placement_postpone(&mut tx, &refused, SUSPENDED_AGAIN_S).await?;
        }
        if batch.is_empty() {
            store.commit_for(tx, Wake::Nobody).await?;
            return Ok(PassReport { done: 0, more: is_full });
        }
        let known = self.view.take().filter(|(since, _)| since.elapsed() < VIEW_MAX);
        let is_new = known.is_none();
        let (mut since, mut hosts) = match known {
            Some(known) => known,
            None => (Instant::now(), placement::placement_view(&mut tx, self.lease_s).await?),
        };
        let mut decision = place(&batch, &mut hosts);
        if !decision.refused.is_empty() && !is_new {
            (since, hosts) = (Instant::now(), placement::placement_view(&mut tx, self.lease_s).await?);
            decision = place(&batch, &mut hosts);
        }
        let placed = if decision.placed.is_empty() {
            Vec::new()
        } else {
            placement::placement_commit(&mut tx, &decision.placed).await?
        };
        if !decision.refused.is_empty() {
            placement::placement_postpone(&mut tx, &decision.refused, AGAIN_S).await?;
        }
        store.commit_for(tx, Wake::Outbox).await?;
        // Those that lost their room to somebody else are claimed again at once, on a new view.
        let lost = decision.placed.len() - placed.len();
        self.view = (lost == 0).then_some((since, hosts));
        Ok(PassReport { done: placed.len() as u64, more: lost > 0 || is_full })
    }
}
