//! Words of connection logs.

use crate::Invalid;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $what:literal: $($(#[$of:meta])* $variant:ident = $word:literal,)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The word in the database and on the wire.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word,)* } }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                let found = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                found.ok_or_else(|| Invalid::new($rule, format!(concat!("{:?} is not ", $what), text)))
            }
        }
    };
}

words! {
    /// What became of a packet on its port's host.
    Verdict, "verdict_unknown", "accepted or dropped":
    /// A rule let it through.
    Accepted = "accepted",
    /// It went no further.
    Dropped = "dropped",
}

words! {
    /// Why it became so.
    Reason, "reason_unknown", "rule, no_rule or port_security":
    /// A rule of one of the port's groups allows it.
    Rule = "rule",
    /// No rule of the port's groups allows it.
    NoRule = "no_rule",
    /// It was sent from an address that is not the port's, or is something that no instance may send.
    PortSecurity = "port_security",
}

/// Most records a second that can be asked for, of each verdict and direction.
pub const RECORDS_PER_SECOND_MAX: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.as_str().parse::<Verdict>().unwrap(), *verdict);
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse::<Reason>().unwrap(), *reason);
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert_eq!("lost".parse::<Verdict>().unwrap_err().rule, "verdict_unknown");
    }
}
