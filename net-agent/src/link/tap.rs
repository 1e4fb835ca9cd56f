//! Persistent taps, made through `/dev/net/tun`.
//!
//! With `vnet_hdr` and `multi_queue`, as QEMU opens them. A tap stays when the agent ends, and goes
//! by netlink like any other device. This is the one module with an `ioctl`.

use super::device::{Role, plug};
use super::netlink::Netlink;
use super::{LinkError, gone_is_fine};
use crate::object::Sharing;
use iroko_model::Vni;
use nix::libc;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

/// The flags every tap of ours has.
pub const FLAGS: libc::c_int = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_MULTI_QUEUE;

mod ioctl {
    #![allow(unsafe_code, reason = "a tap is made by ioctls alone; each has its argument checked here")]

    use nix::libc;
    use std::io;
    use std::os::fd::RawFd;

    mod raw {
        use nix::libc;
        nix::ioctl_write_int!(set_persist, b'T', 203);
        nix::ioctl_write_int!(set_owner, b'T', 204);
        nix::ioctl_write_ptr_bad!(set_iff, nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()), libc::ifreq);
    }

    /// `TUNSETIFF`: makes or opens the tap of this name.
    pub fn set_iff(fd: RawFd, name: &str, flags: libc::c_int) -> io::Result<()> {
        // SAFETY: an ifreq of zero bytes is valid: it holds numbers and an address of numbers.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
        // SAFETY: the kernel reads and writes one ifreq, which outlives the call.
        unsafe { raw::set_iff(fd, &raw const request) }?;
        Ok(())
    }

    /// `TUNSETPERSIST`: the tap outlives its file.
    pub fn set_persist(fd: RawFd) -> io::Result<()> {
        // SAFETY: the argument is a number.
        unsafe { raw::set_persist(fd, 1) }?;
        Ok(())
    }

    /// `TUNSETOWNER`: who may open the tap beside root. The kernel knows no way back to "nobody".
    pub fn set_owner(fd: RawFd, owner: u32) -> io::Result<()> {
        // SAFETY: the argument is a number.
        unsafe { raw::set_owner(fd, libc::c_ulong::from(owner)) }?;
        Ok(())
    }
}

/// Opens a tap as a guest's QEMU would, making it if need be.
pub fn open(name: &str) -> Result<File, LinkError> {
    let failed = |what| move |source: io::Error| LinkError::Tap { what, source };
    let file =
        OpenOptions::new().read(true).write(true).open("/dev/net/tun").map_err(failed("it could not be opened"))?;
    ioctl::set_iff(file.as_raw_fd(), name, FLAGS).map_err(failed("it gave no tap"))?;
    Ok(file)
}

/// Makes a tap on its network's bridge, or sets one right that is there, and brings it up.
pub async fn ensure(
    netlink: &Netlink,
    name: &str,
    vni: Vni,
    mtu: u32,
    owner: Option<u32>,
    sharing: Sharing,
) -> Result<(), LinkError> {
    let there = netlink.link(name).await?;
    if there.as_ref().map(super::read::tap_owner) != Some(Some(owner)) {
        // Opened only where it must be: an extra queue takes packets from the guest while it is open.
        let file = open(name)?;
        if let Some(owner) = owner {
            ioctl::set_owner(file.as_raw_fd(), owner)
                .map_err(|source| LinkError::Tap { what: "its owner could not be set", source })?;
        }
        ioctl::set_persist(file.as_raw_fd())
            .map_err(|source| LinkError::Tap { what: "it could not be made to stay", source })?;
    }
    let index = netlink.index(name).await?;
    plug(netlink, index, vni, mtu, Role::Local(sharing)).await
}

/// Removes a tap, whether a guest has it open or not.
pub async fn remove(netlink: &Netlink, name: &str) -> Result<(), LinkError> {
    gone_is_fine(netlink.delete(name).await)
}
