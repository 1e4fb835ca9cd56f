//! The agent link with real TLS, and the agents' own runtime on the other end.

mod console;
mod enrolment;
mod hostile;
mod life;
mod orphan;
mod report;
pub mod watch;
pub mod world;
