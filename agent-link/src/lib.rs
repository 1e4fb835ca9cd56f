//! The agent link: what control plane and agents say to each other, and the runtime that
//! `iroko-compute-agent` and `iroko-net-agent` share.
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
//! [`wire`] holds the types, which only ever grow: an agent ignores fields and object kinds it does
//! not know, so that control plane and agents may differ by one release. [`agent`] holds the
//! agents' side: the copy of what is desired, its persistence, the watch and the reporter.

pub mod agent;
pub mod wire;
