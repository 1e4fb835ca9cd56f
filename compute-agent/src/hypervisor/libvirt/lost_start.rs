//! Starts that a crash of libvirtd has lost.
//!
//! libvirtd keeps a status file of each domain that is active. While it starts one, it writes that file once
//! before it knows the emulator's process, with process id 0 and the start as the domain's job. Killed
//! right then and started again, it takes the domain for active and its job for running, connects to nothing
//! and waits for ever: every `destroy` ends in a time-out (seen with libvirt 9.0). Nothing of the domain
//! runs at that moment, for the emulator is let go only after its process id is on disk, so the file can be
//! taken away before libvirtd reads it. It then finds the domain shut off, and the agent starts it.

use crate::domain_xml::METADATA_URI;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where libvirtd keeps the status of the domains that QEMU runs.
pub const STATUS_DIR: &str = "/run/libvirt/qemu";

/// A status file that could not be read or taken away.
#[derive(Debug, thiserror::Error)]
#[error("the status of libvirt's domains in {path} cannot be {what}")]
pub struct StatusError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: io::Error,
}

/// Takes away the status files of lost starts of our instances; returns them. Only while no libvirtd runs:
/// before it is started.
pub fn forget(status_dir: &Path) -> Result<Vec<PathBuf>, StatusError> {
    let failed = |path: &Path, what| {
        let path = path.to_owned();
        move |source| StatusError { path, what, source }
    };
    let entries = match fs::read_dir(status_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(status_dir, "listed")(error)),
    };
    let mut forgotten = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed(status_dir, "listed"))?.path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let status = fs::read(&path).map_err(failed(&path, "read"))?;
        if is_lost(&String::from_utf8_lossy(&status)) {
            fs::remove_file(&path).map_err(failed(&path, "taken away"))?;
            forgotten.push(path);
        }
    }
    Ok(forgotten)
}

/// One of ours, being started, without a process. Text that is cut short is not: libvirtd leaves it alone
/// itself.
fn is_lost(status: &str) -> bool {
    let mut reader = Reader::from_str(status);
    let (mut no_process, mut is_starting, mut is_ours) = (false, false, false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                let has = |name: &str, value: &[u8]| {
                    let attribute = element.try_get_attribute(name).ok().flatten();
                    attribute.is_some_and(|attribute| attribute.value.as_ref() == value)
                };
                match element.name().as_ref() {
                    b"domstatus" => no_process = has("pid", b"0"),
                    b"job" => is_starting |= has("async", b"start"),
                    _ => {}
                }
                is_ours |= element
                    .attributes()
                    .flatten()
                    .any(|a| a.key.as_ref().starts_with(b"xmlns") && a.value.as_ref() == METADATA_URI.as_bytes());
            }
            Ok(Event::Eof) => return no_process && is_starting && is_ours,
            Err(_) => return false,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pid: u32, job: &str, namespace: &str) -> String {
        format!(
            "<!-- WARNING -->\n<domstatus state='paused' reason='starting up' pid='{pid}'>\n  <job type='none' async='{job}' flags='0x0'/>
             <domain type='qemu' id='1'><name>ik-1</name><metadata><x:instance xmlns:x=\"{namespace}\"/></metadata></domain>\n</domstatus>\n"
        )
    }

    #[test]
    fn only_lost_starts_of_ours_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let lost = status(0, "start", METADATA_URI);
        let cut = &lost[..lost.len() - 20];
        for (name, text) in [
            ("lost.xml", &*lost),
            ("running.xml", &status(4711, "none", METADATA_URI)),
            ("starting.xml", &status(4711, "start", METADATA_URI)),
            ("stopping.xml", &status(0, "none", METADATA_URI)),
            ("theirs.xml", &status(0, "start", "urn:somebody")),
            ("cut.xml", cut),
            ("lost.pid", &lost),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(forget(dir.path()).unwrap(), [dir.path().join("lost.xml")]);
        assert_eq!(forget(dir.path()).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
        assert_eq!(forget(&dir.path().join("none")).unwrap(), Vec::<PathBuf>::new());
    }
}
