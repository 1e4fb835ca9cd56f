//! W3C trace context: a request goes on with its caller's trace, or begins one, and tells which.

use axum::http::HeaderMap;
use rand::Rng;

/// The trace a request belongs to, and the request's own span in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The caller wants it recorded.
    pub is_sampled: bool,
}

impl Trace {
    /// From `traceparent`; one that cannot be read begins a new trace, as the standard asks.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut all = headers.get_all("traceparent").iter();
        let one = all.next().filter(|_| all.next().is_none()).and_then(|value| value.to_str().ok());
        let parent = one.and_then(parse);
        let (trace_id, is_sampled) = parent.unwrap_or_else(|| (format!("{:032x}", random(u128::MAX)), false));
        Self { trace_id, span_id: format!("{:016x}", random(u64::MAX.into())), is_sampled }
    }

    /// The header `traceresponse`.
    pub fn response(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// Never zero, which the standard forbids.
fn random(most: u128) -> u128 {
    rand::rng().random_range(1..=most)
}

/// Trace id and sampling of a `traceparent` of version 00 or, where it begins like one, of a later one.
fn parse(text: &str) -> Option<(String, bool)> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
    let whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    if !whole || version == "ff" || is_zero(trace) || is_zero(span) || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace.to_owned(), flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_on_or_begin() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("traceparent", value.parse().unwrap());
            }
            Trace::of(&headers)
        };
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = of(&[given]);
        assert_eq!((trace.trace_id.as_str(), trace.is_sampled), ("4bf92f3577b34da6a3ce929d0e0e4736", true));
        assert_ne!(trace.span_id, "00f067aa0ba902b7", "the request has a span of its own");
        assert!(of(&["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more"]).trace_id.starts_with("4bf9"));
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            let new = of(&[bad]);
            assert!(new.trace_id.len() == 32 && !new.trace_id.starts_with("4bf9"), "{bad}");
        }
        assert!(!of(&[given, given]).trace_id.starts_with("4bf9"), "two are none");
    }
}
