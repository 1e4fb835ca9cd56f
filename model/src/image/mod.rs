//! Images: formats, and the life of one from its record to its bytes.
//!
//! ```text
//!   queued ──upload──> uploading ──checked──> active
//!     ^                    │
//!     └──── upload fails ──┘      (the record stays, the bytes are thrown away)
//! ```
//!
//! [`raw`] says of bytes that are declared raw what else they plainly are, [`qcow2`] reads the header and
//! the tables of a qcow2 file. Both are pure: whoever has the file hands in a way to read it, of which [`OnDisk`] is one.

pub mod qcow2;
pub mod raw;

use crate::Invalid;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
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

/// Largest disk an image may declare, 1 PiB: every size in octets then fits an `i64` with room to spare.
pub const VIRTUAL_SIZE_MAX_BYTES: u64 = 1 << 50;

/// Reads the bytes of an image at places. A read beyond the end is an error.
pub trait ReadAt {
    /// Why bytes could not be read.
    type Error;
    /// Length of the file.
    fn length(&self) -> u64;
    /// Fills `into` with the bytes from `at` on.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), Self::Error>;
}

/// An image in a file.
#[derive(Debug)]
pub struct OnDisk {
    /// The file.
    pub file: File,
    /// Its length in octets.
    pub length: u64,
}

impl ReadAt for OnDisk {
    type Error = io::Error;
    fn length(&self) -> u64 {
        self.length
    }
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }
}

/// Why an image was not accepted: its bytes, or the file they are in.
#[derive(Debug)]
pub enum Fault<E> {
    /// A rule that the bytes break.
    Bytes(Invalid),
    /// They could not be read.
    Read(E),
}

/// A length the file has for certain, or was checked against.
pub(crate) fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Checks the bytes of an image against the format they are declared as, and returns the size of the disk
/// the guest sees. What is read is bounded: [`qcow2::TABLES_MAX_BYTES`] and two sectors.
pub fn inspect<R: ReadAt>(format: DiskFormat, file: &mut R) -> Result<u64, Fault<R::Error>> {
    match format {
        DiskFormat::Qcow2 => qcow2::inspect(file),
        DiskFormat::Raw => raw::inspect(file),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file in memory.
    pub(crate) struct Memory(pub Vec<u8>);

    impl ReadAt for Memory {
        type Error = String;
        fn length(&self) -> u64 {
            octets(self.0.len())
        }
        fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), String> {
            let at = usize::try_from(at).map_err(|e| e.to_string())?;
            let end = at.checked_add(into.len()).ok_or("overflow")?;
            into.copy_from_slice(self.0.get(at..end).ok_or_else(|| format!("{at} to {end} is beyond the end"))?);
            Ok(())
        }
    }

    /// The rule that bytes break, or the size of their disk.
    pub(crate) fn judged(format: DiskFormat, bytes: &[u8]) -> Result<u64, &'static str> {
        inspect(format, &mut Memory(bytes.to_vec())).map_err(|fault| match fault {
            Fault::Bytes(invalid) => invalid.rule,
            Fault::Read(error) => panic!("read beyond its bounds: {error}"),
        })
    }
}
