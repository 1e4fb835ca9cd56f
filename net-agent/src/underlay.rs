//! The host's own underlay: which address other hosts tunnel to, and how large packets may be.

use nix::ifaddrs::getifaddrs;
use std::net::IpAddr;
use std::{fs, io};

/// What the session request tells of the underlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Underlay {
    /// Underlay address of this host's VXLAN end.
    pub vtep: IpAddr,
    /// MTU of the underlay.
    pub mtu: u32,
}

/// Why the underlay could not be told.
#[derive(Debug, thiserror::Error)]
pub enum UnderlayError {
    /// Nothing is configured.
    #[error("set underlay_device or vtep in the configuration: the agent does not guess the underlay")]
    NotConfigured,
    /// The device has no address other hosts could reach.
    #[error("device {0} has no global address; give it one, or set vtep")]
    NoAddress(String),
    /// No device has the address.
    #[error("no device of this host has the address {0} (vtep)")]
    NoDevice(IpAddr),
    /// The kernel could not be asked.
    #[error("the host's addresses could not be read")]
    Read(#[source] io::Error),
    /// The MTU could not be read.
    #[error("the MTU of device {device} could not be read; does it exist?")]
    Mtu {
        /// The device.
        device: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Finds what is not configured.
pub fn find(vtep: Option<IpAddr>, device: Option<&str>, mtu: Option<u32>) -> Result<Underlay, UnderlayError> {
    let addresses = addresses().map_err(UnderlayError::Read)?;
    let (vtep, device) = match (vtep, device) {
        (None, None) => return Err(UnderlayError::NotConfigured),
        (Some(vtep), Some(device)) => (vtep, device.to_owned()),
        (None, Some(device)) => {
            let of_device = addresses.iter().find(|(name, ip)| name == device && is_global(*ip));
            (of_device.ok_or_else(|| UnderlayError::NoAddress(device.to_owned()))?.1, device.to_owned())
        }
        (Some(vtep), None) => {
            let with_address = addresses.iter().find(|(_, ip)| *ip == vtep);
            (vtep, with_address.ok_or(UnderlayError::NoDevice(vtep))?.0.clone())
        }
    };
    let mtu = mtu.map_or_else(|| device_mtu(&device), Ok)?;
    Ok(Underlay { vtep, mtu })
}

fn addresses() -> io::Result<Vec<(String, IpAddr)>> {
    let of = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
        let ip = four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))?;
        Some((interface.interface_name, ip))
    };
    Ok(getifaddrs()?.filter_map(of).collect())
}

fn is_global(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(ip.is_loopback() || link_local)
}

fn device_mtu(device: &str) -> Result<u32, UnderlayError> {
    let wrong = |source| UnderlayError::Mtu { device: device.to_owned(), source };
    let text = fs::read_to_string(format!("/sys/class/net/{device}/mtu")).map_err(wrong)?;
    text.trim().parse().map_err(|_| wrong(io::ErrorKind::InvalidData.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing() {
        assert!(matches!(find(None, None, None), Err(UnderlayError::NotConfigured)));
        let nobody = "192.0.2.254".parse().unwrap();
        assert!(matches!(find(Some(nobody), None, None), Err(UnderlayError::NoDevice(_))));
        assert!(matches!(find(None, Some("nosuch0"), None), Err(UnderlayError::NoAddress(_))));
        let loopback = find(Some("127.0.0.1".parse().unwrap()), None, None).unwrap();
        assert!(loopback.mtu > 1500, "{loopback:?}");
    }
}
