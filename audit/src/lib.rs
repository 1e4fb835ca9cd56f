//! The audit log as a Merkle tree (the hashing of RFC 6962), so that nobody can change it unnoticed.
//!
//! ```text
//!   records ──append──> tree ──sign──> checkpoint (size, root, time)
//!      └──────export──────┴───────────────┘──verify──> complete, unchanged, extends the earlier one
//! ```
//!
//! A leaf is the exact text of a record. A [`checkpoint`] is a signed statement of the tree's size and
//! root; whoever keeps one can later show that a record was changed, taken out or slipped in. An
//! [`export`] covers the whole tree: records that its reader may see as text, everything between them as
//! hashes of subtrees, so that a tenant with ten records among a million verifies the same tree as the
//! operator, without seeing anything of the others. No I/O but in the program `iroko-audit`.

pub mod checkpoint;
pub mod export;
pub mod merkle;
