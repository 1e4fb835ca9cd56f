//! Queues that hold a port to its bandwidth: what is over the rate waits a little, and is dropped
//! only where the queue is full.
//!
//! ```text
//!   to the guest     bridge ──> tap [TBF] ──> guest
//!   from the guest   guest ──> tap [ingress: redirect] ──> iki... (IFB) [TBF] ──> bridge, as from the tap
//! ```
//!
//! A kernel queues only what a device sends; the intermediate device (IFB) makes that of what a tap
//! gets. The filter and its limits in packets come after it. What is written is in the formats of
//! linux/pkt_sched.h, `tc_tbf_qopt` and `TCA_TBF_*`.

use super::device::no_ipv6_address;
use super::netlink::Netlink;
use super::read;
use super::{LinkError, gone_is_fine};
use crate::object::{Key, State, Value, shaper_of, tap_of_shaper};
use futures::TryStreamExt;
use iroko_model::security_group::Direction;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkMessage};
use netlink_packet_route::tc::{
    TcActionAttribute, TcActionMirrorOption, TcActionOption, TcAttribute, TcFilterU32Option, TcHandle, TcMessage,
    TcMirrorActionType, TcOption, TcStats2,
};
use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_REPLACE, Nla, NlasIterator};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};
use std::collections::{BTreeSet, HashMap};

/// Handle of our queues, "ik": another's is not taken for ours.
const HANDLE: TcHandle = TcHandle { major: 0x696b, minor: 0 };
/// Handle of what a device does with what it gets.
const INGRESS: u32 = 0xffff_0000;
const EVERY_PROTOCOL: u16 = 0x0003;
const KIND: &str = "tbf";
const PARAMETERS: u16 = 1;
const RATE_64: u16 = 4;
const BURST: u16 = 6;
/// `TC_LINKLAYER_ETHERNET`: the kernel computes by itself instead of from a table.
const ETHERNET: u8 = 1;
/// A tick of the kernel's, `PSCHED_SHIFT`: 64 ns.
const TICK_NS: u128 = 64;

/// How much a queue lets through at once and how much it holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    burst: u32,
    limit: u32,
}

impl Bucket {
    /// 10 ms' worth at once, at least a frame of the largest MTU and some; the kernel cuts larger
    /// segments. It holds 50 ms' worth, so that nothing waits longer, but some 16 frames of 1500
    /// bytes for rates below 4 Mbit/s, without which TCP would not get its rate; and no more than
    /// 16 MiB, for memory's sake.
    fn of(rate: u64) -> Self {
        let part = |of_second: u64, least: u64, most: u64| {
            u32::try_from((rate / of_second).clamp(least, most)).expect("the most has 32 bits")
        };
        Self { burst: part(100, 16 << 10, 4 << 20), limit: part(20, 24 << 10, 16 << 20) }
    }

    /// The time in which the burst comes anew, in ticks.
    fn ticks(self, rate: u64) -> u128 {
        u128::from(self.burst) * 1_000_000_000 / u128::from(rate.max(1)) / TICK_NS
    }
}

/// Lets a tap send so many bytes a second to its guest.
pub async fn ensure_to_guest(netlink: &Netlink, tap: &str, rate: u64) -> Result<(), LinkError> {
    put_queue(netlink, netlink.index(tap).await?, rate).await
}

/// Lets a guest send so many bytes a second through its tap.
pub async fn ensure_from_guest(netlink: &Netlink, tap: &str, rate: u64) -> Result<(), LinkError> {
    let name = shaper_of(tap);
    let tap = netlink.index(tap).await?;
    let is_ifb = netlink.link(&name).await?.as_ref().map(read::is_ifb);
    if is_ifb == Some(false) {
        netlink.delete(&name).await?;
    }
    if is_ifb != Some(true) {
        let device = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Ifb).name(name.clone());
        netlink.handle().link().add(device.build()).execute().await?;
    }
    let ifb = netlink.index(&name).await?;
    put_queue(netlink, ifb, rate).await?;
    netlink.set(no_ipv6_address(ifb).up().build()).await?;
    if !is_redirected(netlink, tap, ifb).await? {
        remove_ingress(netlink, tap).await?;
        netlink.handle().qdisc().add(signed(tap)).ingress().execute().await?;
        let filter = netlink.handle().traffic_filter(signed(tap)).add().parent(INGRESS);
        filter.priority(1).protocol(EVERY_PROTOCOL.to_be()).redirect(ifb)?.execute().await?;
    }
    Ok(())
}

/// Takes the queue to a guest away.
pub async fn remove_to_guest(netlink: &Netlink, tap: &str) -> Result<(), LinkError> {
    let Some(link) = netlink.link(tap).await? else { return Ok(()) };
    let mut message = TcMessage::with_index(signed(link.header.index));
    message.header.parent = TcHandle::ROOT;
    gone_is_fine(netlink.request(RouteNetlinkMessage::DelQueueDiscipline(message), 0).await)
}

/// Takes the queue from a guest away: first what leads to it.
pub async fn remove_from_guest(netlink: &Netlink, tap: &str) -> Result<(), LinkError> {
    if let Some(link) = netlink.link(tap).await? {
        remove_ingress(netlink, link.header.index).await?;
    }
    netlink.delete(&shaper_of(tap)).await
}

async fn remove_ingress(netlink: &Netlink, index: u32) -> Result<(), LinkError> {
    let mut message = TcMessage::with_index(signed(index));
    message.header.parent = TcHandle::INGRESS;
    let outcome = netlink.request(RouteNetlinkMessage::DelQueueDiscipline(message), 0).await;
    match outcome {
        // What a device without one says of it.
        Err(LinkError::Netlink(error)) if error.raw_os_error() == Some(nix::libc::EINVAL) => Ok(()),
        outcome => gone_is_fine(outcome),
    }
}

/// Makes a device's queue so. One that is there keeps what waits in it.
async fn put_queue(netlink: &Netlink, index: u32, rate: u64) -> Result<(), LinkError> {
    let mut message = TcMessage::with_index(signed(index));
    message.header.parent = TcHandle::ROOT;
    message.header.handle = HANDLE;
    message.attributes = vec![TcAttribute::Kind(KIND.to_owned()), TcAttribute::Options(options(rate))];
    netlink.request(RouteNetlinkMessage::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_REPLACE).await
}

fn options(rate: u64) -> Vec<TcOption> {
    let bucket = Bucket::of(rate);
    let rate_32 = u32::try_from(rate).unwrap_or(u32::MAX);
    let ticks = u32::try_from(bucket.ticks(rate)).unwrap_or(u32::MAX);
    let mut parameters = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
    parameters.extend(rate_32.to_ne_bytes());
    parameters.extend([0; 12]);
    for number in [bucket.limit, ticks, 0] {
        parameters.extend(number.to_ne_bytes());
    }
    let mut options = vec![(PARAMETERS, parameters), (BURST, bucket.burst.to_ne_bytes().to_vec())];
    if rate > u64::from(u32::MAX) {
        options.push((RATE_64, rate.to_ne_bytes().to_vec()));
    }
    options.into_iter().map(|(kind, value)| TcOption::Other(DefaultNla::new(kind, value))).collect()
}

/// All queues of ours.
pub async fn observe(netlink: &Netlink, links: &[LinkMessage]) -> Result<State, LinkError> {
    let names: HashMap<&str, &LinkMessage> = links.iter().filter_map(|link| Some((read::name(link)?, link))).collect();
    let mut roots: HashMap<u32, Value> = HashMap::new();
    let mut ingress: BTreeSet<u32> = BTreeSet::new();
    let messages: Vec<TcMessage> = netlink.handle().qdisc().get().execute().try_collect().await?;
    for message in &messages {
        let index = message.header.index.cast_unsigned();
        if message.header.parent == TcHandle::INGRESS {
            ingress.insert(index);
        } else if message.header.parent == TcHandle::ROOT && message.header.handle == HANDLE {
            roots.insert(index, queue(message));
        }
    }
    let mut state = State::new();
    for (name, link) in names.iter().filter(|(name, _)| name.starts_with("ikt")) {
        if let Some(value) = roots.get(&link.header.index) {
            state.insert(Key::Shape((*name).to_owned(), Direction::Ingress), value.clone());
        }
    }
    let redirected =
        names.iter().filter(|(name, link)| name.starts_with("ikt") && ingress.contains(&link.header.index));
    let shapers = names.keys().filter_map(|name| tap_of_shaper(name));
    let taps: BTreeSet<String> = redirected.map(|(name, _)| (*name).to_owned()).chain(shapers).collect();
    for tap in taps {
        let value = from_guest(netlink, &tap, &names, &roots).await?;
        state.insert(Key::Shape(tap, Direction::Egress), value);
    }
    Ok(state)
}

/// What the queues of ours had no room for, by the device that each is on.
pub async fn drops(netlink: &Netlink) -> Result<HashMap<u32, u32>, LinkError> {
    let messages: Vec<TcMessage> = netlink.handle().qdisc().get().execute().try_collect().await?;
    let ours = messages.iter().filter(|m| m.header.parent == TcHandle::ROOT && m.header.handle == HANDLE);
    Ok(ours.filter_map(|message| Some((message.header.index.cast_unsigned(), dropped(message)?))).collect())
}

fn dropped(message: &TcMessage) -> Option<u32> {
    let stats = message.attributes.iter().filter_map(|a| if let TcAttribute::Stats2(of) = a { Some(of) } else { None });
    stats.flatten().find_map(|of| if let TcStats2::Queue(queue) = of { Some(queue.drops) } else { None })
}

async fn from_guest(
    netlink: &Netlink,
    tap: &str,
    names: &HashMap<&str, &LinkMessage>,
    roots: &HashMap<u32, Value>,
) -> Result<Value, LinkError> {
    let Some(ifb) = names.get(shaper_of(tap).as_str()) else { return Ok(Value::wrong("has no device")) };
    if !read::is_ifb(ifb) || !read::is_up(ifb) {
        return Ok(Value::wrong("has a device that is down or of another kind"));
    }
    let Some(tap) = names.get(tap) else { return Ok(Value::wrong("has no tap")) };
    if !is_redirected(netlink, tap.header.index, ifb.header.index).await? {
        return Ok(Value::wrong("is not led to"));
    }
    Ok(roots.get(&ifb.header.index).cloned().unwrap_or_else(|| Value::wrong("has no queue")))
}

/// Whether all that a tap gets goes to this device.
async fn is_redirected(netlink: &Netlink, tap: u32, ifb: u32) -> Result<bool, LinkError> {
    let filters = netlink.handle().traffic_filter(signed(tap)).get().ingress().execute();
    let filters: Vec<TcMessage> = match filters.try_collect().await.map_err(LinkError::from) {
        Err(error) if error.is_gone() => return Ok(false),
        outcome => outcome?,
    };
    Ok(filters.iter().flat_map(redirections).any(|index| index == ifb))
}

/// Devices to which a filter redirects.
fn redirections(filter: &TcMessage) -> Vec<u32> {
    let options =
        filter.attributes.iter().filter_map(|a| if let TcAttribute::Options(of) = a { Some(of) } else { None });
    let actions = options.flatten().filter_map(|option| match option {
        TcOption::U32(TcFilterU32Option::Action(actions)) => Some(actions),
        _ => None,
    });
    let attributes = actions.flatten().flat_map(|action| &action.attributes);
    let options = attributes.filter_map(|a| if let TcActionAttribute::Options(of) = a { Some(of) } else { None });
    let redirects = options.flatten().filter_map(|option| match option {
        TcActionOption::Mirror(TcActionMirrorOption::Parms(of)) if of.eaction == TcMirrorActionType::EgressRedir => {
            Some(of.ifindex)
        }
        _ => None,
    });
    redirects.collect()
}

/// The rate of a queue of ours; wrong where the rest is not as it follows from that.
fn queue(message: &TcMessage) -> Value {
    match read_queue(message) {
        Some((rate, limit, ticks)) => {
            let bucket = Bucket::of(rate);
            // The kernel rounds as it computes.
            let is_near = ticks.abs_diff(bucket.ticks(rate)) <= bucket.ticks(rate) / 100 + 1;
            let is_right = limit == bucket.limit && is_near;
            if is_right { Value::Rate(rate) } else { Value::wrong("lets more through, or holds more, than it should") }
        }
        None => Value::unusable("is no token bucket"),
    }
}

/// Rate, limit and ticks of a token bucket.
fn read_queue(message: &TcMessage) -> Option<(u64, u32, u128)> {
    let is_ours = message.attributes.iter().any(|a| matches!(a, TcAttribute::Kind(kind) if kind == KIND));
    let options =
        message.attributes.iter().find_map(|a| if let TcAttribute::Options(of) = a { of.first() } else { None });
    let bytes = is_ours.then_some(options?).map(value_of)?;
    let (mut rate, mut rest) = (None, None);
    for nla in NlasIterator::new(&bytes[..]).flatten() {
        match nla.kind() {
            PARAMETERS => {
                let number = |at: usize| Some(u32::from_ne_bytes(nla.value().get(at..at + 4)?.try_into().ok()?));
                rate = rate.or(Some(u64::from(number(8)?)));
                rest = Some((number(24)?, u128::from(number(28)?)));
            }
            RATE_64 => rate = Some(u64::from_ne_bytes(nla.value().get(..8)?.try_into().ok()?)),
            _ => {}
        }
    }
    let (limit, ticks) = rest?;
    Some((rate?, limit, ticks))
}

fn value_of(option: &TcOption) -> Vec<u8> {
    let mut bytes = vec![0; option.value_len()];
    option.emit_value(&mut bytes);
    bytes
}

const fn signed(index: u32) -> i32 {
    index.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(rate: u64) -> Value {
        let options: Vec<TcOption> = options(rate);
        let mut bytes = Vec::new();
        for option in &options {
            let length = u16::try_from(4 + option.value_len()).unwrap();
            bytes.extend([&length.to_ne_bytes()[..], &option.kind().to_ne_bytes(), &value_of(option)].concat());
        }
        let mut message = TcMessage::with_index(1);
        let options = vec![TcOption::Other(DefaultNla::new(2, bytes))];
        message.attributes = vec![TcAttribute::Kind(KIND.to_owned()), TcAttribute::Options(options)];
        queue(&message)
    }

    #[test]
    fn what_is_written_is_read() {
        for rate in [125, 12_500, 1_250_000, 125_000_000, u64::from(u32::MAX), 12_500_000_000] {
            assert_eq!(read_back(rate), Value::Rate(rate));
        }
    }

    #[test]
    fn queues_are_short() {
        let of = |mbit: u64| Bucket::of(mbit * 125_000);
        assert_eq!(of(1), Bucket { burst: 16 << 10, limit: 24 << 10 });
        assert_eq!(of(100), Bucket { burst: 125_000, limit: 625_000 });
        assert_eq!(of(100_000), Bucket { burst: 4 << 20, limit: 16 << 20 });
        for mbit in [4, 10, 100, 1000, 10_000, 100_000] {
            assert!(u64::from(of(mbit).limit) <= mbit * 125_000 / 20, "what waits does so for 50 ms at most");
        }
    }
}
