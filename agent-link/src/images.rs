//! Where the compute-agent gets the bytes of an image from.

use bytes::Bytes;
use futures::stream::BoxStream;
use iroko_model::ImageId;

/// The bytes of an image, in order.
pub type ImageStream = BoxStream<'static, Result<Bytes, ImageError>>;

/// Why the bytes did not come.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The control plane has no such image (any more).
    #[error("the control plane has no image {0}")]
    NotFound(ImageId),
    /// The control plane could not be reached, or the stream broke; try again from the offset.
    #[error("the image could not be read from the control plane")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A source of image bytes: the control plane, or a fake in tests.
#[async_trait::async_trait]
pub trait ImageSource: Send + Sync {
    /// Streams the image from byte `offset` on.
    async fn image(&self, id: ImageId, offset: u64) -> Result<ImageStream, ImageError>;
}
