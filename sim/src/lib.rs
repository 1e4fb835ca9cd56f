//! Simulated hosts over the real agent link, and a real control plane that can be killed.
//!
//! ```text
//!   Cloud: PostgreSQL, iroko-api, iroko-scheduler ── processes, SIGKILLed and started again
//!     ^ mutual TLS, watch, report
//!   SimHost: compute-agent and net-agent ── the real ones, each in a runtime that is torn down as a
//!     │                                     process is by SIGKILL
//!     v
//!   Hardware: fake hypervisor, storage, kernel, marks ── survives both
//! ```
//!
//! Nothing here decides anything: the state machines are those of the real agents. [`checker`] states
//! what must hold in the end, and every test ends with it.

pub mod agent;
pub mod checker;
pub mod cloud;
pub mod daemon;
pub mod hardware;
pub mod host;
pub mod tenant;

pub use checker::settle;
pub use cloud::Cloud;
pub use hardware::Hardware;
pub use host::SimHost;
pub use tenant::Tenant;
