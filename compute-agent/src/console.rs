//! A guest's serial console: its log's tail, and the bound on its size.
//!
//! The emulator appends to `console.log`. Once that is larger than the bound, its tail moves to
//! `console.log.1` and the log starts anew; since the emulator opened it for appending, truncating
//! it under the emulator is safe. What a guest writes between the two acts is lost.

use iroko_daemon::private;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The console as text: what is no UTF-8 is replaced.
pub(crate) fn text(tail: &[u8]) -> String {
    String::from_utf8_lossy(tail).into_owned()
}

/// Where the tail of a log goes that was cut.
pub(crate) fn older(log: &Path) -> PathBuf {
    log.with_extension("log.1")
}

/// The last `max` bytes of the log; `None` where there is none.
pub(crate) fn tail(log: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(newest) = last_bytes(log, max)? else { return Ok(None) };
    let room = max - newest.len();
    let mut tail = if room == 0 { vec![] } else { last_bytes(&older(log), room)?.unwrap_or_default() };
    tail.extend(newest);
    Ok(Some(tail))
}

/// Cuts a log that is larger than `max`, keeping its last `keep` bytes readable.
pub(crate) fn cut(log: &Path, max: u64, keep: usize) -> io::Result<()> {
    match log.metadata() {
        Ok(meta) if meta.len() > max => {}
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => return Ok(()),
    }
    let tail = last_bytes(log, keep)?.unwrap_or_default();
    private::write(&older(log), &tail)?;
    OpenOptions::new().write(true).open(log)?.set_len(0)
}

fn last_bytes(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    let max = u64::try_from(max).unwrap_or(u64::MAX);
    file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_tail_spans_a_cut() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        assert_eq!(tail(&log, 8).unwrap(), None);
        cut(&log, 1, 1).unwrap();

        let mut guest = OpenOptions::new().append(true).create(true).open(&log).unwrap();
        guest.write_all(b"0123456789").unwrap();
        assert_eq!(tail(&log, 4).unwrap().unwrap(), b"6789");
        cut(&log, 10, 6).unwrap();
        assert_eq!(log.metadata().unwrap().len(), 10, "not larger than the bound");
        cut(&log, 9, 6).unwrap();
        guest.write_all(b"ab").unwrap();
        assert_eq!(std::fs::read(&log).unwrap(), b"ab");
        assert_eq!(tail(&log, 5).unwrap().unwrap(), b"789ab");
        assert_eq!(text(b"a\xff"), "a\u{fffd}");
    }
}
