//! Headers, tables and files that were cut short.

use super::*;
use crate::image::DiskFormat;
use crate::image::tests::judged;

type Change = fn(&mut Vec<u8>);
type Entry = fn(u64) -> u64;

const MIB: u64 = 1 << 20;
const CLUSTER: usize = 4096;

fn judge(bytes: &[u8]) -> Result<u64, &'static str> {
    judged(DiskFormat::Qcow2, bytes)
}

fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<u64, &'static str> {
    let mut bytes = blank(64 * MIB);
    change(&mut bytes);
    judge(&bytes)
}

fn put(bytes: &mut [u8], at: usize, octets: &[u8]) {
    bytes[at..at + octets.len()].copy_from_slice(octets);
}

/// An image with one L2 table and one cluster of data, whose entry in the table is as given.
fn with_data(entry: impl FnOnce(u64) -> u64) -> Vec<u8> {
    let mut bytes = blank(64 * MIB);
    let l2 = bytes.len();
    bytes.resize(l2 + 2 * CLUSTER, 0x55);
    bytes[l2..l2 + CLUSTER].fill(0);
    put(&mut bytes, 3 * CLUSTER, &(octets(l2) | 1 << 63).to_be_bytes());
    put(&mut bytes, l2, &entry(octets(l2 + CLUSTER)).to_be_bytes());
    bytes
}

#[test]
fn headers() {
    assert_eq!(judge(&blank(64 * MIB)), Ok(64 * MIB));
    assert_eq!(judge(&blank(1)), Ok(1));
    assert_eq!(judge(b"QFI"), Err("not_qcow2"));
    assert_eq!(judge(b""), Err("not_qcow2"));
    assert_eq!(judge(b"\x1f\x8b\x08 gzip"), Err("not_qcow2"));
    let table: [(&str, Change); 17] = [
        ("not_qcow2", |h| h[0] = 0),
        ("not_qcow2", |h| h.truncate(80)),
        ("qcow2_version", |h| h[7] = 9),
        ("qcow2_version", |h| h[7] = 1),
        ("qcow2_backing_file", |h| h[15] = 200),
        ("qcow2_backing_file", |h| h[19] = 1),
        ("qcow2_encrypted", |h| h[35] = 1),
        ("qcow2_features", |h| h[79] = 4),
        ("qcow2_features", |h| h[79] = 16),
        ("qcow2_features", |h| h[72] = 0x80),
        ("qcow2_damaged", |h| h[79] = 2),
        ("qcow2_empty", |h| h[24..32].fill(0)),
        ("qcow2_size", |h| h[24] = 0x80),
        ("qcow2_size", |h| h[24..32].fill(0xff)),
        ("qcow2_damaged", |h| h[23] = 8),
        ("qcow2_damaged", |h| h[23] = 22),
        ("qcow2_damaged", |h| h[99] = 7),
    ];
    for (number, (rule, change)) in table.into_iter().enumerate() {
        assert_eq!(changed(change), Err(rule), "number {number}");
    }
    assert_eq!(changed(|h| h[79] = 1), Ok(64 * MIB), "dirty refcounts harm no reader");
}

#[test]
fn tables_lie_inside_the_file() {
    assert_eq!(judge(&with_data(|at| at)), Ok(64 * MIB));
    let far: fn(&mut Vec<u8>, usize) = |h, at| put(h, at, &(1u64 << 40).to_be_bytes());
    for at in [40, 48, CLUSTER, 3 * CLUSTER] {
        assert_eq!(changed(|h| far(h, at)), Err("qcow2_damaged"), "a place at {at}");
        assert_eq!(changed(|h| put(h, at, &u64::MAX.to_be_bytes())), Err("qcow2_damaged"), "a place at {at}");
    }
    assert_eq!(changed(|h| put(h, 36, &u32::MAX.to_be_bytes())), Err("qcow2_damaged"), "a huge L1 table");
    assert_eq!(changed(|h| put(h, 36, &1u32.to_be_bytes())), Err("qcow2_damaged"), "an L1 table that is too short");
    assert_eq!(changed(|h| put(h, 56, &u32::MAX.to_be_bytes())), Err("qcow2_damaged"), "a huge refcount table");
    assert_eq!(changed(|h| put(h, 40, &4097u64.to_be_bytes())), Err("qcow2_damaged"), "askew");
    let data: [(Entry, bool); 8] = [
        (|_| 0, true),
        (|at| at | 1 << 63, true),
        (|_| 1 << 30, false),
        (|at| at + 512, false),
        (|_| 1 << 30 | 1, true),
        (|at| at | COMPRESSED, true),
        (|at| (at + 4095) | COMPRESSED | 1 << 58, false),
        (|_| 1 << 30 | COMPRESSED, false),
    ];
    for (number, (entry, is_whole)) in data.into_iter().enumerate() {
        let wanted = if is_whole { Ok(64 * MIB) } else { Err("qcow2_damaged") };
        assert_eq!(judge(&with_data(entry)), wanted, "number {number}");
    }
}

#[test]
fn a_file_that_was_cut_short_anywhere_is_refused() {
    let whole = with_data(|at| at);
    for cut in 0..whole.len() - 511 {
        assert!(matches!(judge(&whole[..cut]), Err("qcow2_damaged" | "not_qcow2")), "cut at {cut}");
    }
}

#[test]
fn tables_that_overlap_cost_no_more_than_the_file() {
    // Every entry of the L1 table is the same L2 table.
    let mut bytes = with_data(|at| at);
    let l2 = bytes.len() - 2 * CLUSTER;
    for entry in 0..16 {
        put(&mut bytes, 3 * CLUSTER + 8 * entry, &octets(l2).to_be_bytes());
    }
    assert_eq!(judge(&bytes), Err("qcow2_damaged"));
}

#[test]
fn a_file_much_longer_than_its_disk_is_refused() {
    let mut bytes = blank(MIB);
    bytes.resize(bytes.len() + (32 << 20), 0x55);
    assert_eq!(judge(&bytes), Err("qcow2_longer_than_disk"));
    bytes.truncate(2 << 20);
    assert_eq!(judge(&bytes), Ok(MIB));
}
