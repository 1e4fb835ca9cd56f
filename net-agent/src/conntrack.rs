//! Reads and marks the kernel's table of flows (ctnetlink).
//!
//! A flow whose mark has [`CUT`] is dropped by the filter in both directions. The entry stays while
//! packets come, so that neither side can take the flow up as a new one.

use iroko_model::security_group::{Payload, Protocol};
use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Tuple};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily};
use rtnetlink::packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla,
};
use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{Socket, SocketAddr};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The bit of a flow's mark that says it was cut. `base.nft` has it too.
pub const CUT: u32 = 1;

/// Attributes of `linux/netfilter/nfnetlink_conntrack.h` that the library leaves as they are.
const CTA_ZONE: u16 = 18;
const CTA_MARK_MASK: u16 = 21;
const CTA_PROTO_ICMP_TYPE: u16 = 5;
const CTA_PROTO_ICMP_CODE: u16 = 6;
const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
const CTA_PROTO_ICMPV6_CODE: u16 = 9;

/// A flow, by the packet that began it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Its conntrack zone.
    pub zone: u16,
    /// Where its first packet came from.
    pub source: IpAddr,
    /// Where its first packet went.
    pub destination: IpAddr,
    /// Its protocol.
    pub protocol: Protocol,
    /// What of its first packet's own header rules can name.
    pub payload: Payload,
    /// Whether it is marked as cut.
    pub is_cut: bool,
    /// The same, as the kernel names it.
    pub(crate) tuple: Vec<Tuple>,
}

impl Flow {
    /// A flow that is not the kernel's.
    pub const fn new(zone: u16, ends: (IpAddr, IpAddr), protocol: Protocol, payload: Payload) -> Self {
        let (source, destination) = ends;
        Self { zone, source, destination, protocol, payload, is_cut: false, tuple: Vec::new() }
    }
}

/// The table of the namespace that it was opened in.
#[derive(Debug, Clone)]
pub struct Conntrack(Arc<Mutex<Channel>>);

/// A socket that takes an answer only for the question it asked last, so that what is left of one
/// that failed half-way is not taken for an answer to the next.
#[derive(Debug)]
struct Channel {
    socket: Socket,
    asked: u32,
}

impl Conntrack {
    /// Opens the table of this thread's namespace.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(Arc::new(Mutex::new(Channel { socket, asked: 0 }))))
    }

    /// All flows in a zone; those of the host itself are in none. Blocks.
    pub fn flows(&self) -> io::Result<Vec<Flow>> {
        let mut channel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        channel.ask(message(NetfilterProtoFamily::Unspec, ConntrackMessage::Get(vec![])), NLM_F_DUMP)?;
        let mut flows = Vec::new();
        loop {
            for answer in channel.answers()? {
                match answer.payload {
                    NetlinkPayload::Done(_) => return Ok(flows),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(message) => flows.extend(flow(message)),
                    _ => {}
                }
            }
        }
    }

    /// Marks a flow as cut, or not. One that is gone is fine. Blocks.
    pub fn mark(&self, flow: &Flow, cut: bool) -> io::Result<()> {
        let family = if flow.source.is_ipv4() { NetfilterProtoFamily::IPv4 } else { NetfilterProtoFamily::IPv6 };
        let change = ConntrackMessage::New(vec![
            ConntrackAttribute::CtaTupleOrig(flow.tuple.clone()),
            ConntrackAttribute::Other(DefaultNla::new(CTA_ZONE, flow.zone.to_be_bytes().to_vec())),
            ConntrackAttribute::CtaMark(if cut { CUT } else { 0 }),
            ConntrackAttribute::Other(DefaultNla::new(CTA_MARK_MASK, CUT.to_be_bytes().to_vec())),
        ]);
        let mut channel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        channel.ask(message(family, change), NLM_F_ACK)?;
        loop {
            for answer in channel.answers()? {
                let NetlinkPayload::Error(error) = answer.payload else { continue };
                let refusal = error.code.map(|_| error.to_io());
                return refusal.filter(|error| error.kind() != io::ErrorKind::NotFound).map_or(Ok(()), Err);
            }
        }
    }
}

fn message(family: NetfilterProtoFamily, message: ConntrackMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), message)
}

impl Channel {
    fn ask(&mut self, message: NetfilterMessage, flags: u16) -> io::Result<()> {
        self.asked = self.asked.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.asked;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(drop)
    }

    /// The answers in one datagram; none where it answers an older question.
    fn answers(&self) -> io::Result<Vec<NetlinkMessage<NetfilterMessage>>> {
        let (datagram, _) = self.socket.recv_from_full()?;
        let mut messages = Vec::new();
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            // Messages begin at multiples of four octets.
            let length = usize::try_from(message.header.length)
                .map_or(usize::MAX - 3, |length| length.next_multiple_of(4).max(4));
            messages.extend((message.header.sequence_number == self.asked).then_some(message));
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(messages)
    }
}

fn flow(message: NetfilterMessage) -> Option<Flow> {
    let NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) = message.inner else { return None };
    let (mut tuple, mut zone, mut is_cut) = (None, None, false);
    for attribute in attributes {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(original) => tuple = Some(original),
            ConntrackAttribute::CtaMark(mark) => is_cut = mark & CUT != 0,
            ConntrackAttribute::Other(other) if other.kind() == CTA_ZONE => zone = bytes(&other).try_into().ok(),
            _ => {}
        }
    }
    let (tuple, zone) = (tuple?, u16::from_be_bytes(zone?));
    let (source, destination) = ends(&tuple)?;
    let (protocol, payload) = header(&tuple)?;
    Some(Flow { zone, source, destination, protocol, payload, is_cut, tuple })
}

fn bytes(nla: &DefaultNla) -> Vec<u8> {
    let mut value = vec![0; nla.value_len()];
    nla.emit_value(&mut value);
    value
}

fn ends(tuple: &[Tuple]) -> Option<(IpAddr, IpAddr)> {
    let (mut source, mut destination) = (None, None);
    for part in tuple {
        let Tuple::Ip(parts) = part else { continue };
        for part in parts {
            match part {
                IPTuple::SourceAddress(address) => source = Some(*address),
                IPTuple::DestinationAddress(address) => destination = Some(*address),
                _ => {}
            }
        }
    }
    Some((source?, destination?))
}

fn header(tuple: &[Tuple]) -> Option<(Protocol, Payload)> {
    let (mut protocol, mut port, mut kind, mut code) = (None, None, None, None);
    for part in tuple {
        let Tuple::Proto(parts) = part else { continue };
        for part in parts {
            match part {
                ProtoTuple::Protocol(number) => protocol = Some(Protocol::new((*number).into())),
                ProtoTuple::DestinationPort(number) => port = Some(*number),
                ProtoTuple::Other(other) => match other.kind() {
                    CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => kind = bytes(other).first().copied(),
                    CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => code = bytes(other).first().copied(),
                    _ => {}
                },
                _ => {}
            }
        }
    }
    let protocol = protocol?;
    let payload = match (port, kind, code) {
        (Some(port), ..) if protocol.has_ports() => Payload::Port(port),
        (_, Some(kind), Some(code)) => Payload::Icmp(kind, code),
        _ => Payload::Other,
    };
    Some((protocol, payload))
}
