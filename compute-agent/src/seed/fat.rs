//! A FAT volume of a few small files, built in memory, the same bytes every time.

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::io::{self, Cursor, Write};

/// The smallest volume made.
const SIZE_MIN: usize = 256 * 1024;
const SECTOR: usize = 512;
/// Boot sector, tables and root directory, with room to spare.
const OVERHEAD: usize = 64 * 1024;
/// A fixed volume serial number: nothing depends on its being unique.
const VOLUME_ID: u32 = 0x1b0c_0da7;

/// FAT's first day, for every file.
#[derive(Debug)]
struct Epoch;

impl TimeProvider for Epoch {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }
    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

static EPOCH: Epoch = Epoch;

/// A volume with this label and these files in its root.
pub(super) fn volume(label: &[u8; 11], files: &[(&str, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let content: usize = files.iter().map(|(_, bytes)| bytes.len().next_multiple_of(4096)).sum();
    let mut disk = Cursor::new(vec![0u8; (content + OVERHEAD).max(SIZE_MIN).next_multiple_of(SECTOR)]);
    fatfs::format_volume(&mut disk, FormatVolumeOptions::new().volume_label(*label).volume_id(VOLUME_ID))?;
    {
        let system = FileSystem::new(&mut disk, FsOptions::new().time_provider(&EPOCH))?;
        for (name, bytes) in files {
            let mut file = system.root_dir().create_file(name)?;
            file.write_all(bytes)?;
        }
        system.unmount()?;
    }
    Ok(disk.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn files_come_back_and_bytes_are_the_same() {
        let files = [
            ("meta-data", b"a: b\n".to_vec()),
            ("network-config", vec![b'x'; 300_000]),
            ("user-data", vec![0x1f, 0x8b, 0xff]),
        ];
        let bytes = volume(b"CIDATA     ", &files).unwrap();
        assert_eq!(bytes, volume(b"CIDATA     ", &files).unwrap());
        let system = FileSystem::new(Cursor::new(bytes), FsOptions::new()).unwrap();
        assert_eq!(system.volume_label(), "CIDATA");
        for (name, text) in &files {
            let mut found = vec![];
            system.root_dir().open_file(name).unwrap().read_to_end(&mut found).unwrap();
            assert_eq!(&found, text, "{name}");
        }
    }
}
