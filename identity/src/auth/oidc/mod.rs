//! OpenID Connect, as a relying party: what we ask providers (`client`), whom we dare to ask
//! (`reach`), and what we believe (`id_token`, `rules`).
//!
//! Our own, because the crate openidconnect links `rsa`, which leaks keys by timing and is banned here;
//! jsonwebtoken checks the signatures by aws-lc-rs.

pub mod client;
pub mod id_token;
pub mod reach;
pub mod rules;
