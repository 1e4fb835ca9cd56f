//! The agents' side of the agent link: the runtime that `iroko-compute-agent`, `iroko-net-agent` and
//! simulated hosts share. The types on the wire are a crate of their own, [`iroko_agent_wire`].
//!
//! ```text
//!   control plane                                     agent (one host, one kind)
//!   ─────────────                                     ──────────────────────────
//!   POST /agent/v1/enrol      <── token + CSR ──      once; answers with a certificate
//!   POST /agent/v1/session    <── host facts ───      at each start; gives the incarnation
//!   GET  /agent/v1/desired    ─── objects ─────>      long poll: what changed since a revision
//!   GET  /agent/v1/images/ID  ─── bytes ───────>      when an image is missing in the cache
//!   POST /agent/v1/report     <── observations ─      batches, newer-only, also the heartbeat
//! ```
//!
//! Agents always dial out; TLS 1.3 with certificates of the cluster's own authority on both sides.
//!
//! [`start`] does everything an agent's `main` needs: it loads what was desired when the agent last
//! ran, so that instances and networks come up without the control plane, then connects (enrolling
//! first if need be) and keeps [`DesiredHandle`] and the control plane's view up to date until the
//! end.

mod backoff;
mod config;
mod desired;
mod dirty;
mod handle;
mod identity;
mod images;
mod link;
mod needed;
mod persist;
mod ready;
mod reporter;
mod run;
mod table;
mod tls;

pub use backoff::Backoff;
pub use config::LinkConfig;
pub use desired::Desired;
pub use dirty::Dirty;
pub use handle::{DesiredHandle, Subscription};
pub use identity::{Identity, IdentityError};
pub use images::{ImageError, ImageSource, ImageStream};
pub use link::{Link, LinkError};
pub use persist::{Persist, PersistError};
pub use ready::ReadyPorts;
pub use reporter::{Batch, Reporter};
pub use run::{Running, StartError, start};
