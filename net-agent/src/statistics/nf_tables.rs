//! Reads the counters of our tables from the kernel (nf_tables over netlink), without the nft
//! program, which reads all sets and elements too.
//!
//! The messages are those of `linux/netfilter/nf_tables.h`. Nothing of them is made by a guest; what
//! is not understood is passed over all the same.

use super::reading::{Counter, Meter, crowded};
use crate::nfnetlink::{
    FAMILY, NLMSG_DONE, NLMSG_ERROR, attribute, attributes, find, messages, number, refusal, request, text,
};
use crate::object::Chain;
use iroko_model::MacAddress;
use iroko_model::security_group::Direction;
use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{Socket, SocketAddr};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

const SUBSYSTEM: u16 = 10;
const MSG_NEWTABLE: u16 = 0;
const MSG_GETTABLE: u16 = 1;
const MSG_NEWRULE: u16 = 6;
const MSG_GETRULE: u16 = 7;
const MSG_NEWSETELEM: u16 = 12;
const MSG_GETSETELEM: u16 = 13;

const TABLE_NAME: u16 = 1;
const TABLE_HANDLE: u16 = 4;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;
const ELEMENTS_TABLE: u16 = 1;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_EXPR: u16 = 7;
/// Type of a comment in a rule's user data (libnftnl's `udata.h`).
const UDATA_COMMENT: u8 = 0;

const INET: u8 = 1;
const BRIDGE: u8 = 7;
const TABLE: &[u8] = b"ik\0";
/// The sets of `base.nft` that count what port security refuses, by tap, and flows for which there is no room, by
/// bridge and MAC address.
const REFUSED: &[u8] = b"refused\0";
const OVER_BEGINS: &[u8] = b"over_begins\0";
const OVER_GETS: &[u8] = b"over_gets\0";
/// Octets of a device's name and of a MAC address in the key of an element.
const NAME: usize = 16;
const MAC: usize = 6;

const REQUEST_DUMP: u16 = 0x301;
const DUMP_INTERRUPTED: u16 = 0x10;
/// Tables that change while they are read are read again, so often.
const TRIES: usize = 5;

/// The tables of the namespace that it was opened in.
#[derive(Debug, Clone)]
pub struct NfTables(Arc<Mutex<Channel>>);

#[derive(Debug)]
struct Channel {
    socket: Socket,
    asked: u32,
}

impl NfTables {
    /// Opens the tables of this thread's namespace.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(Arc::new(Mutex::new(Channel { socket, asked: 0 }))))
    }

    /// All counters of rules and of what port security refused; none where the tables are not there.
    /// Blocks.
    ///
    /// # Errors
    /// Where they changed each time while they were read.
    pub fn counters(&self) -> io::Result<Vec<Counter>> {
        let mut channel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES {
            if let Some(counters) = channel.counters()? {
                return Ok(counters);
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the tables change all the time"))
    }
}

impl Channel {
    /// None where something changed in between: what was read may be neither the old nor the new.
    fn counters(&mut self) -> io::Result<Option<Vec<Counter>>> {
        let mut tables = HashMap::new();
        let mut counters = Vec::new();
        let requests = [
            (MSG_GETTABLE, 0, vec![]),
            (MSG_GETRULE, INET, attribute(RULE_TABLE, TABLE)),
            (MSG_GETRULE, BRIDGE, attribute(RULE_TABLE, TABLE)),
            (MSG_GETSETELEM, BRIDGE, elements_of(REFUSED)),
            (MSG_GETSETELEM, INET, elements_of(OVER_BEGINS)),
            (MSG_GETSETELEM, INET, elements_of(OVER_GETS)),
        ];
        for (kind, family, attributes) in requests {
            let mut take = |kind: u16, family: u8, body: &[u8]| match kind {
                MSG_NEWTABLE => tables.extend(table(body).map(|handle| (family, handle))),
                MSG_NEWRULE => counters.extend(rule(body, tables.get(&family).copied().unwrap_or_default())),
                MSG_NEWSETELEM => counters.extend(elements(body)),
                _ => {}
            };
            if !self.dump(kind, family, &attributes, &mut take)? {
                return Ok(None);
            }
        }
        Ok(Some(counters))
    }

    /// False where the kernel says that something changed in between.
    fn dump(
        &mut self,
        kind: u16,
        family: u8,
        attributes: &[u8],
        take: &mut impl FnMut(u16, u8, &[u8]),
    ) -> io::Result<bool> {
        self.asked = self.asked.wrapping_add(1);
        self.socket.send(&request(SUBSYSTEM << 8 | kind, REQUEST_DUMP, (family, 0), self.asked, attributes), 0)?;
        let mut is_whole = true;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            for message in messages(&datagram).filter(|message| message.sequence == self.asked) {
                is_whole &= message.flags & DUMP_INTERRUPTED == 0;
                match message.kind {
                    NLMSG_DONE => return Ok(is_whole),
                    // A table or set that is not there.
                    NLMSG_ERROR => match refusal(message.body) {
                        Some(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => return Ok(is_whole),
                    },
                    kind if kind >> 8 == SUBSYSTEM && message.body.len() >= FAMILY => {
                        take(kind & 0xff, message.body[0], &message.body[FAMILY..]);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn elements_of(set: &[u8]) -> Vec<u8> {
    [attribute(ELEMENTS_TABLE, TABLE), attribute(ELEMENTS_SET, set)].concat()
}

/// The handle of our table.
fn table(body: &[u8]) -> Option<u64> {
    if find(body, TABLE_NAME)? != TABLE {
        return None;
    }
    number(&find(body, TABLE_HANDLE)?)
}

/// The counter of a rule in a chain that comes and goes. Handles are given out anew by each table.
fn rule(body: &[u8], table: u64) -> Option<Counter> {
    let chain = Chain::from_name(text(&find(body, RULE_CHAIN)?)?)?;
    let handle = number(&find(body, RULE_HANDLE)?)?;
    let expressions = find(body, RULE_EXPRESSIONS)?;
    let (packets, bytes) = attributes(&expressions).find_map(|expression| counted(expression.value()))?;
    let of_rule = || Some(Meter::Rule(comment(&find(body, RULE_USERDATA)?)?.parse().ok()?));
    let meter = match chain {
        // A port with a log has a copy of its groups' rules.
        Chain::Port(tap, direction) => of_rule().unwrap_or(Meter::Unallowed(tap, direction)),
        Chain::Limit(tap, direction) => Meter::OverLimit(tap, direction),
        Chain::Log(tap, ..) | Chain::Refused(tap) => Meter::Unlogged(tap),
        Chain::Group(..) => of_rule()?,
        Chain::Tap(..) => return None,
    };
    Some(Counter { meter, identity: table << 32 ^ handle, packets, bytes })
}

/// Packets and octets, where the expression is a counter.
fn counted(expression: &[u8]) -> Option<(u64, u64)> {
    if text(&find(expression, EXPR_NAME)?)? != "counter" {
        return None;
    }
    let data = find(expression, EXPR_DATA)?;
    Some((number(&find(&data, COUNTER_PACKETS)?)?, number(&find(&data, COUNTER_BYTES)?)?))
}

/// The comment in a rule's user data: type, length, value, one after the other.
fn comment(mut userdata: &[u8]) -> Option<&str> {
    while let [kind, length, rest @ ..] = userdata {
        let value = rest.get(..usize::from(*length))?;
        if *kind == UDATA_COMMENT {
            return text(value);
        }
        userdata = &rest[value.len()..];
    }
    None
}

/// What was refused, by what the set has as its key. An element goes after a day without a refusal.
fn elements(body: &[u8]) -> Vec<Counter> {
    let (Some(set), Some(list)) = (find(body, ELEMENTS_SET), find(body, ELEMENTS)) else { return Vec::new() };
    let counter = |element: &[u8]| {
        let key = find(element, ELEMENT_KEY)?;
        let meter = meter(&set, attributes(&key).next()?.value())?;
        let (packets, bytes) = counted(&find(element, ELEMENT_EXPR)?)?;
        Some(Counter { meter, identity: 0, packets, bytes })
    };
    attributes(&list).filter_map(|element| counter(element.value())).collect()
}

fn meter(set: &[u8], key: &[u8]) -> Option<Meter> {
    let crowded = || {
        let mac = key.get(NAME..NAME + MAC)?.first_chunk::<MAC>()?;
        Some(crowded(text(&key[..NAME])?, MacAddress::from_octets(*mac)))
    };
    match set {
        REFUSED => Some(Meter::Refused(text(key)?.to_owned())),
        OVER_BEGINS => Some(Meter::Crowded(crowded()?, Direction::Egress)),
        OVER_GETS => Some(Meter::Crowded(crowded()?, Direction::Ingress)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_model::SecurityGroupRuleId;
    use proptest::prelude::*;

    fn counter(packets: u64, bytes: u64) -> Vec<u8> {
        let data = [attribute(COUNTER_BYTES, &bytes.to_be_bytes()), attribute(COUNTER_PACKETS, &packets.to_be_bytes())];
        attribute(1, &[attribute(EXPR_NAME, b"counter\0"), attribute(EXPR_DATA, &data.concat())].concat())
    }

    fn of_chain(chain: &str, userdata: &[u8]) -> Vec<u8> {
        let other = attribute(1, &attribute(EXPR_NAME, b"meta\0"));
        [
            attribute(RULE_TABLE, TABLE),
            attribute(RULE_CHAIN, format!("{chain}\0").as_bytes()),
            attribute(RULE_HANDLE, &9u64.to_be_bytes()),
            attribute(RULE_EXPRESSIONS, &[other, counter(5, 500)].concat()),
            attribute(RULE_USERDATA, userdata),
        ]
        .concat()
    }

    #[test]
    fn rules_are_told_apart_by_chain_and_comment() {
        let id = SecurityGroupRuleId::new();
        let group = uuid::Uuid::now_v7().simple().to_string();
        let note = format!("{id}\0");
        let userdata = [&[7, 1, 0, UDATA_COMMENT, u8::try_from(note.len()).unwrap()], note.as_bytes()].concat();
        let table = [
            (format!("in_{group}"), &userdata[..], Some(Meter::Rule(id))),
            (format!("in_{group}"), &[], None),
            (format!("in_{group}"), &[UDATA_COMMENT, 200, 1], None),
            ("out_ikt1".to_owned(), &[], Some(Meter::Unallowed("ikt1".to_owned(), Direction::Egress))),
            ("out_ikt1".to_owned(), &userdata[..], Some(Meter::Rule(id))),
            ("dropped_out_ikt1".to_owned(), &[], Some(Meter::Unlogged("ikt1".to_owned()))),
            ("refused_ikt1".to_owned(), &[], Some(Meter::Unlogged("ikt1".to_owned()))),
            ("limit_in_ikt1".to_owned(), &[], Some(Meter::OverLimit("ikt1".to_owned(), Direction::Ingress))),
            ("stateful".to_owned(), &[], None),
        ];
        for (chain, userdata, meter) in table {
            let expected = meter.map(|meter| Counter { meter, identity: 1 << 32 ^ 9, packets: 5, bytes: 500 });
            assert_eq!(rule(&of_chain(&chain, userdata), 1), expected, "{chain}");
        }
    }

    #[test]
    fn elements_are_read_by_tap() {
        let key = attribute(ELEMENT_KEY, &attribute(1, b"ikt1\0\0\0\0\0\0\0\0\0\0\0\0"));
        // Not in a list, as expressions of rules are.
        let expression = attribute(ELEMENT_EXPR, &counter(3, 180)[4..]);
        let element = attribute(1, &[key, expression.clone()].concat());
        let of_set = |set: &[u8], element: &[u8]| {
            elements(&[attribute(ELEMENTS_SET, set), attribute(ELEMENTS, element)].concat())
        };
        let counter = |meter| Counter { meter, identity: 0, packets: 3, bytes: 180 };
        assert_eq!(of_set(REFUSED, &element), [counter(Meter::Refused("ikt1".to_owned()))]);
        let key = [&b"ikbr0000ff\0\0\0\0\0\0"[..], &[2, 0, 0, 0, 0, 9, 0, 0]].concat();
        let element = attribute(1, &[attribute(ELEMENT_KEY, &attribute(1, &key)), expression].concat());
        let port = || "ikbr0000ff 02:00:00:00:00:09".to_owned();
        assert_eq!(of_set(OVER_BEGINS, &element), [counter(Meter::Crowded(port(), Direction::Egress))]);
        assert_eq!(of_set(OVER_GETS, &element), [counter(Meter::Crowded(port(), Direction::Ingress))]);
        assert_eq!(of_set(b"other\0", &element), []);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..200) {
            messages(&bytes).for_each(drop);
            rule(&bytes, 0);
            elements(&bytes);
            let whole = of_chain("in_ikt1", &[]);
            rule(&whole[..cut.min(whole.len())], 0);
        }
    }
}
