//! Whole numbers with bounds.

use crate::{Invalid, checked};
use serde::{Deserialize, Deserializer, Serialize};

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Between<const LEAST: i64, const MOST: i64>(i64);

impl<const LEAST: i64, const MOST: i64> Between<LEAST, MOST> {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The number, for bounds within those of a column of 32 bits; others are cut at its bounds.
    pub fn get_i32(self) -> i32 {
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }

    /// The number, for bounds that are not negative; others are cut at the bounds of 32 bits.
    pub fn get_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<const LEAST: i64, const MOST: i64> TryFrom<i64> for Between<LEAST, MOST> {
    type Error = Invalid;

    fn try_from(number: i64) -> Result<Self, Invalid> {
        if (LEAST..=MOST).contains(&number) {
            return Ok(Self(number));
        }
        let text = format!("give a whole number from {LEAST} to {MOST}, not {number}");
        Err(Invalid::new("value_range", text))
    }
}

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Between<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        checked::deserialize::<i64, _, _>(from, || Self(LEAST))
    }
}

#[cfg(feature = "schema")]
impl<const LEAST: i64, const MOST: i64> utoipa::PartialSchema for Between<LEAST, MOST> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{Object, Type};
        Object::builder().schema_type(Type::Integer).minimum(Some(LEAST)).maximum(Some(MOST)).examples([LEAST]).into()
    }
}

#[cfg(feature = "schema")]
impl<const LEAST: i64, const MOST: i64> utoipa::ToSchema for Between<LEAST, MOST> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("From{LEAST}To{MOST}").replace('-', "Minus").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        type Small = Between<1, 10>;
        assert_eq!(Small::try_from(10).unwrap().get(), 10);
        for wrong in [0, 11, -1, i64::MAX] {
            assert_eq!(Small::try_from(wrong).unwrap_err().rule, "value_range");
        }
        assert_eq!(serde_json::from_str::<Small>("7").unwrap().get_u32(), 7);
        assert!(serde_json::from_str::<Small>("77").is_err() && serde_json::from_str::<Small>("1.5").is_err());
    }
}
