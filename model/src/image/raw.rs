//! Raw images: the plain bytes of a disk, which may be anything but what is plainly something else.
//!
//! A file that a vendor offers compressed, or in another format, starts with a signature of its own. Such
//! bytes written to a disk make an instance without a boot device, so they are refused with what to do.
//! An ISO image or a bare file system is a disk, and is taken.

use super::{Fault, ReadAt, VIRTUAL_SIZE_MAX_BYTES, octets};
use crate::Invalid;

/// The first bytes of a file that [`recognize`] looks at.
pub const HEAD_BYTES: usize = 512;
/// Formats that end in a sector of their own.
const TAIL_BYTES: usize = 512;

/// What bytes plainly are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// The format, as people call it.
    pub name: &'static str,
    advice: Advice,
}

/// What its owner can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advice {
    /// It is the other declared format.
    DeclareQcow2,
    /// `qemu-img` knows it by this name.
    Convert(&'static str),
    /// The disk is inside, unpacked by this program.
    Unpack(&'static str),
    /// There is no disk in it.
    Fetch,
}

impl Foreign {
    fn refusal(self) -> Invalid {
        let name = self.name;
        let text = match self.advice {
            Advice::DeclareQcow2 => {
                "the bytes are declared raw and are a qcow2 image: make the image with disk_format qcow2".to_owned()
            }
            Advice::Convert(format) => format!(
                "the bytes are declared raw and are of the format {name}: convert them with qemu-img convert -f {format} -O qcow2 and declare qcow2"
            ),
            Advice::Unpack(program) => format!(
                "the bytes are declared raw and are packed by {name}: unpack them with {program} and upload the disk that is inside"
            ),
            Advice::Fetch => format!("the bytes are declared raw and are no disk ({name}): fetch the disk image again"),
        };
        Invalid::new("not_raw", text)
    }
}

/// Signatures: where, which octets, what it is.
const SIGNATURES: &[(usize, &[u8], &str, Advice)] = &[
    (0, b"QFI\xfb", "qcow2", Advice::DeclareQcow2),
    (0, b"QED\0", "QED", Advice::Convert("qed")),
    (0, b"KDMV", "VMDK", Advice::Convert("vmdk")),
    (0, b"COWD", "VMDK", Advice::Convert("vmdk")),
    (0, b"# Disk DescriptorFile", "VMDK", Advice::Convert("vmdk")),
    (0x40, b"\x7f\x10\xda\xbe", "VDI", Advice::Convert("vdi")),
    (0, b"vhdxfile", "VHDX", Advice::Convert("vhdx")),
    (0, b"conectix", "VHD", Advice::Convert("vpc")),
    (0, b"WithoutFreeSpace", "Parallels", Advice::Convert("parallels")),
    (0, b"WithouFreSpacExt", "Parallels", Advice::Convert("parallels")),
    (0, b"Bochs Virtual HD Image", "Bochs", Advice::Convert("bochs")),
    (0, b"\x3a\xff\x26\xed", "Android sparse", Advice::Unpack("simg2img")),
    (0, b"\x1f\x8b\x08", "gzip", Advice::Unpack("gunzip")),
    (0, b"\xfd7zXZ\0", "xz", Advice::Unpack("unxz")),
    (0, b"\x5d\0\0\x80\0", "lzma", Advice::Unpack("unlzma")),
    (0, b"\x5d\0\0\0\x04", "lzma", Advice::Unpack("unlzma")),
    (0, b"\x28\xb5\x2f\xfd", "zstd", Advice::Unpack("unzstd")),
    (0, b"\x04\x22\x4d\x18", "lz4", Advice::Unpack("unlz4")),
    (0, b"LZIP", "lzip", Advice::Unpack("lzip -d")),
    (0, b"\x89LZO\0\r\n", "lzop", Advice::Unpack("lzop -d")),
    (0, b"\x1f\x9d\x90", "compress", Advice::Unpack("uncompress")),
    (0, b"BZh", "bzip2", Advice::Unpack("bunzip2")),
    (0, b"PK\x03\x04", "zip", Advice::Unpack("unzip")),
    (0, b"PK\x05\x06", "zip", Advice::Fetch),
    (0, b"PK\x07\x08", "zip", Advice::Unpack("unzip")),
    (0, b"7z\xbc\xaf\x27\x1c", "7z", Advice::Unpack("7z x")),
    (0, b"Rar!\x1a\x07", "RAR", Advice::Unpack("unrar")),
    (0, b"xar!", "xar", Advice::Unpack("xar -x")),
    (0, b"MSWIM\0\0\0", "WIM", Advice::Unpack("wimapply")),
    (257, b"ustar", "tar or OVA", Advice::Unpack("tar -x")),
    (0, b"070701", "cpio", Advice::Unpack("cpio -i")),
    (0, b"070702", "cpio", Advice::Unpack("cpio -i")),
    (0, b"070707", "cpio", Advice::Unpack("cpio -i")),
    (0, b"!<arch>\n", "ar", Advice::Fetch),
    (0, b"\x7fELF", "ELF", Advice::Fetch),
    (0, b"<!DOCTYPE", "HTML", Advice::Fetch),
    (0, b"<!doctype", "HTML", Advice::Fetch),
    (0, b"<html", "HTML", Advice::Fetch),
    (0, b"<HTML", "HTML", Advice::Fetch),
    (0, b"<?xml", "XML", Advice::Fetch),
    (0, b"version https://git-lfs.github.com/", "Git LFS", Advice::Fetch),
];

/// What the first bytes of a file plainly are; `None` where they may be a disk.
pub fn recognize(head: &[u8]) -> Option<Foreign> {
    let has = |(at, octets): (usize, &[u8])| head.get(at..).is_some_and(|rest| rest.starts_with(octets));
    let (.., name, advice) = SIGNATURES.iter().find(|(at, octets, ..)| has((*at, octets)))?;
    Some(Foreign { name, advice: *advice })
}

/// Signatures of a last sector.
fn recognize_tail(tail: &[u8]) -> Option<Foreign> {
    let foreign = |name, advice| Some(Foreign { name, advice });
    match tail {
        [b'c', b'o', b'n', b'e', b'c', b't', b'i', b'x', ..] => foreign("VHD", Advice::Convert("vpc")),
        [b'k', b'o', b'l', b'y', ..] => foreign("DMG", Advice::Convert("dmg")),
        _ => None,
    }
}

/// Refuses what the first bytes plainly are.
pub fn check_head(head: &[u8]) -> Result<(), Invalid> {
    recognize(head).map_or(Ok(()), |foreign| Err(foreign.refusal()))
}

/// Checks a raw image; its disk is as large as the file.
pub(super) fn inspect<R: ReadAt>(file: &mut R) -> Result<u64, Fault<R::Error>> {
    let length = file.length();
    let refused = |rule, text: String| Err(Fault::Bytes(Invalid::new(rule, text)));
    match length {
        0 => return refused("image_empty", "the upload has no bytes".to_owned()),
        1..=VIRTUAL_SIZE_MAX_BYTES => {}
        _ => return refused("image_size", format!("a disk has at most {VIRTUAL_SIZE_MAX_BYTES} octets")),
    }
    let mut head = vec![0; usize::try_from(length).unwrap_or(HEAD_BYTES).min(HEAD_BYTES)];
    file.read_at(0, &mut head).map_err(Fault::Read)?;
    check_head(&head).map_err(Fault::Bytes)?;
    let mut tail = [0; TAIL_BYTES];
    if let Some(at) = length.checked_sub(octets(TAIL_BYTES)) {
        file.read_at(at, &mut tail).map_err(Fault::Read)?;
    }
    match recognize_tail(&tail) {
        Some(foreign) => Err(Fault::Bytes(foreign.refusal())),
        None => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::DiskFormat;
    use crate::image::tests::judged;

    fn disk(at: usize, octets: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[at..at + octets.len()].copy_from_slice(octets);
        bytes
    }

    #[test]
    fn every_signature_is_refused_where_it_stands_and_nowhere_else() {
        for (at, octets, name, _) in SIGNATURES {
            assert_eq!(judged(DiskFormat::Raw, &disk(*at, octets)), Err("not_raw"), "{name}");
            assert_eq!(judged(DiskFormat::Raw, &disk(at + 1024, octets)), Ok(4096), "{name}");
            assert_eq!(judged(DiskFormat::Raw, octets).is_err(), *at == 0, "{name}, cut short");
        }
        for octets in [&b"conectix"[..], b"koly"] {
            assert_eq!(judged(DiskFormat::Raw, &disk(4096 - 512, octets)), Err("not_raw"));
        }
    }

    #[test]
    fn disks_are_taken() {
        assert_eq!(judged(DiskFormat::Raw, b""), Err("image_empty"));
        assert_eq!(judged(DiskFormat::Raw, b"x"), Ok(1));
        assert_eq!(judged(DiskFormat::Raw, &[0; 612]), Ok(612));
        let mbr = disk(510, b"\x55\xaa");
        assert_eq!(judged(DiskFormat::Raw, &mbr), Ok(4096));
        let iso = disk(0x801, b"CD001");
        assert_eq!(judged(DiskFormat::Raw, &iso), Ok(4096));
        let ext4 = disk(0x438, b"\x53\xef");
        assert_eq!(judged(DiskFormat::Raw, &ext4), Ok(4096));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let text = |octets: &[u8]| check_head(&disk(0, octets)).unwrap_err().message;
        assert!(text(b"QFI\xfb").contains("disk_format qcow2"));
        assert!(text(b"KDMV").contains("qemu-img convert -f vmdk"));
        assert!(text(b"\x1f\x8b\x08").contains("gunzip"));
    }
}
