//! The agents' side of the link, shared by both agents and by simulated hosts.

mod backoff;
mod desired;
mod images;
mod ready;
mod reporter;

pub use backoff::Backoff;
pub use desired::{Desired, DesiredHandle, Dirty, Subscription};
pub use images::{ImageError, ImageSource, ImageStream};
pub use ready::ReadyPorts;
pub use reporter::{Batch, Reporter};
