//! The agents' side of the link, shared by both agents and by simulated hosts.
//!
//! [`start`] does everything an agent's `main` needs: it loads what was desired when the agent last
//! ran, so that machines and networks come up without the control plane, then connects (enrolling
//! first if need be) and keeps [`DesiredHandle`] and the control plane's view up to date until the
//! end.

mod backoff;
mod config;
mod desired;
mod identity;
mod images;
mod link;
mod needed;
mod persist;
mod ready;
mod reporter;
mod run;
mod tls;

pub use backoff::Backoff;
pub use config::LinkConfig;
pub use desired::{Desired, DesiredHandle, Dirty, Subscription};
pub use identity::{Identity, IdentityError};
pub use images::{ImageError, ImageSource, ImageStream};
pub use link::{Link, LinkError};
pub use persist::{Persist, PersistError};
pub use ready::ReadyPorts;
pub use reporter::{Batch, REPORT_MAX, Reporter};
pub use run::{Running, StartError, start};
