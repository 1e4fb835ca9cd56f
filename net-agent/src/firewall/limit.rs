//! How much a port may carry, as the rules of a chain. Pure.
//!
//! What is over a limit is dropped, as a policer does: senders that mind losses slow down. Bandwidth
//! is limited here only where no queue does ([`crate::link::shape`]). Frames count as the host sees
//! them: a large segment that a guest lets the host cut is one frame.

/// What a port that was silent may send at once. Of bytes the kernel adds a second's worth.
const BURST_LEAST_BYTES: u64 = 256 * 1024;
const BURST_LEAST_PACKETS: u64 = 10;
/// A silent port may send this part of a second's packets at once.
const BURST_OF_A_SECOND: u64 = 10;
/// 100 Gbit/s: the kernel counts in nanoseconds and takes no more, and no port carries it.
const MOST_BYTES: u64 = 12_500_000_000;

/// Bytes a second that a queue can keep to; none where there is no limit, or nothing to pass.
pub fn rate(kbit_s: Option<u32>) -> Option<u64> {
    kbit_s.map(|rate| u64::from(rate) * 125).filter(|rate| (1..=MOST_BYTES).contains(rate))
}

/// The rules of the chain for one direction; none where nothing is limited.
pub fn chain(kbit_s: Option<u32>, packets_s: Option<u32>) -> Option<String> {
    let packets = packets_s.map(|rate| by_packets(rate.into()));
    let bytes = kbit_s.map(|rate| u64::from(rate) * 125).filter(|rate| *rate <= MOST_BYTES).map(by_bytes);
    let rules: String = [packets, bytes].into_iter().flatten().collect();
    (!rules.is_empty()).then_some(rules)
}

fn by_packets(rate: u64) -> String {
    if rate == 0 {
        return "counter drop\n".to_owned();
    }
    let burst = (rate / BURST_OF_A_SECOND).max(BURST_LEAST_PACKETS);
    format!("limit rate over {rate}/second burst {burst} packets counter drop\n")
}

fn by_bytes(rate: u64) -> String {
    if rate == 0 {
        return "counter drop\n".to_owned();
    }
    let burst = BURST_LEAST_BYTES.saturating_sub(rate).max(1);
    format!("limit rate over {rate} bytes/second burst {burst} bytes counter drop\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_as_text() {
        assert_eq!(chain(None, None), None);
        assert_eq!(chain(Some(0), None).unwrap(), "counter drop\n");
        assert_eq!(
            chain(Some(100_000), Some(5)).unwrap(),
            "limit rate over 5/second burst 10 packets counter drop\n\
             limit rate over 12500000 bytes/second burst 1 bytes counter drop\n"
        );
        assert!(chain(Some(800), None).unwrap().contains(" 100000 bytes/second burst 162144 bytes "));
        assert_eq!(chain(Some(u32::MAX), None), None, "as much as there is");
        let rates = [None, Some(0), Some(8), Some(100_000_000), Some(100_000_001)].map(rate);
        assert_eq!(rates, [None, None, Some(1000), Some(12_500_000_000), None]);
    }
}
