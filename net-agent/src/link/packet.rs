//! Frames that are given to a device as they are, past the bridge and its filter.

use nix::libc;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, sendto, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// A socket that only sends.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// A socket of this thread's namespace.
    ///
    /// # Errors
    /// Without the right to it.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(Self(socket(AddressFamily::Packet, SockType::Raw, flags, None::<SockProtocol>)?))
    }

    /// Gives a frame to a device, for whoever is behind it.
    ///
    /// # Errors
    /// Where there is no such device, or it is down or full.
    pub fn send(&self, device: &str, frame: &[u8]) -> io::Result<()> {
        let index = nix::net::if_::if_nametoindex(device)?;
        sendto(self.0.as_raw_fd(), frame, &address::of_device(index)?, MsgFlags::empty())?;
        Ok(())
    }
}

mod address {
    #![allow(unsafe_code, reason = "nix makes no such address itself")]

    use super::{LinkAddr, io, libc};
    use nix::sys::socket::SockaddrLike;

    /// The address of a device.
    pub fn of_device(index: libc::c_uint) -> io::Result<LinkAddr> {
        // SAFETY: a sockaddr_ll of zero bytes is valid: it holds numbers.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        address.sll_ifindex = libc::c_int::try_from(index).map_err(io::Error::other)?;
        let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
        // SAFETY: it points to a whole sockaddr_ll of that length, which outlives the call.
        unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) }
            .ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}
