//! qcow2 images: the header and all tables, read to find out whether the file is whole and alone.
//!
//! ```text
//!  header ──> refcount table ──> refcount blocks
//!     └─────> L1 table ──> L2 tables ──> clusters of data (only their places are looked at)
//! ```
//!
//! A file that was cut short has a right header and points beyond its end. Refused as well is what would let
//! an uploader reach other files of a host: a backing file, an external data file, encryption by key files,
//! and features this version does not know. Layout: QEMU's `docs/interop/qcow2.txt`, all numbers big-endian.

use super::raw::{self, HEAD_BYTES};
use super::{Fault, ReadAt, VIRTUAL_SIZE_MAX_BYTES, octets};
use crate::Invalid;

/// Most octets of tables that are read of one image: enough for 4 TiB in clusters of the usual 64 KiB.
pub const TABLES_MAX_BYTES: u64 = 512 << 20;
/// QEMU's own bound on an L1 table.
const L1_MAX_BYTES: u64 = 32 << 20;
/// QEMU's own bound on a refcount table.
const REFCOUNT_TABLE_MAX_BYTES: u64 = 8 << 20;
/// Places of tables and clusters in their entries.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const ZEROES: u64 = 1;
const SECTOR: u64 = 512;
const V2_HEADER_BYTES: usize = 72;
const V3_HEADER_BYTES: usize = 104;

const INCOMPATIBLE_DIRTY: u64 = 1;
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Size of the disk the guest sees, in octets.
    pub virtual_size: u64,
    version: u64,
    cluster_bits: u32,
    l1_entries: u64,
    l1_at: u64,
    refcount_at: u64,
    refcount_clusters: u64,
}

impl Header {
    const fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Most octets a file with this header may have: its disk, a quarter more for tables and leaks, and
    /// some clusters. A larger file holds what no guest sees.
    pub const fn file_max_bytes(&self) -> u64 {
        self.virtual_size + self.virtual_size / 4 + 16 * self.cluster() + (1 << 20)
    }
}

fn refused<T>(rule: &'static str, text: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid::new(rule, text))
}

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes.iter().skip(at).take(size).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Reads the first bytes of a file, at least 104 where it has as many.
pub fn header(head: &[u8]) -> Result<Header, Invalid> {
    if !head.starts_with(b"QFI\xfb") {
        let text = match raw::recognize(head) {
            Some(foreign) => format!("the bytes are declared qcow2 and are of the format {}", foreign.name),
            None => "the bytes do not start with a qcow2 header; was disk_format meant to be raw?".to_owned(),
        };
        return refused("not_qcow2", text);
    }
    let cut_short = "the qcow2 header is cut short";
    if head.len() < V2_HEADER_BYTES {
        return refused("not_qcow2", cut_short);
    }
    let version = number(head, 4, 4);
    if !(2..=3).contains(&version) {
        return refused(
            "qcow2_version",
            format!("qcow2 version {version} is not supported; convert it with qemu-img convert -O qcow2"),
        );
    }
    if version == 3 && head.len() < V3_HEADER_BYTES {
        return refused("not_qcow2", cut_short);
    }
    alone(head, version)?;
    let cluster_bits = match u32::try_from(number(head, 20, 4)) {
        Ok(bits) if (9..=21).contains(&bits) => bits,
        _ => return damaged(),
    };
    if version == 3 && number(head, 96, 4) > 6 {
        return damaged();
    }
    let virtual_size = match number(head, 24, 8) {
        0 => return refused("qcow2_empty", "the image has a virtual size of 0"),
        size @ 1..=VIRTUAL_SIZE_MAX_BYTES => size,
        size => {
            let text =
                format!("the image says that its disk has {size} octets; a disk has at most {VIRTUAL_SIZE_MAX_BYTES}");
            return refused("qcow2_size", text);
        }
    };
    let header = Header {
        virtual_size,
        version,
        cluster_bits,
        l1_entries: number(head, 36, 4),
        l1_at: number(head, 40, 8),
        refcount_at: number(head, 48, 8),
        refcount_clusters: number(head, 56, 4),
    };
    if header.l1_entries < virtual_size.div_ceil(header.cluster() * (header.cluster() / 8)) {
        return damaged();
    }
    Ok(header)
}

/// Nothing but this file is needed to read it.
fn alone(head: &[u8], version: u64) -> Result<(), Invalid> {
    if number(head, 8, 8) != 0 || number(head, 16, 4) != 0 {
        return refused(
            "qcow2_backing_file",
            "the image refers to a backing file; flatten it with qemu-img convert -O qcow2",
        );
    }
    if number(head, 32, 4) != 0 {
        return refused("qcow2_encrypted", "the image is encrypted; upload it decrypted");
    }
    if version < 3 {
        return Ok(());
    }
    let features = number(head, 72, 8);
    if features & INCOMPATIBLE_CORRUPT != 0 {
        return damaged();
    }
    // 0 is zlib, 1 is zstd; a header of 104 octets has no such field.
    let is_other_compression =
        features & INCOMPATIBLE_COMPRESSION != 0 && number(head, 100, 4) > 104 && number(head, 104, 1) > 1;
    if features & !(INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION) != 0 || is_other_compression {
        return refused(
            "qcow2_features",
            "the image uses an external data file or other features that are not allowed; convert it with qemu-img convert -O qcow2",
        );
    }
    Ok(())
}

fn damaged<T>() -> Result<T, Invalid> {
    refused(
        "qcow2_damaged",
        "the qcow2 image is damaged or was cut short; fetch it again, or repair it with qemu-img check -r all",
    )
}

/// Reads header and tables of a file and returns the size of the disk the guest sees.
pub(super) fn inspect<R: ReadAt>(file: &mut R) -> Result<u64, Fault<R::Error>> {
    let length = file.length();
    let mut head = vec![0; usize::try_from(length).unwrap_or(HEAD_BYTES).min(HEAD_BYTES)];
    file.read_at(0, &mut head).map_err(Fault::Read)?;
    let header = header(&head).map_err(Fault::Bytes)?;
    if length > header.file_max_bytes() {
        return Err(Fault::Bytes(too_long(&header)));
    }
    let mut walk = Walk { file, length, cluster: header.cluster(), left: TABLES_MAX_BYTES.min(length) };
    walk.refcounts(&header)?;
    walk.clusters(&header)?;
    Ok(header.virtual_size)
}

/// The refusal of a file that is far longer than its disk.
pub fn too_long(header: &Header) -> Invalid {
    Invalid::new(
        "qcow2_longer_than_disk",
        format!(
            "the file is far larger than the disk of {} octets it declares; rewrite it with qemu-img convert -O qcow2, which leaves out what no guest sees",
            header.virtual_size
        ),
    )
}

/// An image of an empty disk, in clusters of 4 KiB and as short as that allows. For tests and simulations.
pub fn blank(virtual_size: u64) -> Vec<u8> {
    const BITS: u32 = 12;
    const CLUSTER: usize = 1 << BITS;
    let l1_entries = virtual_size.div_ceil(1 << (2 * BITS - 3));
    let l1_bytes = usize::try_from(l1_entries * 8).unwrap_or(usize::MAX);
    let mut image = vec![0; 3 * CLUSTER + l1_bytes.next_multiple_of(CLUSTER)];
    let mut put = |at: usize, octets: &[u8]| image[at..at + octets.len()].copy_from_slice(octets);
    put(0, b"QFI\xfb\0\0\0\x03");
    put(20, &BITS.to_be_bytes());
    put(24, &virtual_size.to_be_bytes());
    put(36, &u32::try_from(l1_entries).unwrap_or(u32::MAX).to_be_bytes());
    for (at, cluster) in [(40, 3), (48, 1), (CLUSTER, 2)] {
        put(at, &(octets(CLUSTER) * cluster).to_be_bytes());
    }
    put(56, &1u32.to_be_bytes());
    // Refcounts of 16 bits; every cluster is used once.
    put(96, &4u32.to_be_bytes());
    put(100, &104u32.to_be_bytes());
    for cluster in 0..(3 + l1_bytes.div_ceil(CLUSTER)).min(CLUSTER / 2) {
        put(2 * CLUSTER + 2 * cluster, &1u16.to_be_bytes());
    }
    image
}

struct Walk<'a, R> {
    file: &'a mut R,
    length: u64,
    cluster: u64,
    /// Octets of tables that may still be read.
    left: u64,
}

impl<R: ReadAt> Walk<'_, R> {
    fn damaged<T>() -> Result<T, Fault<R::Error>> {
        damaged().map_err(Fault::Bytes)
    }

    /// A table at its place. Both come from the file, so nothing is taken on trust. Tables never share
    /// octets, so all of them together are no longer than the file.
    fn table(&mut self, at: u64, bytes: u64) -> Result<Vec<u8>, Fault<R::Error>> {
        self.inside(at, bytes)?;
        if !at.is_multiple_of(self.cluster) || at == 0 {
            return Self::damaged();
        }
        self.left = match self.left.checked_sub(bytes) {
            Some(left) => left,
            None if self.length > TABLES_MAX_BYTES => {
                let text = format!(
                    "the tables of the image are larger than {} MiB; convert it with larger clusters",
                    TABLES_MAX_BYTES >> 20
                );
                return Err(Fault::Bytes(Invalid::new("qcow2_tables", text)));
            }
            None => return Self::damaged(),
        };
        let mut table = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.file.read_at(at, &mut table).map_err(Fault::Read)?;
        Ok(table)
    }

    /// QEMU pads no file to a whole sector, and reads zeroes behind its end.
    fn inside(&self, at: u64, bytes: u64) -> Result<(), Fault<R::Error>> {
        match at.checked_add(bytes) {
            Some(end) if end <= self.length => Ok(()),
            _ => Self::damaged(),
        }
    }

    fn refcounts(&mut self, header: &Header) -> Result<(), Fault<R::Error>> {
        let bytes = header.refcount_clusters.saturating_mul(self.cluster);
        if bytes == 0 || bytes > REFCOUNT_TABLE_MAX_BYTES {
            return Self::damaged();
        }
        let table = self.table(header.refcount_at, bytes)?;
        for entry in table.chunks_exact(8).map(|entry| number(entry, 0, 8) & !(SECTOR - 1)).filter(|at| *at != 0) {
            if !entry.is_multiple_of(self.cluster) {
                return Self::damaged();
            }
            self.inside(entry, self.cluster)?;
        }
        Ok(())
    }

    fn clusters(&mut self, header: &Header) -> Result<(), Fault<R::Error>> {
        let bytes = header.l1_entries.saturating_mul(8);
        if bytes > L1_MAX_BYTES {
            return Self::damaged();
        }
        let l1 = self.table(header.l1_at, bytes)?;
        let covered = self.cluster * (self.cluster / 8);
        let mut guest = 0u64;
        for entry in l1.chunks_exact(8).map(|entry| number(entry, 0, 8) & OFFSET) {
            // Entries behind the disk's end are of no use to anybody.
            if entry != 0 && guest < header.virtual_size {
                let l2 = self.table(entry, self.cluster)?;
                self.l2(header, &l2, guest)?;
            }
            guest = guest.saturating_add(covered);
        }
        Ok(())
    }

    fn l2(&self, header: &Header, table: &[u8], mut guest: u64) -> Result<(), Fault<R::Error>> {
        // Of a compressed cluster's entry the low bits are its place, those above count further sectors.
        let place_bits = 62 - (header.cluster_bits - 8);
        for entry in table.chunks_exact(8).map(|entry| number(entry, 0, 8)) {
            let (at, bytes) = if entry & COMPRESSED != 0 {
                let at = entry & ((1 << place_bits) - 1);
                let further_sectors = (entry & (COMPRESSED - 1)) >> place_bits;
                // Its last sector holds a byte of it at least; the file need not be padded to the sector's end.
                ((at & !(SECTOR - 1)) + further_sectors * SECTOR, 1)
            } else if header.version >= 3 && entry & ZEROES != 0 {
                (0, 0)
            } else {
                let at = entry & OFFSET;
                if !at.is_multiple_of(self.cluster) {
                    return Self::damaged();
                }
                // What of the cluster lies on the disk, in whole sectors short of the last.
                let used = header.virtual_size.saturating_sub(guest).min(self.cluster);
                (at, if at == 0 { 0 } else { used.saturating_sub(SECTOR - 1).max(1) })
            };
            if guest < header.virtual_size {
                self.inside(at, bytes)?;
            }
            guest = guest.saturating_add(self.cluster);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "qcow2_tests.rs"]
mod tests;
