//! What can go wrong in the store: a variant for each decision a caller can take.

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row that the statement refers to does not exist; the constraint names which.
    #[error("a referenced row does not exist ({0})")]
    Missing(String),
    /// A unique or exclusion constraint refused the row; the constraint names what was taken.
    #[error("already taken ({0})")]
    Taken(String),
    /// Rows still refer to the one that was to be deleted.
    #[error("still in use ({0})")]
    InUse(String),
    /// Another port of the network has the address.
    #[error("another port of the network has the address {0}")]
    AddressTaken(std::net::IpAddr),
    /// Another port of the network has the Ethernet address.
    #[error("another port of the network has the MAC address {0}")]
    MacTaken(iroko_model::MacAddress),
    /// No free value is left in a pool (addresses, VNIs).
    #[error("the pool of {0} is exhausted")]
    Exhausted(&'static str),
    /// The row is no longer as the caller has seen it.
    #[error("changed meanwhile")]
    Changed,
    /// The caller said what they have seen, but the operation compares nothing.
    #[error("the operation does not compare what the caller has seen")]
    NotComparable,
    /// A row holds something this release cannot read.
    #[error("the column {column} holds something unreadable")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// What the reader said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database did not answer or refused; try again later.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The migrations could not be run.
    #[error("the database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let Some(refused) = error.as_database_error() else { return Self::Database(error) };
        let constraint = refused.constraint().unwrap_or("unnamed").to_owned();
        let deleting = refused.message().starts_with("update or delete");
        match refused.code().as_deref() {
            Some("23505" | "23P01") => Self::Taken(constraint),
            Some("23503") if deleting => Self::InUse(constraint),
            Some("23503") => Self::Missing(constraint),
            _ => Self::Database(error),
        }
    }
}

impl Error {
    pub(crate) fn corrupt<E: std::error::Error + Send + Sync + 'static>(
        column: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Corrupt { column, source: Box::new(source) }
    }

    /// True where the same call may succeed when made again: the transaction lost against another.
    pub fn is_transient(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match error.as_database_error().and_then(|e| e.code()).as_deref() {
            Some("40001" | "40P01" | "57P01" | "57P02" | "57P03") => true,
            Some(_) => false,
            None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed),
        }
    }
}
