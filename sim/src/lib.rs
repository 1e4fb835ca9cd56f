//! A cloud whose hosts are simulated: PostgreSQL, API and scheduler are real processes, the agents
//! run their own code over the real agent link, and only the hardware below them is in memory.
//!
//! [`Host`] is one machine: hardware that survives, and two agents that can be killed and started.
//! [`Cloud`] is the control plane, whose processes can be killed too. `iroko-sim` runs any number of
//! hosts against any control plane.

pub mod cloud;
pub mod daemon;
pub mod host;

pub use cloud::Cloud;
pub use daemon::Daemon;
pub use host::{Hardware, Host};
