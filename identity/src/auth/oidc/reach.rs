//! Whom this process connects to because a tenant wrote an address down: hosts on the internet, and
//! private networks only where the operator says so. Names are checked by the addresses they resolve to
//! at the moment of connecting, so a name that changes its mind helps nobody (server-side request forgery).

use ipnetwork::IpNetwork;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// What may be reached.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Networks that are not of the internet, but allowed by the operator.
    pub allowed: Arc<[IpNetwork]>,
    /// Plain HTTP is allowed too (laboratories).
    pub plain_http: bool,
}

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// Not `https`.
    #[error("its address does not begin with https://")]
    Scheme,
    /// Has a user name, password or fragment, or no host.
    #[error("its address has no host, or more than a host and a path")]
    Form,
    /// A private address.
    #[error("its address is a private one; the operator can allow it by auth.oidc_networks")]
    Private,
}

impl Reach {
    /// Checks what can be seen of a URL.
    pub fn check(&self, url: &Url) -> Result<(), Unreachable> {
        if url.scheme() != "https" && !(self.plain_http && url.scheme() == "http") {
            return Err(Unreachable::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Unreachable::Form);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Unreachable::Form)?;
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !self.allows(address) => Err(Unreachable::Private),
            _ => Ok(()),
        }
    }

    /// True where the address is of the internet, or the operator's will.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(address))
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() {
                Err(Unreachable::Private.into())
            } else {
                Ok(Box::new(allowed.into_iter()) as Addrs)
            }
        })
    }
}

/// Global unicast, by the registries of special-purpose addresses (RFC 6890 and its successors).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b & 0xfe) == 18;
    let protocol = (a, b, c) == (192, 0, 0);
    let none = a == 0 || a >= 240 || ip.is_multicast() || ip.is_broadcast();
    !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation())
        && !(shared || benchmark || protocol || none)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    let documentation = first == 0x2001 && ip.segments()[1] == 0xdb8;
    // 6to4 and Teredo carry an IPv4 address that nobody has checked.
    let tunnel = first == 0x2002 || first == 0x2001 && ip.segments()[1] == 0;
    (0x2000..0x4000).contains(&first) && !documentation && !tunnel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_asked() {
        let reach = Reach::default();
        let table = [
            ("https://id.example/realm", Ok(())),
            ("https://8.8.8.8/", Ok(())),
            ("https://[2606:4700::1111]/", Ok(())),
            ("http://id.example/", Err(Unreachable::Scheme)),
            ("file:///etc/passwd", Err(Unreachable::Scheme)),
            ("https://user@id.example/", Err(Unreachable::Form)),
            ("https://id.example/#x", Err(Unreachable::Form)),
            ("https://127.0.0.1/", Err(Unreachable::Private)),
            ("https://0x7f.1/", Err(Unreachable::Private)),
            ("https://2130706433/", Err(Unreachable::Private)),
            ("https://10.1.2.3/", Err(Unreachable::Private)),
            ("https://169.254.169.254/", Err(Unreachable::Private)),
            ("https://100.64.0.1/", Err(Unreachable::Private)),
            ("https://[::1]/", Err(Unreachable::Private)),
            ("https://[::ffff:10.0.0.1]/", Err(Unreachable::Private)),
            ("https://[fd00::1]/", Err(Unreachable::Private)),
            ("https://[2002:a00:1::]/", Err(Unreachable::Private)),
        ];
        for (url, wanted) in table {
            assert_eq!(reach.check(&url.parse().unwrap()), wanted, "{url}");
        }
        let allowed = Arc::from(["10.0.0.0/8".parse().unwrap()]);
        let reach = Reach { allowed, plain_http: true };
        assert_eq!(reach.check(&"http://10.1.2.3/".parse().unwrap()), Ok(()));
        assert_eq!(reach.check(&"http://192.168.0.1/".parse().unwrap()), Err(Unreachable::Private));
    }

    #[tokio::test]
    async fn names_of_private_addresses_are_not_asked() {
        let resolve = |reach: Reach| async move { reach.resolve("localhost".parse().unwrap()).await.is_ok() };
        assert!(!resolve(Reach::default()).await);
        let allowed = Arc::from(["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        assert!(resolve(Reach { allowed, plain_http: false }).await);
    }
}
