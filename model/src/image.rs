//! Images: formats, and the life of one from its record to its bytes.
//!
//! ```text
//!   queued ──upload──> uploading ──checked──> active
//!     ^                    │
//!     └──── upload fails ──┘      (the record stays, the bytes are thrown away)
//! ```

use crate::Invalid;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The format of an image's bytes. It is declared, checked against the bytes at upload, and stored;
/// nothing ever guesses it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFormat {
    /// QEMU copy-on-write, version 2 or 3, without backing or external data file.
    Qcow2,
    /// The plain bytes of a disk.
    Raw,
}

impl DiskFormat {
    /// The word in the database, on the wire and for qemu-img.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
        }
    }
}

impl FromStr for DiskFormat {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "qcow2" => Ok(Self::Qcow2),
            "raw" => Ok(Self::Raw),
            _ => Err(Invalid::new("disk_format_unknown", format!("{text:?} is not a disk format; qcow2 and raw are"))),
        }
    }
}

/// Where an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageStatus {
    /// Recorded; no bytes yet.
    Queued,
    /// Bytes are arriving.
    Uploading,
    /// Bytes are complete, checked and can be used.
    Active,
}

impl ImageStatus {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Uploading => "uploading",
            Self::Active => "active",
        }
    }
}

impl FromStr for ImageStatus {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "queued" => Ok(Self::Queued),
            "uploading" => Ok(Self::Uploading),
            "active" => Ok(Self::Active),
            _ => Err(Invalid::new("image_status_unknown", format!("{text:?} is not an image status"))),
        }
    }
}

/// Octets of a qcow2 header that [`qcow2_inspect`] needs.
pub const QCOW2_HEADER_BYTES: usize = 104;

/// Reads the header of a qcow2 image and returns its virtual size in bytes.
///
/// Refuses what would let an uploader reach other files of the host: a backing file, an external
/// data file, encryption by key files, and features this version does not know. Layout: QEMU's
/// `docs/interop/qcow2.txt`, all numbers big-endian.
pub fn qcow2_inspect(header: &[u8]) -> Result<u64, Invalid> {
    const INCOMPATIBLE_DIRTY: u64 = 1;
    const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
    let number = |at: usize, size: usize| header[at..at + size].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    if header.len() < 72 || &header[..4] != b"QFI\xfb" {
        return Err(Invalid::new(
            "not_qcow2",
            "the bytes do not start with a qcow2 header; was disk_format meant to be raw?",
        ));
    }
    let version = number(4, 4);
    if !(2..=3).contains(&version) {
        return Err(Invalid::new(
            "qcow2_version",
            format!("qcow2 version {version} is not supported; convert it with qemu-img convert -O qcow2"),
        ));
    }
    if number(8, 8) != 0 || number(16, 4) != 0 {
        return Err(Invalid::new(
            "qcow2_backing_file",
            "the image refers to a backing file; flatten it with qemu-img convert -O qcow2",
        ));
    }
    if number(32, 4) != 0 {
        return Err(Invalid::new("qcow2_encrypted", "the image is encrypted; upload it decrypted"));
    }
    if version == 3 {
        if header.len() < QCOW2_HEADER_BYTES {
            return Err(Invalid::new("not_qcow2", "the qcow2 header is cut short"));
        }
        let unknown = number(72, 8) & !(INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION);
        if unknown != 0 {
            return Err(Invalid::new(
                "qcow2_features",
                "the image uses an external data file or other features that are not allowed; convert it with qemu-img convert -O qcow2",
            ));
        }
    }
    match number(24, 8) {
        0 => Err(Invalid::new("qcow2_empty", "the image has a virtual size of 0")),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(change: impl FnOnce(&mut [u8; 104])) -> [u8; 104] {
        let mut h = [0u8; 104];
        h[..4].copy_from_slice(b"QFI\xfb");
        h[7] = 3;
        h[28..32].copy_from_slice(&(1u32 << 30).to_be_bytes());
        change(&mut h);
        h
    }

    #[test]
    fn qcow2_headers() {
        assert_eq!(qcow2_inspect(&header(|_| {})), Ok(1 << 30));
        let table: [(&str, [u8; 104]); 6] = [
            ("not_qcow2", header(|h| h[0] = 0)),
            ("qcow2_version", header(|h| h[7] = 9)),
            ("qcow2_backing_file", header(|h| h[15] = 200)),
            ("qcow2_encrypted", header(|h| h[35] = 1)),
            ("qcow2_features", header(|h| h[79] = 4)),
            ("qcow2_empty", header(|h| h[24..32].fill(0))),
        ];
        for (rule, bytes) in table {
            assert_eq!(qcow2_inspect(&bytes).unwrap_err().rule, rule);
        }
        assert_eq!(qcow2_inspect(b"QFI").unwrap_err().rule, "not_qcow2");
        assert_eq!(qcow2_inspect(&header(|_| {})[..80]).unwrap_err().rule, "not_qcow2");
    }
}
