//! Packets that the filter logs, from the kernel (`linux/netfilter/nfnetlink_log.h`).

use crate::nfnetlink::{FAMILY, NLMSG_ERROR, attribute, attributes, messages, refusal, request, text};
use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use std::io;

/// The group that the rules of [`crate::firewall::log`] name.
pub const GROUP: u16 = 7709;
/// Octets of each packet that are given: headers, and no more.
pub const SNAP: u32 = 128;

const SUBSYSTEM: u16 = 4;
const MSG_PACKET: u16 = 0;
const MSG_CONFIG: u16 = 1;
const CFG_CMD: u16 = 1;
const CFG_MODE: u16 = 2;
const CFG_TIMEOUT: u16 = 4;
const CMD_BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
const PACKET_HEADER: u16 = 1;
const MARK: u16 = 2;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
const HARDWARE_HEADER: u16 = 16;
const REQUEST_ACK: u16 = 0x5;
/// Octets that may wait in the socket; the kernel allows less unless it is told otherwise.
const BUFFER: i32 = 4 << 20;
/// Hundredths of a second that the kernel waits for more packets before it gives them.
const WAIT: u32 = 10;

/// A packet as the kernel tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// What the rule that logged it says.
    pub prefix: String,
    /// Its mark.
    pub mark: u32,
    /// Its Ethernet type.
    pub ethertype: u16,
    /// Its Ethernet header, where it has one.
    pub hardware: Vec<u8>,
    /// Its first octets from the network header on.
    pub payload: Vec<u8>,
}

/// The log of the namespace that it was opened in.
pub struct NfLog(TokioSocket);

impl NfLog {
    /// Binds to the group. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where another process has the group (`EBUSY`).
    pub async fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
        socket.socket_mut().bind_auto()?;
        socket.socket_ref().connect(&SocketAddr::new(0, 0))?;
        socket.socket_ref().set_rx_buf_sz(BUFFER)?;
        let mode = [&SNAP.to_be_bytes()[..], &[COPY_PACKET, 0]].concat();
        let how = [attribute(CFG_MODE, &mode), attribute(CFG_TIMEOUT, &WAIT.to_be_bytes())].concat();
        for (sequence, attributes) in [(1, attribute(CFG_CMD, &[CMD_BIND])), (2, how)] {
            let message = request(SUBSYSTEM << 8 | MSG_CONFIG, REQUEST_ACK, (0, GROUP), sequence, &attributes);
            socket.send(&message).await?;
            acknowledged(&socket, sequence).await?;
        }
        Ok(Self(socket))
    }

    /// Waits for packets.
    ///
    /// # Errors
    /// `ENOBUFS` where they came faster than they were read, and the kernel lost some.
    pub async fn next(&self) -> io::Result<Vec<Logged>> {
        let (datagram, _) = self.0.recv_from_full().await?;
        Ok(packets(&datagram))
    }
}

async fn acknowledged(socket: &TokioSocket, sequence: u32) -> io::Result<()> {
    loop {
        let (datagram, _) = socket.recv_from_full().await?;
        // A packet may come before the answer.
        if let Some(answer) = messages(&datagram).find(|m| m.kind == NLMSG_ERROR && m.sequence == sequence) {
            return refusal(answer.body).map_or(Ok(()), Err);
        }
    }
}

/// The packets in a datagram.
pub fn packets(datagram: &[u8]) -> Vec<Logged> {
    let is_packet = |kind: u16| kind == SUBSYSTEM << 8 | MSG_PACKET;
    messages(datagram).filter(|m| is_packet(m.kind)).filter_map(|m| Some(packet(m.body.get(FAMILY..)?))).collect()
}

fn packet(body: &[u8]) -> Logged {
    let mut logged = Logged::default();
    for attribute in attributes(body) {
        let value = attribute.value();
        match attribute.kind() {
            PACKET_HEADER => {
                logged.ethertype = value.first_chunk().map(|be| u16::from_be_bytes(*be)).unwrap_or_default()
            }
            MARK => logged.mark = value.first_chunk().map(|be| u32::from_be_bytes(*be)).unwrap_or_default(),
            PAYLOAD => logged.payload = value.to_vec(),
            PREFIX => logged.prefix = text(value).unwrap_or_default().to_owned(),
            HARDWARE_HEADER => logged.hardware = value.to_vec(),
            _ => {}
        }
    }
    logged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> Vec<u8> {
        let attributes = [
            attribute(PACKET_HEADER, &[8, 0, 2, 0]),
            attribute(MARK, &0xabcd_ef10u32.to_be_bytes()),
            attribute(PREFIX, b"ik accepted ingress ikt1\0"),
            attribute(HARDWARE_HEADER, &[1; 14]),
            attribute(PAYLOAD, &[0x45, 0, 0]),
            attribute(999, &[]),
        ];
        request(SUBSYSTEM << 8 | MSG_PACKET, 0, (2, GROUP), 0, &attributes.concat())
    }

    #[test]
    fn packets_are_read() {
        let expected = Logged {
            prefix: "ik accepted ingress ikt1".to_owned(),
            mark: 0xabcd_ef10,
            ethertype: 0x800,
            hardware: vec![1; 14],
            payload: vec![0x45, 0, 0],
        };
        let two = [message(), message()].concat();
        assert_eq!(packets(&two), [expected.clone(), expected]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..120, at in 0usize..120, with: u8) {
            packets(&bytes);
            let mut broken = message();
            let index = at % broken.len();
            broken[index] = with;
            broken.truncate(cut);
            packets(&broken);
        }
    }
}
