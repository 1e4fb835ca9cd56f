//! Files and directories that nobody but the daemon reads.
//!
//! Desired state, records, seeds, images and keys hold tenants' and operators' secrets. They are made with
//! their mode, so that no moment exists in which another user of the machine could open them, whatever the
//! umask is; what an older release left lax is tightened where it is opened. [`super::run`] sets a strict umask
//! besides, for files that nobody thought of.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Mode of a private file.
pub const FILE_MODE: u32 = 0o600;
/// Mode of a private directory.
pub const DIRECTORY_MODE: u32 = 0o700;
/// Mode of a directory through which another user reaches what he may, and in which he lists nothing.
pub const PASSAGE_MODE: u32 = 0o711;
/// The bits that others have.
const OTHERS: u32 = 0o077;

/// Makes a directory that only the daemon enters, and tightens one that is there.
pub fn directory(path: &Path) -> io::Result<()> {
    passage(path.parent().unwrap_or(Path::new("/")))?;
    made(DirBuilder::new().mode(DIRECTORY_MODE).create(path))?;
    strip(path)
}

/// Makes a directory and what is missing above it so that others can pass through it: a program that runs as
/// another user reaches what is below. One that is there is left as it is.
pub fn passage(path: &Path) -> io::Result<()> {
    open_directory(path, PASSAGE_MODE)
}

/// Like [`passage`], for a directory that others also list. Nothing secret may be in it.
pub fn public(path: &Path) -> io::Result<()> {
    open_directory(path, 0o755)
}

fn open_directory(path: &Path, mode: u32) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    open_directory(path.parent().unwrap_or(Path::new("/")), mode)?;
    made(DirBuilder::new().mode(mode).create(path))?;
    // The umask of the daemon takes away what is meant here.
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn made(created: io::Result<()>) -> io::Result<()> {
    match created {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

/// Options that make a private file. One that is there keeps its mode: see [`tighten`].
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Options that write a private file from its beginning.
pub fn new_file() -> OpenOptions {
    let mut options = options();
    options.write(true).create(true).truncate(true);
    options
}

/// Opens a private file that may be there, and takes from others what they may do with it.
pub fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.open(path)?;
    strip_file(&file)?;
    Ok(file)
}

/// Writes a private file whole.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    open(&new_file(), path)?.write_all(bytes)
}

/// Takes from others what they may do with a file or directory.
pub fn strip(path: &Path) -> io::Result<()> {
    strip_file(&File::open(path)?)
}

fn strip_file(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode & !OTHERS))
}

/// Takes from others what they may do with the files in a directory: an older release left them so.
pub fn tighten(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) if kind.is_file() => gone(strip(&entry.path()))?,
            _ => {}
        }
    }
    Ok(())
}

/// Another process may remove a file meanwhile.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Reads a secret file, or makes it, readable by its owner only. Two processes that make it at once
/// end with the same one.
pub fn read_or_make<E>(
    path: &Path,
    make: impl FnOnce() -> Result<String, E>,
    told: impl FnOnce(io::Error) -> E,
) -> Result<String, E> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        read => return read.map_err(told),
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let text = make()?;
    let written = (|| {
        if let Some(dir) = path.parent() {
            directory(dir)?;
        }
        let mut file = open(&new_file(), &new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Unlike rename, link does not replace a file that another process has just made.
        let linked = std::fs::hard_link(&new, path);
        std::fs::remove_file(&new)?;
        match linked {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => std::fs::read_to_string(path),
        }
    })();
    written.map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_private_and_what_was_lax_becomes_so() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b/state");
        directory(&dir).unwrap();
        assert_eq!((mode(&dir), mode(dir.parent().unwrap())), (0o700, 0o711));
        let file = dir.join("secret");
        write(&file, b"x").unwrap();
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        directory(&dir).unwrap();
        tighten(&dir).unwrap();
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        write(&file, b"y").unwrap();
        assert_eq!(mode(&file), 0o600);
        let shown = root.path().join("c/d");
        public(&shown).unwrap();
        assert_eq!((mode(&shown), mode(shown.parent().unwrap())), (0o755, 0o755));
    }
}
