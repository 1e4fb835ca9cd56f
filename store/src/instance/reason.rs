//! Why an instance has its status, as a word and in words for its owner.

use iroko_model::instance::Status;
use iroko_model::reason::{Code, Reason};

/// What the reason of a status is made of.
pub(crate) struct Told<'a> {
    /// It would run, were it not suspended.
    pub kept_off: bool,
    /// Its guest shut itself down.
    pub by_guest: bool,
    /// Its host's lease has run out.
    pub host_unreachable: bool,
    /// Why no host was found.
    pub placement: Option<&'a Reason>,
    /// Why it was given up.
    pub fault: Option<&'a Reason>,
    /// What its host says.
    pub observed: Option<&'a Reason>,
}

impl Told<'_> {
    /// The reason, where there is something to say.
    pub fn reason(&self, status: Status) -> Option<Reason> {
        if self.kept_off {
            let text = "suspended with its project or an organization above it; it starts again when that is resumed";
            return Some(Reason::new(Code::Suspended, text));
        }
        let silent = "its host has not been heard of for longer than its lease";
        match status {
            Status::Stopped if self.by_guest => {
                let text = "its guest shut itself down; start it to run it again (on_guest_shutdown)";
                Some(Reason::new(Code::GuestShutDown, text))
            }
            Status::Pending => self.placement.cloned(),
            Status::Error => self.fault.or(self.observed).cloned(),
            Status::Unreachable => Some(Reason::new(Code::HostUnreachable, silent)),
            Status::Deleting if self.host_unreachable => {
                let until = "it is gone once the host is back, or once an operator declares the host dead";
                Some(Reason::new(Code::HostUnreachable, format!("{silent}; {until}")))
            }
            _ => self.observed.cloned(),
        }
    }
}
