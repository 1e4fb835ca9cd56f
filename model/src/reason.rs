//! Why something is as it is: a word for programs and a sentence for people.

use serde::{Deserialize, Serialize};

/// Declares the words, so that the list of them cannot miss one.
macro_rules! codes {
    ($($(#[doc = $about:literal])* $code:ident = $word:literal),* $(,)?) => {
        /// Why, in one word. Stable: programs compare it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[doc = $about])* $code,)*
            /// One of a newer release.
            #[serde(other)]
            Other,
        }

        impl Code {
            /// All words.
            pub const ALL: &'static [Self] = &[$(Self::$code,)* Self::Other];
            /// All words as they are written.
            pub const WORDS: &'static [&'static str] = &[$($word,)* "other"];

            /// The word in the database and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)*
                    Self::Other => "other",
                }
            }
        }
    };
}

codes! {
    /// No host has room for it, or is what it needs.
    NoHostFits = "no_host_fits",
    /// A host could not build it; another one is tried.
    TriedElsewhere = "tried_elsewhere",
    /// Its host was declared dead before it ran; another one is looked for.
    PlacedAnew = "placed_anew",
    /// Its host was declared dead, and its disk is lost with it.
    HostLost = "host_lost",
    /// Its host has not been heard of for longer than its lease.
    HostUnreachable = "host_unreachable",
    /// Its project, or an organization above it, is suspended.
    Suspended = "suspended",
    /// Its guest shut itself down.
    GuestShutDown = "guest_shut_down",
    /// It went down and is started again in a moment.
    Restarting = "restarting",
    /// The disk of its host is full.
    HostDiskFull = "host_disk_full",
    /// Its disk is missing on its host.
    DiskLost = "disk_lost",
    /// It waits for the network of its host.
    AwaitsNetwork = "awaits_network",
    /// The network of its host was not ready in time.
    NetworkLate = "network_late",
    /// It waits for a start that was interrupted.
    AwaitsStart = "awaits_start",
    /// The image cannot be had or used.
    ImageFailed = "image_failed",
    /// Its disk cannot be made.
    DiskFailed = "disk_failed",
    /// The hypervisor of its host refuses, or does not answer.
    HypervisorFailed = "hypervisor_failed",
    /// The network of its host could not be brought to what is wanted.
    NetworkFailed = "network_failed",
    /// Its host could not build it.
    BuildFailed = "build_failed",
    /// What is wanted changed in the middle.
    Overtaken = "overtaken",
    /// Its host takes the same step again and again.
    Repeating = "repeating",
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub code: Code,
    /// For people: what happened, and who can act. In English; the API has it in French, too.
    pub text: String,
}

impl Reason {
    /// A reason.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        for (code, word) in Code::ALL.iter().zip(Code::WORDS) {
            assert_eq!((code.as_str(), serde_json::to_value(code).unwrap()), (*word, serde_json::json!(word)));
            assert_eq!(serde_json::from_value::<Code>(serde_json::json!(word)).unwrap(), *code);
        }
        assert_eq!(serde_json::from_str::<Code>("\"of_tomorrow\"").unwrap(), Code::Other);
    }
}
