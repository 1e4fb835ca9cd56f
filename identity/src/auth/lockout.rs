//! Who has failed too often waits: twice as long after each further failure. Pure; the counts come
//! from the rows of failed attempts.

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use iroko_store::login_attempt::{Attempts, Before, From};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};

/// Failures older than this are forgotten.
pub const MEMORY: Duration = Duration::hours(24);
/// An attempt that was not decided after this was broken off.
pub const PENDING: Duration = Duration::seconds(60);
/// Prefix of an IPv4 source network.
const IPV4_PREFIX: u8 = 24;
/// Prefix of an IPv6 source network: what a customer is given at least.
const IPV6_PREFIX: u8 = 56;
/// Prefix of the place of one client of IPv6, whose address changes daily.
const IPV6_PLACE_PREFIX: u8 = 64;

/// How patient to be.
#[derive(Debug)]
struct Rule {
    /// Failures without a wait.
    free: i64,
    /// Attempts at the same time while nothing has failed.
    at_once: i64,
    /// Longest wait.
    longest: Duration,
}

const ON_SUBJECT: Rule = Rule { free: 5, at_once: 32, longest: Duration::minutes(15) };
/// A whole ministry may come from one address.
const FROM_NETWORK: Rule = Rule { free: 50, at_once: 512, longest: Duration::minutes(5) };

/// How long to wait before the next attempt, if at all.
pub fn wait(before: &Before, now: OffsetDateTime) -> Option<Duration> {
    ON_SUBJECT.wait(&before.on_subject, now).max(FROM_NETWORK.wait(&before.from_network, now))
}

impl Rule {
    fn wait(&self, seen: &Attempts, now: OffsetDateTime) -> Option<Duration> {
        let over = seen.failed - self.free;
        if over < 0 {
            // What is being checked may fail too, so it counts; unless nothing failed yet.
            let at_once = if seen.failed == 0 { self.at_once } else { self.free - seen.failed };
            return (seen.pending >= at_once).then_some(Duration::seconds(1));
        }
        let doubled = Duration::seconds(1 << over.min(20)).min(self.longest);
        let left = seen.last_failed_at.map_or(Duration::ZERO, |last| last + doubled - now);
        // One at a time from here on.
        let turn = if seen.pending > 0 { Duration::seconds(1) } else { Duration::ZERO };
        Some(left.max(turn)).filter(|left| left.is_positive())
    }
}

/// The name under which attempts on a user name are counted, whether or not somebody has it.
pub fn subject(username: &str) -> Vec<u8> {
    Sha256::digest(username.as_bytes()).to_vec()
}

/// Where an address comes from.
pub fn from(source: IpAddr) -> From {
    From { place: masked(source, 32, IPV6_PLACE_PREFIX), network: network(source) }
}

/// The network that an address counts for.
pub fn network(source: IpAddr) -> IpNetwork {
    masked(source, IPV4_PREFIX, IPV6_PREFIX)
}

/// The network of an address, by the prefix of its family.
fn masked(source: IpAddr, v4: u8, v6: u8) -> IpNetwork {
    match source.to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX << (32 - v4);
            Ipv4Network::new((u32::from(ip) & mask).into(), v4).map_or(IpNetwork::from(source), Into::into)
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX << (128 - v6);
            Ipv6Network::new((u128::from(ip) & mask).into(), v6).map_or(IpNetwork::from(source), Into::into)
        }
    }
}

/// Names of the locks under which attempts are counted.
pub fn locks(subject: &[u8], network: IpNetwork) -> [i64; 2] {
    let lock = |kind: &str, octets: &[u8]| {
        let hash = Sha256::new_with_prefix(kind).chain_update(octets).finalize();
        i64::from_be_bytes(std::array::from_fn(|at| hash[at]))
    };
    [lock("subject", subject), lock("network", network.to_string().as_bytes())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let now = OffsetDateTime::now_utc();
        let seen = |failed, pending, ago| Attempts {
            failed,
            pending,
            last_failed_at: (failed > 0).then(|| now - Duration::seconds(ago)),
        };
        let table = [
            // failed, pending, seconds since, seconds to wait
            (0, 0, 0, 0),
            (0, 31, 0, 0),
            (0, 32, 0, 1),
            (4, 0, 0, 0),
            (4, 1, 0, 1),
            (1, 3, 0, 0),
            (1, 4, 0, 1),
            (5, 0, 0, 1),
            (5, 0, 1, 0),
            (5, 1, 1, 1),
            (6, 0, 0, 2),
            (8, 0, 3, 5),
            (14, 0, 0, 512),
            (15, 0, 0, 900),
            (1000, 0, 0, 900),
            (1000, 0, 900, 0),
            (1000, 1, 900, 1),
        ];
        for (failed, pending, ago, wanted) in table {
            let before = Before { on_subject: seen(failed, pending, ago), from_network: Attempts::default() };
            let wait = wait(&before, now).map_or(0, |wait| wait.whole_seconds());
            assert_eq!(wait, wanted, "{failed} failed, {pending} pending, {ago} s ago");
        }
        let crowd = |failed| Before { on_subject: Attempts::default(), from_network: seen(failed, 0, 0) };
        assert_eq!(wait(&crowd(49), now), None);
        assert_eq!(wait(&crowd(51), now), Some(Duration::seconds(2)));
        assert_eq!(wait(&crowd(500), now), Some(Duration::minutes(5)));
    }

    #[test]
    fn addresses_count_for_their_network() {
        for (address, wanted) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"),
        ] {
            assert_eq!(network(address.parse().unwrap()).to_string(), wanted);
        }
        let place = |address: &str| from(address.parse().unwrap()).place.to_string();
        assert_eq!(place("::ffff:192.0.2.77"), "192.0.2.77/32");
        assert_eq!(place("2001:db8:1:2ff:3::4"), "2001:db8:1:2ff::/64");
    }

    #[test]
    fn locks_are_apart() {
        let network = network("192.0.2.1".parse().unwrap());
        let [a, b] = locks(&subject("ama"), network);
        let [c, d] = locks(&subject("kofi"), network);
        assert!(a != c && a != b && b == d);
    }
}
