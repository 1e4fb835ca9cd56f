//! The cookie by which a browser holds a session: how it is written and read, and when a request that has it is believed to be
//! of a page of this cloud.
//!
//! A browser adds the cookie to whatever is asked of this host, also for pages of others. Three things stand against that. The
//! cookie is `SameSite=Strict`; the browser itself says for which page it asks, by `Origin` or `Sec-Fetch-Site`; and whatever
//! changes something has a header field that pages of other origins cannot set without being asked about it first.

use super::config::AuthConfig;
use anyhow::bail;
use axum::http::header::{AUTHORIZATION, COOKIE, ORIGIN, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Url;
use std::fmt::Write;

/// Its name. Browsers take a cookie with this prefix from its own host only, by TLS only, and for all paths.
pub const NAME: &str = "__Host-iroko_session";
/// Its name without TLS.
const PLAIN_NAME: &str = "iroko_session";
/// Must be in each request with the cookie that changes something.
pub const HEADER: HeaderName = HeaderName::from_static("x-iroko-session");
/// With this value.
pub const HEADER_VALUE: &str = "cookie";
/// What the browser says about the page that asks (W3C Fetch Metadata).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request with the cookie is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It changes something and lacks the [`HEADER`].
    NoHeader,
    /// Its browser says that it is for a page of another origin, or does not say for which.
    Origin,
}

/// How the cookies of this cloud are written, read and believed.
#[derive(Debug, Clone)]
pub struct SessionCookies {
    origins: Vec<String>,
    is_plain: bool,
}

impl SessionCookies {
    /// As the configuration says.
    pub fn new(config: &AuthConfig) -> anyhow::Result<Self> {
        for origin in &config.cookie_origins {
            let Ok(url) = Url::parse(origin) else { bail!("auth.cookie_origins: {origin:?} is not an address") };
            let written = url.origin().ascii_serialization();
            if written != *origin {
                bail!("auth.cookie_origins: write {origin:?} as an origin without a path, as {written:?}");
            }
            if !(url.scheme() == "https" || url.scheme() == "http" && config.cookie_plain_http) {
                bail!("auth.cookie_origins: {origin:?} is not https");
            }
        }
        Ok(Self { origins: config.cookie_origins.clone(), is_plain: config.cookie_plain_http })
    }

    /// True where browsers may hold sessions by cookies at all.
    pub fn are_offered(&self) -> bool {
        !self.origins.is_empty()
    }

    fn name(&self) -> &'static str {
        if self.is_plain { PLAIN_NAME } else { NAME }
    }

    /// The secret in the cookie of a request that is to be known by it. Beside an `Authorization`, which is meant, or a second
    /// cookie of the name, which somebody has smuggled in, it counts for nothing.
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        if !self.are_offered() || headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == self.name()).map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// `Set-Cookie` that hands out a secret, for `life_s` seconds.
    pub fn set(&self, secret: &str, life_s: u64) -> Option<HeaderValue> {
        let mut text = format!("{}={secret}; Path=/; Max-Age={life_s}; HttpOnly; SameSite=Strict", self.name());
        if !self.is_plain {
            let _ = text.write_str("; Secure");
        }
        HeaderValue::from_str(&text).ok()
    }

    /// `Set-Cookie` that takes it away.
    pub fn clear(&self) -> Option<HeaderValue> {
        self.set("", 0)
    }

    /// True where this `Set-Cookie` is of the cookie.
    pub fn is_set_by(&self, value: &HeaderValue) -> bool {
        value.as_bytes().strip_prefix(self.name().as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
    }

    /// Why a request may be of a page of another site, if it may.
    pub fn doubt(&self, method: &Method, headers: &HeaderMap) -> Option<Doubt> {
        let is_upgrade = headers.contains_key(UPGRADE);
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let is_own = |origin: &HeaderValue| self.origins.iter().any(|own| own.as_bytes() == origin.as_bytes());
        // What is typed into the address bar is of no page, and only reads.
        let is_same = |site: &HeaderValue| site == "same-origin" || site == "none" && !changes && !is_upgrade;
        let (mut origins, mut sites) = (headers.get_all(ORIGIN).iter(), headers.get_all(SITE).iter());
        if !origins.all(is_own) || !sites.all(is_same) {
            return Some(Doubt::Origin);
        }
        // Browsers name the origin of every WebSocket. Older ones do not say where a read comes from, and give its answer to no
        // page of another origin.
        let says = headers.contains_key(ORIGIN) || headers.contains_key(SITE) && !is_upgrade;
        if !says && (changes || is_upgrade) {
            return Some(Doubt::Origin);
        }
        let has_header = headers.get(HEADER).is_some_and(|value| value == HEADER_VALUE);
        (changes && !has_header).then_some(Doubt::NoHeader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(origins: &[&str], cookie_plain_http: bool) -> anyhow::Result<SessionCookies> {
        let cookie_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        SessionCookies::new(&AuthConfig { cookie_origins, cookie_plain_http, ..AuthConfig::default() })
    }

    /// Name and value.
    type Field = (&'static str, &'static str);

    fn headers(fields: &[Field]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for right in ["https://cloud.example", "https://cloud.example:8443", "https://[2001:db8::1]"] {
            assert!(cookies(&[right], false).is_ok(), "{right}");
        }
        for wrong in [
            "https://cloud.example/",
            "https://Cloud.example",
            "https://cloud.example:443",
            "http://cloud.example",
            "cloud.example",
            "null",
            "",
        ] {
            assert!(cookies(&[wrong], false).is_err(), "{wrong}");
        }
        assert!(cookies(&["http://127.0.0.1:8080"], true).is_ok());
    }

    #[test]
    fn the_cookie_is_for_its_own_host_and_no_script() {
        let (tls, plain) = (cookies(&["https://a.example"], false).unwrap(), cookies(&["http://a"], true).unwrap());
        assert_eq!(
            tls.set("s", 60).unwrap(),
            "__Host-iroko_session=s; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(plain.clear().unwrap(), "iroko_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
        assert!(tls.is_set_by(&tls.clear().unwrap()) && !tls.is_set_by(&plain.clear().unwrap()));
    }

    #[test]
    fn one_cookie_and_nothing_beside_it_is_read() {
        let cookies_of = |fields: &[Field]| {
            let headers = headers(fields);
            cookies(&["https://a.example"], false).unwrap().read(&headers).map(str::to_owned)
        };
        assert_eq!(cookies_of(&[("cookie", "a=b; __Host-iroko_session=x; c=d")]).as_deref(), Some("x"));
        assert_eq!(cookies_of(&[("cookie", "a=b"), ("cookie", "__Host-iroko_session=x")]).as_deref(), Some("x"));
        assert_eq!(cookies_of(&[("cookie", "__Host-iroko_session=x; __Host-iroko_session=y")]), None);
        assert_eq!(cookies_of(&[("cookie", "iroko_session=x")]), None);
        assert_eq!(cookies_of(&[("cookie", "__Host-iroko_session=x"), ("authorization", "Bearer y")]), None);
        let none = cookies(&[], false).unwrap();
        assert_eq!(none.read(&headers(&[("cookie", "__Host-iroko_session=x")])), None);
    }

    #[test]
    fn who_asks_for_another_page_is_doubted() {
        const OWN: Field = ("origin", "https://a.example");
        const MEANT: Field = ("x-iroko-session", "cookie");
        const SAME: Field = ("sec-fetch-site", "same-origin");
        const SOCKET: Field = ("upgrade", "websocket");
        let (get, post) = (Method::GET, Method::POST);
        let table: &[(&Method, &[Field], Option<Doubt>)] = &[
            (&get, &[], None),
            (&get, &[SAME], None),
            (&get, &[OWN], None),
            (&get, &[("sec-fetch-site", "none")], None),
            (&get, &[("sec-fetch-site", "same-site")], Some(Doubt::Origin)),
            (&get, &[("sec-fetch-site", "cross-site")], Some(Doubt::Origin)),
            (&get, &[("origin", "https://b.example")], Some(Doubt::Origin)),
            (&get, &[("origin", "https://a.example:8443"), SAME], Some(Doubt::Origin)),
            (&get, &[SOCKET], Some(Doubt::Origin)),
            (&get, &[SOCKET, SAME], Some(Doubt::Origin)),
            (&get, &[SOCKET, ("origin", "https://b.example"), MEANT], Some(Doubt::Origin)),
            (&get, &[SOCKET, OWN], None),
            (&post, &[], Some(Doubt::Origin)),
            (&post, &[MEANT], Some(Doubt::Origin)),
            (&post, &[OWN], Some(Doubt::NoHeader)),
            (&post, &[SAME], Some(Doubt::NoHeader)),
            (&post, &[OWN, ("x-iroko-session", "token")], Some(Doubt::NoHeader)),
            (&post, &[OWN, MEANT], None),
            (&post, &[SAME, MEANT], None),
            (&post, &[OWN, SAME, MEANT], None),
            (&post, &[("origin", "null"), MEANT], Some(Doubt::Origin)),
            (&post, &[("origin", "http://a.example"), MEANT], Some(Doubt::Origin)),
            (&post, &[("origin", "https://a.example.b.example"), MEANT], Some(Doubt::Origin)),
            (&post, &[OWN, ("origin", "https://b.example"), MEANT], Some(Doubt::Origin)),
            (&post, &[OWN, ("sec-fetch-site", "cross-site"), MEANT], Some(Doubt::Origin)),
            (&post, &[("sec-fetch-site", "none"), MEANT], Some(Doubt::Origin)),
            (&Method::DELETE, &[OWN], Some(Doubt::NoHeader)),
        ];
        let cookies = cookies(&["https://a.example"], false).unwrap();
        for (method, fields, wanted) in table {
            assert_eq!(cookies.doubt(method, &headers(fields)), *wanted, "{method} {fields:?}");
        }
    }
}
