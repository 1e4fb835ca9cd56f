//! Why something does not get on, for the operator: a word for programs, a text that says who must act. The words are those
//! of the view `stuck` (migration 0360).

use crate::Invalid;
use std::str::FromStr;

macro_rules! codes {
    ($($variant:ident = $word:literal, $text:literal;)*) => {
        /// A reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum StuckCode { $(#[doc = $text] $variant,)* }

        impl StuckCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// Their words.
            pub const WORDS: &[&str] = &[$($word,)*];
            /// The word in the database and on the wire.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word,)* } }
            /// What it means and what to do.
            pub const fn text(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
        }
    };
}

codes! {
    NoHost = "no_host",
        "no host was found for the instance; the detail says how many hosts each constraint removed";
    HostSilent = "host_silent",
        "the host of the instance is silent; look whether the host has power and both agents run";
    Building = "building",
        "the host has not built or started the instance; the detail says what it waits for";
    Stopping = "stopping",
        "the guest has not shut down; its owner can look at its console";
    Rebooting = "rebooting",
        "the host has not restarted the instance; look at the log of the host's compute-agent";
    PausedByHost = "paused_by_host",
        "the host holds the instance because the disk of the host is full; make room on the host";
    NotInForce = "not_in_force",
        "the host has not carried out the last change of the instance; look at the log of the host's compute-agent";
    DeleteWaitsForHost = "delete_waits_for_host",
        "the instance is being deleted and its host is silent; bring the host back, or declare it dead";
    DeleteNotDone = "delete_not_done",
        "the instance is being deleted and its host has not removed it; look at the log of the host's compute-agent";
    ActionNotFinished = "action_not_finished",
        "what was asked of the instance is not done; the status of the instance says how far it is";
    ImageWithoutBytes = "image_without_bytes",
        "the bytes of the image were never sent; its owner uploads them, or deletes the image";
    ImageUploadBrokenOff = "image_upload_broken_off",
        "the upload of the image was broken off; its owner sends the bytes again, or deletes the image";
    ImageUploadSlow = "image_upload_slow",
        "the bytes of the image are still arriving; look at the network between its owner and the API";
    PortWaitsForHost = "port_waits_for_host",
        "the net-agent of the port's host is silent; look whether the host has power and the agent runs";
    PortFailed = "port_failed",
        "the host could not make the port; the detail says why, and the host tries again by itself";
    PortNotInForce = "port_not_in_force",
        "the host has not carried out the last change of the port; look at the log of the host's net-agent";
}

impl FromStr for StuckCode {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        found.ok_or_else(|| Invalid::new("stuck_unknown", format!("{text:?} is not a reason for being stuck")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_are_listed() {
        for (code, word) in StuckCode::ALL.iter().zip(StuckCode::WORDS) {
            assert_eq!(code.as_str(), *word);
            assert_eq!(word.parse::<StuckCode>().unwrap(), *code);
        }
        assert_eq!("asleep".parse::<StuckCode>().unwrap_err().rule, "stuck_unknown");
    }
}
