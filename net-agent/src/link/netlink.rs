//! One rtnetlink socket of one network namespace.
//!
//! A socket belongs to the namespace of the thread that opens it and can then be used from
//! everywhere.

use super::{LinkError, netns};
use futures::{StreamExt, TryStreamExt};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::{AddressFamily, address::AddressMessage};
use rtnetlink::Handle;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use std::io;
use std::path::PathBuf;
use tokio::task::JoinHandle;

/// Ends its connection when dropped.
#[derive(Debug)]
pub struct Netlink {
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

type Opened = (rtnetlink::proto::Connection<RouteNetlinkMessage>, Handle);

impl Netlink {
    /// A socket in this thread's namespace.
    pub fn open() -> Result<Self, LinkError> {
        Ok(Self::started(connect()?))
    }

    /// A socket in a named namespace.
    pub async fn open_in(path: PathBuf) -> Result<Self, LinkError> {
        let runtime = tokio::runtime::Handle::current();
        let opened = netns::run_in(path, move || {
            let _entered = runtime.enter();
            connect()
        });
        Ok(Self::started(opened.await??))
    }

    fn started((connection, handle): Opened) -> Self {
        Self { handle, connection: tokio::spawn(connection) }
    }

    /// rtnetlink's own handle.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Sends one request and waits for its acknowledgement.
    pub async fn request(&self, message: RouteNetlinkMessage, flags: u16) -> Result<(), LinkError> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut answers =
            self.handle.clone().request(request).map_err(|error| LinkError::Transport(error.to_string()))?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(LinkError::Netlink(error.to_io()));
            }
        }
        Ok(())
    }

    /// A device by name; none where there is none.
    pub async fn link(&self, name: &str) -> Result<Option<LinkMessage>, LinkError> {
        match self.handle.link().get().match_name(name.to_owned()).execute().try_next().await.map_err(LinkError::from) {
            Err(error) if error.is_gone() => Ok(None),
            outcome => outcome,
        }
    }

    /// Index of a device.
    pub async fn index(&self, name: &str) -> Result<u32, LinkError> {
        let link = self.link(name).await?.ok_or_else(|| LinkError::NoDevice(name.to_owned()))?;
        Ok(link.header.index)
    }

    /// All devices.
    pub async fn links(&self) -> Result<Vec<LinkMessage>, LinkError> {
        Ok(self.handle.link().get().execute().try_collect().await?)
    }

    /// All entries of one neighbour family; `Bridge` is that of forwarding entries.
    pub async fn neighbours(&self, family: AddressFamily) -> Result<Vec<NeighbourMessage>, LinkError> {
        Ok(self.handle.neighbours().get().set_address_family(family).execute().try_collect().await?)
    }

    /// All addresses.
    pub async fn addresses(&self) -> Result<Vec<AddressMessage>, LinkError> {
        Ok(self.handle.address().get().execute().try_collect().await?)
    }

    /// Changes a device's general attributes.
    pub async fn set(&self, message: LinkMessage) -> Result<(), LinkError> {
        Ok(self.handle.link().set(message).execute().await?)
    }

    /// Removes a device. Already gone is fine.
    pub async fn delete(&self, name: &str) -> Result<(), LinkError> {
        let Some(link) = self.link(name).await? else { return Ok(()) };
        super::gone_is_fine(self.handle.link().del(link.header.index).execute().await.map_err(LinkError::from))
    }
}

fn connect() -> Result<Opened, LinkError> {
    let failed = |error: io::Error| LinkError::Transport(error.to_string());
    let (connection, handle, _) = rtnetlink::new_connection().map_err(failed)?;
    Ok((connection, handle))
}
