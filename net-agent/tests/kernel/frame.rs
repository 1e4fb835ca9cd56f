//! Frames, byte by byte.

use iroko_model::MacAddress;
use std::net::{Ipv4Addr, Ipv6Addr};

pub const BROADCAST: MacAddress = MacAddress::from_octets([0xff; 6]);

pub fn ethernet(to: MacAddress, from: MacAddress, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to.octets()[..], &from.octets(), &ethertype.to_be_bytes(), payload].concat()
}

/// An ARP request (1) or reply (2).
pub fn arp(operation: u16, sender: (MacAddress, Ipv4Addr), target: (MacAddress, Ipv4Addr)) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4];
    let zero = MacAddress::from_octets([0; 6]);
    let hardware = if operation == 1 { zero } else { target.0 };
    [
        &head[..],
        &operation.to_be_bytes(),
        &sender.0.octets(),
        &sender.1.octets(),
        &hardware.octets(),
        &target.1.octets(),
    ]
    .concat()
}

pub fn udp4(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    ip4(17, from.0, to.0, &udp(from.1, to.1, payload))
}

/// UDP without a checksum, which IPv4 allows.
fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
}

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;

/// True for a TCP segment over IPv4 with exactly these flags.
pub fn is_tcp(frame: &[u8], flags: u8) -> bool {
    frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&6) && frame.get(47) == Some(&flags)
}

/// A TCP segment with these flags.
pub fn tcp4(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), numbers: (u32, u32), flags: u8) -> Vec<u8> {
    let mut segment = [&from.1.to_be_bytes()[..], &to.1.to_be_bytes()].concat();
    segment.extend(numbers.0.to_be_bytes());
    segment.extend(numbers.1.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let pseudo = [&from.0.octets()[..], &to.0.octets(), &[0, 6, 0, 20], &segment].concat();
    let sum = checksum(&pseudo);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ip4(6, from.0, to.0, &segment)
}

/// The same over IPv6.
pub fn tcp6(from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), numbers: (u32, u32), flags: u8) -> Vec<u8> {
    let mut segment = [&from.1.to_be_bytes()[..], &to.1.to_be_bytes()].concat();
    segment.extend(numbers.0.to_be_bytes());
    segment.extend(numbers.1.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let pseudo = [&from.0.octets()[..], &to.0.octets(), &[0, 0, 0, 20, 0, 0, 0, 6], &segment].concat();
    let sum = checksum(&pseudo);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ip6(6, from.0, to.0, &segment)
}

/// The first chunk of an SCTP association (RFC 9260), with its CRC32c.
pub fn sctp_init(from: u16, to: u16) -> Vec<u8> {
    let head = [from.to_be_bytes(), to.to_be_bytes()].concat();
    let chunk = [&[1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 255, 255, 0, 1, 0, 1][..], &[0, 0, 0, 1]].concat();
    let mut packet = [&head[..], &[0; 8], &chunk].concat();
    let crc = packet.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    });
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
    packet
}

/// An ICMP message with its checksum.
pub fn icmp4(from: Ipv4Addr, to: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let mut body = message.to_vec();
    let sum = checksum(message);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    ip4(1, from, to, &body)
}

pub fn ip4(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap();
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header, payload.to_vec()].concat()
}

/// An ICMPv6 message with its checksum.
pub fn icmp6(from: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    let mut body = message.to_vec();
    let pseudo = [&from.octets()[..], &to.octets(), &[0, 0], &length.to_be_bytes(), &[0, 0, 0, 58], message].concat();
    let sum = checksum(&pseudo);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    ip6(58, from, to, &body)
}

pub fn udp6(from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp(from.1, to.1, payload);
    let length = u16::try_from(datagram.len()).unwrap();
    let pseudo =
        [&from.0.octets()[..], &to.0.octets(), &[0, 0], &length.to_be_bytes(), &[0, 0, 0, 17], &datagram].concat();
    let sum = checksum(&pseudo);
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    ip6(17, from.0, to.0, &datagram)
}

pub fn ip6(next: u8, from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[next, 255], &from.octets(), &to.octets(), payload].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// The multicast address under which a neighbour is solicited, and its MAC address.
pub fn solicited(ip: Ipv6Addr) -> (Ipv6Addr, MacAddress) {
    let [.., a, b, c] = ip.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from(b) << 8 | u16::from(c));
    (group, MacAddress::from_octets([0x33, 0x33, 0xff, a, b, c]))
}

/// A neighbour solicitation (135) or advertisement (136) with the sender's MAC address.
pub fn neighbour(kind: u8, target: Ipv6Addr, mac: MacAddress) -> Vec<u8> {
    let (flags, option) = if kind == 136 { (0x60, 2) } else { (0, 1) };
    [&[kind, 0, 0, 0, flags, 0, 0, 0][..], &target.octets(), &[option, 1], &mac.octets()].concat()
}

/// A router advertisement.
pub fn router_advert() -> Vec<u8> {
    [&[134, 0, 0, 0, 64, 0, 7, 8][..], &[0; 8]].concat()
}
