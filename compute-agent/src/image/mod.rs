//! Images on this host: fetched once, checked while they arrive, shared by all disks over them.

mod cache;
mod fetch;

pub use cache::{ImageCache, Lease};

use iroko_agent_link::ImageError;
use iroko_agent_wire::ImageSpec;
use iroko_model::{ImageId, Invalid};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Name of an image's file in the cache: other bytes under the same id are another file.
pub fn file_name(image: &ImageSpec) -> String {
    format!("{}-{}.{}", image.id, image.sha256, image.format.as_str())
}

/// Why an image is not in the cache.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CacheError {
    /// The control plane does not have it.
    #[error("the control plane has no image {0}")]
    NotFound(ImageId),
    /// Its bytes did not all come in time.
    #[error("image {id} did not arrive within {within:?}")]
    Late {
        /// The image.
        id: ImageId,
        /// The time it had.
        within: Duration,
        /// What last went wrong.
        #[source]
        source: Option<Arc<ImageError>>,
    },
    /// The bytes are not those that were promised.
    #[error("image {id} has the SHA-256 {found}, {wanted} was promised")]
    Checksum {
        /// The image.
        id: ImageId,
        /// Checksum of the spec.
        wanted: String,
        /// Checksum of the bytes.
        found: String,
    },
    /// There are more or fewer bytes than promised.
    #[error("image {id} has {found} bytes, {wanted} were promised")]
    Length {
        /// The image.
        id: ImageId,
        /// Length in the spec.
        wanted: u64,
        /// Bytes that came, at least.
        found: u64,
    },
    /// Its header is not what the spec says, or could reach other files of the host.
    #[error("image {id} is not what it was registered as")]
    Header {
        /// The image.
        id: ImageId,
        /// The rule it breaks.
        #[source]
        source: Invalid,
    },
    /// The cache's directory could not be read or written.
    #[error("the image cache could not be used: {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The images in use leave no room for it in the cache.
    #[error(
        "image {id} of {size_bytes} octets does not fit into the cache of {bound_bytes} octets beside the images in use"
    )]
    NoRoom {
        /// The image.
        id: ImageId,
        /// Its length.
        size_bytes: u64,
        /// The cache's bound.
        bound_bytes: u64,
    },
    /// The download that others waited for was given up by its task.
    #[error("the download was interrupted")]
    Interrupted,
}

impl CacheError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source: Arc::new(source) }
    }

    /// True where another attempt would end the same.
    pub const fn is_permanent(&self) -> bool {
        match self {
            // Ids are never used again, and bytes with the promised checksum never become others.
            Self::NotFound(_) | Self::Header { .. } => true,
            // A source can be mended, room be made.
            Self::Checksum { .. } | Self::Length { .. } | Self::Late { .. } => false,
            Self::Io { .. } | Self::NoRoom { .. } | Self::Interrupted => false,
        }
    }

    /// True where the bytes were not those that were promised.
    pub(crate) const fn is_mismatch(&self) -> bool {
        matches!(self, Self::Checksum { .. } | Self::Length { .. } | Self::Header { .. })
    }

    /// True where the host's disk has no room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }

    /// For the tenant.
    pub fn public(&self) -> String {
        match self {
            Self::NotFound(id) => format!("image {id} does not exist any more: choose another image"),
            Self::Late { id, .. } => format!("image {id} did not reach the host in time: try again later"),
            Self::Checksum { id, wanted, found } => format!(
                "image {id} arrived with the SHA-256 {found} instead of {wanted} and was thrown away: \
                 an operator must check where images are stored"
            ),
            Self::Length { id, wanted, found } => {
                format!("image {id} arrived with {found} bytes instead of {wanted} and was thrown away")
            }
            Self::Header { id, source } => format!("image {id} cannot be used: {source}"),
            Self::Io { .. } => "the host could not store the image; an operator finds the cause in its log".into(),
            Self::NoRoom { id, .. } => format!(
                "image {id} does not fit into the host's image cache beside the images in use; an operator must make room"
            ),
            Self::Interrupted => "the host stopped fetching the image".into(),
        }
    }
}
