//! Why an instance has its status, in words for its owner.

use iroko_model::instance::Status;

/// What the reason of a status is made of.
pub(crate) struct Told<'a> {
    /// It would run, were it not suspended.
    pub kept_off: bool,
    /// Its guest shut itself down.
    pub by_guest: bool,
    /// Why no host was found.
    pub placement: Option<&'a str>,
    /// Why it was given up.
    pub fault: Option<&'a str>,
    /// What its host says.
    pub observed: Option<&'a str>,
}

impl<'a> Told<'a> {
    /// The reason, where there is something to say.
    pub fn reason(&self, status: Status) -> Option<&'a str> {
        if self.kept_off {
            return Some(
                "suspended with its project or an organization above it; it starts again when that is resumed",
            );
        }
        match status {
            Status::Stopped if self.by_guest => {
                Some("its guest shut itself down; start it to run it again (on_guest_shutdown)")
            }
            Status::Pending => self.placement,
            Status::Error => self.fault.or(self.observed),
            Status::Unreachable => Some("its host has not been heard of for longer than its lease"),
            _ => self.observed,
        }
    }
}
