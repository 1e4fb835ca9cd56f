//! How often one caller may ask: so many requests a minute for each user or service account, and fewer
//! for each address without valid credentials. An even rate with a burst (GCRA), counted in memory by
//! each API process; the answer says what is left, in the two fields that the IETF has drafted. What
//! the quotas of projects and organizations leave is charged once a guard has let the caller in
//! ([`tenant`]), so that nobody uses up what is another's.

pub mod tenant;

use super::caller;
use crate::Identity;
use crate::extract::Source;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use iroko_web::problem::{Problem, Rule};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// The time that limits are told for.
const WINDOW: Duration = Duration::from_secs(60);
/// Callers remembered before those that are within their limit are forgotten.
const REMEMBERED: usize = 100_000;

/// `[rate]` of the configuration file.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// Requests a minute of one user or service account.
    pub caller_per_minute: u32,
    /// Requests a minute from one address without valid credentials (IPv6: of one /64).
    pub address_per_minute: u32,
    /// Refused requests a minute of one user or service account that the audit log keeps; more are counted only.
    pub refusals_recorded_per_minute: u32,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { caller_per_minute: 6000, address_per_minute: 600, refusals_recorded_per_minute: 120 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Caller(Uuid),
    Address(IpAddr),
    /// A project or an organization.
    Tenant(Uuid),
    /// A caller's refused requests in the audit log.
    Refusals(Uuid),
}

/// A limit that a request was charged to, as the answer tells it.
#[derive(Debug, Clone)]
struct Charge {
    name: &'static str,
    limit: u32,
    left: Left,
}

tokio::task_local! {
    /// What the request has been charged to.
    static CHARGES: RefCell<Vec<Charge>>;
}

/// Remembers when each caller's requests so far are paid off.
#[derive(Debug, Default)]
pub struct Rates {
    paid: Mutex<HashMap<Key, Instant>>,
    limits: tenant::Limits,
}

/// What a caller has left, or how long to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    requests: u32,
    /// Until the whole limit is there again.
    reset: Duration,
    refused_for: Option<Duration>,
}

impl Rates {
    /// True where one more refused request of the caller is to be recorded.
    pub fn may_record(&self, caller: Uuid, config: RateConfig) -> bool {
        self.take(Key::Refusals(caller), config.refusals_recorded_per_minute, Instant::now()).refused_for.is_none()
    }

    fn take(&self, key: Key, per_minute: u32, now: Instant) -> Left {
        let each = WINDOW / per_minute.max(1);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= REMEMBERED {
            paid.retain(|_, until| *until > now);
        }
        let until = paid.entry(key).or_insert(now);
        let next = (*until).max(now) + each;
        let ahead = next.saturating_duration_since(now);
        if ahead > WINDOW {
            let reset = until.saturating_duration_since(now);
            return Left { requests: 0, reset, refused_for: Some(ahead - WINDOW) };
        }
        *until = next;
        let requests = (WINDOW - ahead).as_nanos() / each.as_nanos().max(1);
        Left { requests: u32::try_from(requests).unwrap_or(u32::MAX), reset: ahead, refused_for: None }
    }
}

/// See the module.
pub async fn layer(State(app): State<Identity>, request: Request, next: Next) -> Response {
    let limits = app.config.rate;
    let (request, name, key, limit) = match caller::of(&request).map(|actor| actor.subject.id()) {
        Some(id) => (request, "caller", Key::Caller(id), limits.caller_per_minute),
        None => {
            let (mut parts, body) = request.into_parts();
            let source = Source::from_request_parts(&mut parts, &app).await;
            let address = source.map_or(IpAddr::from([0, 0, 0, 0]), |source| network(source.address));
            (Request::from_parts(parts, body), "address", Key::Address(address), limits.address_per_minute)
        }
    };
    let left = app.rates.take(key, limit, Instant::now());
    let refused_for = left.refused_for;
    let charges = RefCell::new(vec![Charge { name, limit, left }]);
    let answered = CHARGES.scope(charges, async {
        let response = match refused_for {
            None => next.run(request).await,
            Some(wait) => {
                let text = format!("more than {limit} requests a minute; wait as long as Retry-After says");
                Problem::refuse(Rule::RateExceeded, text).retry_after(wait).into_response()
            }
        };
        (response, CHARGES.with(RefCell::take))
    });
    let (mut response, charges) = answered.await;
    tell(response.headers_mut(), &charges);
    response
}

/// Sets both fields: a member for each limit, in the order of asking.
fn tell(headers: &mut HeaderMap, charges: &[Charge]) {
    let policy = |c: &Charge| format!("\"{}\";q={};w={}", c.name, c.limit, WINDOW.as_secs());
    let left =
        |c: &Charge| format!("\"{}\";r={};t={}", c.name, c.left.requests, c.left.reset.as_millis().div_ceil(1000));
    let joined = |each: &dyn Fn(&Charge) -> String| charges.iter().map(each).collect::<Vec<_>>().join(", ");
    for (name, value) in [(POLICY, joined(&policy)), (LEFT, joined(&left))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// One customer of IPv6 has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_up_to_the_limit_and_then_the_rate() {
        let (rates, began) = (Rates::default(), Instant::now());
        let key = Key::Caller(Uuid::nil());
        for used in 1..=60 {
            let left = rates.take(key, 60, began);
            assert_eq!((left.requests, left.refused_for), (60 - used, None));
        }
        let refused = rates.take(key, 60, began);
        assert_eq!((refused.requests, refused.refused_for), (0, Some(Duration::from_secs(1))));
        assert_eq!(rates.take(key, 60, began).refused_for, Some(Duration::from_secs(1)), "asking costs nothing");
        assert_eq!(rates.take(key, 60, began + Duration::from_secs(1)).refused_for, None);
        assert!(rates.take(key, 60, began + Duration::from_secs(1)).refused_for.is_some());
        assert_eq!(rates.take(Key::Caller(Uuid::max()), 60, began).requests, 59, "others have their own");
        assert_eq!(network("2001:db8:1:2:3::1".parse().unwrap()).to_string(), "2001:db8:1:2::");
    }
}
