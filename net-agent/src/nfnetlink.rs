//! Messages of the kernel's netfilter subsystems (`linux/netfilter/nfnetlink.h`), as octets.
//!
//! Whatever is not whole ends what is read; nothing of it is trusted.

use rtnetlink::packet_core::{NlaBuffer, NlasIterator};
use std::io;

/// `NLMSG_ERROR`.
pub const NLMSG_ERROR: u16 = 2;
/// `NLMSG_DONE`.
pub const NLMSG_DONE: u16 = 3;
/// Octets of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Octets of `struct nfgenmsg`: family, version, and a number that some subsystems use.
pub const FAMILY: usize = 4;

/// A netlink message without its header.
#[derive(Debug)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of a datagram, up to the first that is not whole.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<HEADER>()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let (kind, flags) = (u16::from_ne_bytes([e, f]), u16::from_ne_bytes([g, h]));
        Some(Message { kind, flags, sequence: u32::from_ne_bytes([i, j, k, l]), body })
    })
}

/// A message with these attributes, of a family and the number beside it.
pub fn request(kind: u16, flags: u16, (family, number): (u8, u16), sequence: u32, attributes: &[u8]) -> Vec<u8> {
    let length = HEADER + FAMILY + attributes.len();
    let mut message = Vec::with_capacity(length);
    message.extend(u32::try_from(length).expect("requests of ours are short").to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend([family, 0]);
    message.extend(number.to_be_bytes());
    message.extend(attributes);
    message
}

/// An attribute, padded.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("attributes of ours are short");
    let mut attribute = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// What an error message says; none where it only acknowledges.
pub fn refusal(body: &[u8]) -> Option<io::Error> {
    let code = i32::from_ne_bytes(*body.first_chunk()?);
    (code != 0).then(|| io::Error::from_raw_os_error(code.saturating_neg()))
}

/// The attributes of a message or of a nested attribute, up to the first that is not whole.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

/// The value of an attribute.
pub fn find(bytes: &[u8], kind: u16) -> Option<Vec<u8>> {
    attributes(bytes).find(|attribute| attribute.kind() == kind).map(|attribute| attribute.value().to_vec())
}

/// Text up to its NUL.
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.split(|byte| *byte == 0).next()?).ok()
}

/// A number of eight octets.
pub fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_message() {
        let attributes = attribute(1, b"ik\0");
        let bytes = request(0x0a07, 0x301, (1, 9), 77, &attributes);
        let seen: Vec<_> = messages(&bytes).collect();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].kind, seen[0].flags, seen[0].sequence), (0x0a07, 0x301, 77));
        assert_eq!(seen[0].body[..FAMILY], [1, 0, 0, 9]);
        assert_eq!(seen[0].body[FAMILY..], attributes);
        assert_eq!(text(&find(&seen[0].body[FAMILY..], 1).unwrap()), Some("ik"));
    }
}
