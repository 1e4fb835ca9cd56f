//! How many connections there may be, of all clients and of one address, and how long a client may keep silent before
//! it has asked anything. One that is too many is closed at once; both are counted.

use axum_server::accept::Accept;
use ipnetwork::IpNetwork;
use serde::Deserialize;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Files that the process needs for other things than clients: the database, images, logs.
const FILES_KEPT: u64 = 256;

/// `[connection]` of the REST API, `[agent_link.connection]` of the agent link.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionConfig {
    /// Most connections open at the same time.
    pub most: u32,
    /// Most of them from one address (IPv6: one /64). Addresses of `auth.trusted_proxies` count to `most` only.
    pub most_per_address: u32,
    /// Seconds a client may take to send the head of a request, also of the next one on an open connection.
    pub head_timeout_s: u64,
}

impl ConnectionConfig {
    /// Those of the agent link unless configured: a whole site may come from one address.
    pub const fn of_agents() -> Self {
        Self { most: 8192, most_per_address: 2048, head_timeout_s: 30 }
    }
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self { most: 4096, most_per_address: 256, head_timeout_s: 30 }
    }
}

/// Lets connections in, up to the bounds. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `rest` or `agents`, in the metrics.
    name: &'static str,
    most: u32,
    most_per_address: u32,
    first_byte: Duration,
    /// Proxies, behind which many clients are.
    trusted: Vec<IpNetwork>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: u32,
    of_address: HashMap<IpAddr, u32>,
}

impl Door {
    /// A door that nobody has come through yet.
    pub fn new(name: &'static str, config: &ConnectionConfig, trusted: &[IpNetwork]) -> Self {
        let most = u64::from(config.most).min(files().saturating_sub(FILES_KEPT).max(1));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        if most < config.most {
            tracing::warn!(
                name,
                most,
                wanted = config.most,
                "fewer connections than wanted: the process may open too few files"
            );
        }
        Self(Arc::new(Inner {
            name,
            most,
            most_per_address: config.most_per_address,
            first_byte: Duration::from_secs(config.head_timeout_s),
            trusted: trusted.to_vec(),
            open: Mutex::default(),
        }))
    }

    fn enter(&self, address: IpAddr) -> Result<Entered, &'static str> {
        let inner = &*self.0;
        let address = address.to_canonical();
        let is_trusted = inner.trusted.iter().any(|network| network.contains(address));
        let place = (!is_trusted).then(|| place(address));
        let mut open = inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= inner.most {
            return Err("all");
        }
        if let Some(place) = place {
            let count = open.of_address.entry(place).or_default();
            if *count >= inner.most_per_address {
                return Err("address");
            }
            *count += 1;
        }
        open.all += 1;
        metrics::gauge!("iroko_connections", "port" => inner.name).set(f64::from(open.all));
        drop(open);
        Ok(Entered { door: self.clone(), place })
    }
}

/// Files that the process may have open.
fn files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// One customer of IPv6 has a whole /64.
fn place(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0]))
        }
    }
}

/// An open connection; dropped, it counts no more.
#[derive(Debug)]
struct Entered {
    door: Door,
    place: Option<IpAddr>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.door.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        metrics::gauge!("iroko_connections", "port" => self.door.0.name).set(f64::from(open.all));
        let Some(place) = self.place else { return };
        if let Some(count) = open.of_address.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                open.of_address.remove(&place);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Door {
    type Stream = Counted;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let entered = stream.peer_addr().and_then(|peer| {
            stream.set_nodelay(true)?;
            self.enter(peer.ip()).map_err(|bound| {
                metrics::counter!("iroko_connections_refused_total", "port" => self.0.name, "bound" => bound)
                    .increment(1);
                tracing::debug!(%peer, port = self.0.name, bound, "a connection too many is closed");
                io::Error::from(io::ErrorKind::QuotaExceeded)
            })
        });
        std::future::ready(entered.map(|entered| {
            let silence = Some(Box::pin(tokio::time::sleep(self.0.first_byte)));
            (Counted { stream, silence, _entered: entered }, service)
        }))
    }
}

/// A connection that is counted, and that ends where its first byte does not come in time.
#[derive(Debug)]
pub struct Counted {
    stream: TcpStream,
    /// Until the first byte has come.
    silence: Option<Pin<Box<Sleep>>>,
    _entered: Entered,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => {
                self.silence = None;
                Poll::Ready(read)
            }
            Poll::Pending => {
                let Some(silence) = &mut self.silence else { return Poll::Pending };
                ready!(silence.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_all_have_their_bounds() {
        let config = ConnectionConfig { most: 5, most_per_address: 2, head_timeout_s: 1 };
        let door = Door::new("rest", &config, &["127.0.0.1/32".parse().unwrap()]);
        let enter = |address: &str| door.enter(address.parse().unwrap());
        let one = (enter("192.0.2.1").unwrap(), enter("::ffff:192.0.2.1").unwrap());
        assert_eq!(enter("192.0.2.1").unwrap_err(), "address");
        let other = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert_eq!(enter("2001:db8::3").unwrap_err(), "address", "a customer has a /64");
        let proxy = enter("127.0.0.1").unwrap();
        assert_eq!(enter("127.0.0.1").unwrap_err(), "all");
        drop(one);
        assert!(enter("127.0.0.1").is_ok() && enter("192.0.2.1").is_ok());
        drop((other, proxy));
        let open = door.0.open.lock().unwrap();
        assert_eq!((open.all, open.of_address.len()), (0, 0));
    }
}
