//! What a function of the store runs on.

/// A connection, or the transaction on it: the caller decides what belongs together.
pub(crate) type Conn = sqlx::PgConnection;
