//! The first octets of a packet -> what of it is recorded. Pure.
//!
//! A guest wrote these octets, to confuse whoever reads them: lengths lie, headers end in their middle
//! or name each other for ever. Nothing is taken from where it is not; what cannot be read is absent.

use iroko_agent_wire::Headers;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
/// Extension headers of IPv6 (RFC 8200, RFC 4302).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const OPTIONS: u8 = 60;
/// Most extension headers that are followed.
const EXTENSIONS: usize = 8;

/// Reads a packet from its network header on.
pub fn headers(ethertype: u16, packet: &[u8]) -> Headers {
    let headers = match ethertype {
        IPV4 => ipv4(packet),
        IPV6 => ipv6(packet),
        ARP => arp(packet),
        _ => None,
    };
    Headers { ethertype, ..headers.unwrap_or_default() }
}

fn ipv4(packet: &[u8]) -> Option<Headers> {
    let header = packet.first_chunk::<20>()?;
    let length = usize::from(header[0] & 0xf) * 4;
    if header[0] >> 4 != 4 || length < header.len() {
        return None;
    }
    let ends = [four(packet, 12)?, four(packet, 16)?];
    let is_first = u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0;
    Some(with_payload(ends, header[9], packet.get(length..).filter(|_| is_first)))
}

fn ipv6(packet: &[u8]) -> Option<Headers> {
    let header = packet.first_chunk::<40>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let ends = [sixteen(packet, 8)?, sixteen(packet, 24)?];
    let (mut next, mut rest) = (header[6], &packet[40..]);
    for _ in 0..EXTENSIONS {
        let Some([following, length, ..]) = rest.first_chunk::<8>() else { break };
        let octets = match next {
            HOP_BY_HOP | ROUTING | OPTIONS => (usize::from(*length) + 1) * 8,
            AUTHENTICATION => (usize::from(*length) + 2) * 4,
            FRAGMENT if u16::from_be_bytes([rest[2], rest[3]]) & 0xfff8 != 0 => {
                return Some(with_payload(ends, *following, None));
            }
            FRAGMENT => 8,
            _ => return Some(with_payload(ends, next, Some(rest))),
        };
        (next, rest) = (*following, rest.get(octets..).unwrap_or_default());
    }
    let is_extension = matches!(next, HOP_BY_HOP | ROUTING | OPTIONS | AUTHENTICATION | FRAGMENT);
    Some(with_payload(ends, next, Some(rest).filter(|_| !is_extension)))
}

/// Of Ethernet and IPv4: who asks, and for whom (RFC 826).
fn arp(packet: &[u8]) -> Option<Headers> {
    if packet.first_chunk::<6>()? != &[0, 1, 8, 0, 6, 4] {
        return None;
    }
    let (source, destination) = (Some(four(packet, 14)?), Some(four(packet, 24)?));
    Some(Headers { source, destination, ..Headers::default() })
}

fn with_payload([source, destination]: [IpAddr; 2], protocol: u8, payload: Option<&[u8]>) -> Headers {
    let (source, destination, protocol) = (Some(source), Some(destination), Some(protocol));
    let mut headers = Headers { source, destination, protocol, ..Headers::default() };
    match (protocol, payload) {
        (Some(TCP | UDP | SCTP), Some([a, b, c, d, ..])) => {
            headers.source_port = Some(u16::from_be_bytes([*a, *b]));
            headers.destination_port = Some(u16::from_be_bytes([*c, *d]));
        }
        (Some(ICMP | ICMPV6), Some([kind, code, ..])) => {
            (headers.icmp_type, headers.icmp_code) = (Some(*kind), Some(*code));
        }
        _ => {}
    }
    headers
}

fn four(packet: &[u8], at: usize) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?)))
}

fn sixteen(packet: &[u8], at: usize) -> Option<IpAddr> {
    Some(IpAddr::V6(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn four_packet(protocol: u8, fragment: u16, words: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x40 | words, 0, 0, 0, 0, 0];
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.resize(usize::from(words) * 4, 0);
        packet.extend(payload);
        packet
    }

    fn six_packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        packet.extend([0xfd; 16]);
        packet.extend([0xfe; 16]);
        packet.extend(payload);
        packet
    }

    fn ports(headers: &Headers) -> Option<(u16, u16)> {
        headers.source_port.zip(headers.destination_port)
    }

    #[test]
    fn what_is_there_is_read() {
        let seen = headers(IPV4, &four_packet(TCP, 0x4000, 5, &[0, 80, 1, 187]));
        assert_eq!((seen.protocol, ports(&seen)), (Some(TCP), Some((80, 443))));
        assert_eq!((seen.source, seen.destination), ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok()));
        assert_eq!(ports(&headers(IPV4, &four_packet(UDP, 0, 15, &[0, 1, 0, 2]))), Some((1, 2)), "behind options");
        let later = headers(IPV4, &four_packet(UDP, 3, 5, &[0, 1, 0, 2]));
        assert_eq!((later.protocol, ports(&later)), (Some(UDP), None), "a later fragment has no ports");
        let echo = headers(IPV4, &four_packet(ICMP, 0, 5, &[8, 0]));
        assert_eq!((echo.icmp_type, echo.icmp_code, ports(&echo)), (Some(8), Some(0), None));
        let behind = [&[OPTIONS, 0, 0, 0, 0, 0, 0, 0, UDP, 1][..], &[0; 14], &[0, 7, 0, 9]].concat();
        assert_eq!(ports(&headers(IPV6, &six_packet(HOP_BY_HOP, &behind))), Some((7, 9)));
        let fragment = [ICMPV6, 0, 0, 0, 0, 0, 0, 1, 128, 0];
        assert_eq!(headers(IPV6, &six_packet(FRAGMENT, &fragment)).icmp_type, Some(128));
        let later = headers(IPV6, &six_packet(FRAGMENT, &[UDP, 0, 0, 8, 0, 0, 0, 1, 0, 1, 0, 2]));
        assert_eq!((later.protocol, ports(&later)), (Some(UDP), None));
        let short = headers(IPV6, &six_packet(UDP, &[0, 1, 0, 2]));
        assert_eq!(ports(&short), Some((1, 2)), "shorter than an extension header");
        let asks = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &[2; 6], &[10, 0, 0, 1], &[0; 6], &[10, 0, 0, 9]].concat();
        assert_eq!(headers(ARP, &asks).destination, "10.0.0.9".parse().ok());
        assert_eq!(headers(0x88cc, &asks), Headers { ethertype: 0x88cc, ..Headers::default() });
    }

    #[test]
    fn what_lies_is_absent() {
        let nothing = |ethertype| Headers { ethertype, ..Headers::default() };
        for (ethertype, packet) in [
            (IPV4, vec![]),
            (IPV4, four_packet(TCP, 0, 5, &[])[..19].to_vec()),
            (IPV4, [&[0x44], &four_packet(TCP, 0, 5, &[])[1..]].concat()),
            (IPV4, six_packet(UDP, &[])),
            (IPV6, four_packet(UDP, 0, 15, &[])),
            (IPV6, six_packet(UDP, &[])[..39].to_vec()),
            (ARP, vec![0, 1, 8, 0, 6]),
            (ARP, vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 3, 4, 5, 6, 7, 10, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(headers(ethertype, &packet), nothing(ethertype), "{packet:02x?}");
        }
        assert_eq!(ports(&headers(IPV4, &four_packet(TCP, 0, 15, &[])[..24])), None, "longer than the packet");
        let endless = [OPTIONS, 0, 0, 0, 0, 0, 0, 0].repeat(12);
        assert_eq!(ports(&headers(IPV6, &six_packet(OPTIONS, &endless))), None);
        let longer = headers(IPV6, &six_packet(HOP_BY_HOP, &[UDP, 200, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]));
        assert_eq!((longer.protocol, ports(&longer)), (Some(UDP), None));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_survived(kind in 0..4usize, bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
            let ethertype = [IPV4, IPV6, ARP, 0x1234][kind];
            headers(ethertype, &bytes);
            let mut shaped = [four_packet(TCP, 0, 5, &bytes), six_packet(OPTIONS, &bytes), bytes.clone(), bytes][kind].clone();
            shaped.truncate(cut);
            let seen = headers(ethertype, &shaped);
            prop_assert_eq!(seen.ethertype, ethertype);
            prop_assert!(seen.source_port.is_none() || seen.protocol.is_some());
        }
    }
}
