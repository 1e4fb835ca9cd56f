//! Numbers between the database, which has no unsigned ones, and the rest. Nothing is cut or wrapped around on the way.

use crate::error::{Error, Result};

/// A number of ours as the database holds it; what is too large becomes the largest it can hold. What comes from outside
/// has its bounds before.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of the database that is never negative. [`Error::Corrupt`] where it is.
pub(crate) fn unsigned<N, U: TryFrom<N>>(column: &'static str, number: N) -> Result<U>
where
    U::Error: std::error::Error + Send + Sync + 'static,
{
    U::try_from(number).map_err(Error::corrupt(column))
}
