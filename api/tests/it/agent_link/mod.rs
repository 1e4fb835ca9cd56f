//! The agent link with real TLS, and the agents' own runtime on the other end.

mod console;
mod enrolment;
mod life;
mod report;
mod watch;
pub mod world;
