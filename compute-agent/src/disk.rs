//! An instance's disk: a qcow2 overlay over a cached image, made by `qemu-img` in a bounded child.
//!
//! Formats are always explicit; the image's own header never chooses one.

use iroko_daemon::private;
use iroko_model::image::DiskFormat;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const GIB: u64 = 1 << 30;

/// Why qemu-img did not do it.
#[derive(Debug, thiserror::Error)]
pub enum QemuImgError {
    /// The file could not be made.
    #[error("the disk's file could not be made")]
    File(#[source] io::Error),
    /// It could not be started.
    #[error("qemu-img could not be started")]
    Start(#[source] io::Error),
    /// It took longer than it may and was killed.
    #[error("qemu-img took longer than {0:?}")]
    Late(Duration),
    /// It said no.
    #[error("qemu-img: {0}")]
    Refused(String),
}

impl QemuImgError {
    /// True where the host's disk has no room. qemu-img says so in words only.
    pub fn is_full(&self) -> bool {
        match self {
            Self::File(error) | Self::Start(error) => error.kind() == io::ErrorKind::StorageFull,
            Self::Refused(words) => words.contains("No space left on device"),
            Self::Late(_) => false,
        }
    }
}

/// Size of the disk: the flavor's, never less than the image's.
///
/// Errs with the smallest flavor disk, in GiB, that would do.
pub const fn size_bytes(image_bytes: u64, flavor_gib: u64) -> Result<u64, u64> {
    let flavor_bytes = flavor_gib.saturating_mul(GIB);
    if flavor_bytes < image_bytes { Err(image_bytes.div_ceil(GIB)) } else { Ok(flavor_bytes) }
}

/// The `qemu-img` of this host.
#[derive(Debug, Clone)]
pub struct QemuImg {
    /// The binary.
    pub program: PathBuf,
    /// Longest run.
    pub timeout: Duration,
}

impl QemuImg {
    /// Makes a qcow2 file at `path` over `backing`, which nobody else reads from its first byte on. Dropped
    /// half-way, it is killed.
    pub async fn create_overlay(
        &self,
        path: &Path,
        backing: &Path,
        format: DiskFormat,
        size: u64,
    ) -> Result<(), QemuImgError> {
        private::open(&private::new_file(), path).map_err(QemuImgError::File)?;
        let mut command = Command::new(&self.program);
        command.args(["create", "-q", "-f", "qcow2", "-F", format.as_str(), "-b"]).arg(backing).arg(path);
        command.arg(size.to_string());
        self.run(command).await
    }

    async fn run(&self, mut command: Command) -> Result<(), QemuImgError> {
        command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(QemuImgError::Start)?;
        let output = tokio::time::timeout(self.timeout, child.wait_with_output())
            .await
            .map_err(|_| QemuImgError::Late(self.timeout))?
            .map_err(QemuImgError::Start)?;
        if output.status.success() {
            return Ok(());
        }
        Err(QemuImgError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_never_smaller_than_its_image() {
        assert_eq!(size_bytes(3 * GIB, 10), Ok(10 * GIB));
        assert_eq!(size_bytes(3 * GIB, 3), Ok(3 * GIB));
        assert_eq!(size_bytes(3 * GIB, 2), Err(3));
        assert_eq!(size_bytes(3 * GIB + 1, 3), Err(4));
        assert_eq!(size_bytes(1, 0), Err(1));
    }
}
