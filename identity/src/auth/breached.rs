//! The operator's list of breached passwords: the file that Have I Been Pwned gives away, SHA-1 in
//! hexadecimal with a count (`HASH:COUNT`), a line each, ordered by hash. It has some forty gigabytes, so it
//! is searched where it lies: some thirty small reads by position.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use iroko_model::{Invalid, password};
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

const HASH_CHARS: usize = 40;
/// Longest line: hash, colon, count, line end.
const LINE_MAX: usize = 80;

/// See the module.
#[derive(Debug)]
pub struct Breached {
    file: File,
    length: u64,
}

impl Breached {
    /// Opens the list and looks whether it is one.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let list = Self { length: file.metadata()?.len(), file };
        if list.length > 0 {
            list.hash_at(0)?;
        }
        Ok(list)
    }

    /// True where the password is on the list. Blocks.
    pub fn contains(&self, password: &str) -> Result<bool> {
        let sought = iroko_web::hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()).as_ref());
        let sought = sought.to_ascii_uppercase().into_bytes();
        // Every line that starts before `low` is smaller, every one that starts at `high` or later is larger.
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let start = self.line_start(low + (high - low) / 2, low)?;
            let (hash, next) = self.hash_at(start)?;
            match hash.as_slice().cmp(&sought) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = next,
                std::cmp::Ordering::Greater => high = start,
            }
        }
        Ok(false)
    }

    /// Start of the line that `position` is in; lines before `low` are of no interest.
    fn line_start(&self, position: u64, low: u64) -> Result<u64> {
        let from = position.saturating_sub(LINE_MAX as u64).max(low);
        let mut before = vec![0; usize::try_from(position - from).unwrap_or(0)];
        self.file.read_exact_at(&mut before, from)?;
        match before.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => Ok(from + end as u64 + 1),
            None if from == low => Ok(low),
            None => Err(spoilt(position)),
        }
    }

    /// The hash on the line that starts here, and where the next line starts.
    fn hash_at(&self, start: u64) -> Result<(Vec<u8>, u64)> {
        let mut line = [0; LINE_MAX];
        let mut read = 0;
        while read < LINE_MAX {
            match self.file.read_at(&mut line[read..], start + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        let line = &line[..read];
        let end = line.iter().position(|byte| *byte == b'\n').map_or(read, |end| end + 1);
        let hash = line.get(..HASH_CHARS).filter(|hash| hash.iter().all(u8::is_ascii_hexdigit));
        let hash = hash.filter(|_| end > HASH_CHARS || read == HASH_CHARS).ok_or_else(|| spoilt(start))?;
        Ok((hash.to_ascii_uppercase(), start + end as u64))
    }
}

fn spoilt(position: u64) -> Error {
    let text = format!("octet {position} is not in a line HASH:COUNT of the list of breached passwords");
    Error::new(ErrorKind::InvalidData, text)
}

/// As [`password::check`], and by the operator's list of breached ones, which is a file. Blocks.
pub fn check_all(
    password: &str,
    names: &[&str],
    breached: Option<&Breached>,
) -> Result<std::result::Result<(), Invalid>> {
    if let Err(invalid) = password::check(password, names) {
        return Ok(Err(invalid));
    }
    let is_known = breached.map(|list| list.contains(password)).transpose()?.unwrap_or(false);
    let text = "this password is known from a breach; choose another";
    Ok(if is_known { Err(Invalid::new("password_breached", text)) } else { Ok(()) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(password: &str) -> String {
        iroko_web::hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()).as_ref()).to_ascii_uppercase()
    }

    /// A list of these passwords.
    pub(crate) fn list(dir: &Path, passwords: &[&str]) -> Breached {
        let mut hashes: Vec<_> = passwords.iter().map(|password| hash(password)).collect();
        hashes.sort();
        let line =
            |(number, hash): (usize, &String)| format!("{hash}:{}\r\n", 7usize.pow(u32::try_from(number % 9).unwrap()));
        let text: String = hashes.iter().enumerate().map(line).collect();
        let path = dir.join("breached.txt");
        std::fs::write(&path, text).unwrap();
        Breached::open(&path).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn finds_what_is_there_and_nothing_else(passwords in proptest::collection::btree_set("[a-z]{1,12}", 0..60)) {
            let dir = tempfile::tempdir().unwrap();
            let all: Vec<&str> = passwords.iter().map(String::as_str).collect();
            let list = list(dir.path(), &all);
            for password in &all {
                prop_assert!(list.contains(password).unwrap());
            }
            for other in ["", "A", "0", "a b", "zzzzzzzzzzzzzz"] {
                prop_assert!(!list.contains(other).unwrap());
            }
        }
    }

    #[test]
    fn a_file_of_another_form_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "password\n").unwrap();
        assert_eq!(Breached::open(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        std::fs::write(&path, hash("x")).unwrap();
        assert!(Breached::open(&path).unwrap().contains("x").unwrap(), "neither count nor line end");
        std::fs::write(&path, "").unwrap();
        assert!(!Breached::open(&path).unwrap().contains("x").unwrap());
    }

    #[test]
    fn breached_ones_are_refused_too() {
        let dir = tempfile::tempdir().unwrap();
        let list = list(dir.path(), &["a long pass phrase"]);
        let rule = |password| check_all(password, &[], Some(&list)).unwrap().err().map(|e| e.rule);
        assert_eq!(rule("a long pass phrase"), Some("password_breached"));
        assert_eq!(rule("another pass phrase"), None);
        assert_eq!(rule("short"), Some("password_short"));
    }
}
