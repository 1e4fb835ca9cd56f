//! The files of a network's server: configuration, records, and the mark of unread records.
//!
//! ```text
//!   RUN_DIR/dnsmasq/0000ff/{config,pid,log,unread}
//!   RUN_DIR/dnsmasq/0000ff/{reservations,names}/PORT_ID
//! ```
//!
//! Every file is written beside and renamed into place. `unread` is made before the first record
//! changes and removed after the server has read them, so that an agent that dies in between
//! leaves a trace for the next one.

use super::{DhcpError, directory};
use crate::object::{Key, State, Value, vni_of};
use iroko_daemon::private;
use iroko_model::{PortId, Vni};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const RESERVATIONS: &str = "reservations";
const NAMES: &str = "names";
const UNREAD: &str = "unread";

/// The files of all networks' servers on a host.
#[derive(Debug, Clone)]
pub struct Files {
    run_dir: PathBuf,
}

impl Files {
    /// Files under `run_dir`.
    pub fn new(run_dir: &Path) -> Self {
        Self { run_dir: run_dir.to_owned() }
    }

    /// A file or directory of a network's server.
    pub fn path(&self, vni: Vni, name: &str) -> PathBuf {
        directory(&self.run_dir, vni).join(name)
    }

    /// Networks that have any files.
    pub fn networks(&self) -> Result<Vec<Vni>, DhcpError> {
        Ok(entries(&self.run_dir.join("dnsmasq"))?.iter().filter_map(|name| vni_of(name, "")).collect())
    }

    /// The records of a network.
    pub fn records(&self, vni: Vni) -> Result<State, DhcpError> {
        let mut state = State::new();
        for folder in [RESERVATIONS, NAMES] {
            let dir = self.path(vni, folder);
            for name in entries(&dir)? {
                let Ok(port) = name.parse::<PortId>() else { continue };
                let key = if folder == NAMES { Key::HostRecord(vni, port) } else { Key::Reservation(vni, port) };
                state.insert(key, Value::Text(read(&dir.join(name))?));
            }
        }
        Ok(state)
    }

    /// Writes a record.
    pub fn put_record(&self, key: &Key, text: &str) -> Result<(), DhcpError> {
        let Some((vni, path)) = self.record(key) else { return Ok(()) };
        self.mark_unread(vni)?;
        write(&path, text)
    }

    /// Removes a record.
    pub fn remove_record(&self, key: &Key) -> Result<(), DhcpError> {
        let Some((vni, path)) = self.record(key) else { return Ok(()) };
        if directory(&self.run_dir, vni).exists() {
            self.mark_unread(vni)?;
        }
        remove(&path)
    }

    /// Makes a network's directories and writes its configuration.
    pub fn put_config(&self, vni: Vni, text: &str) -> Result<(), DhcpError> {
        for folder in [RESERVATIONS, NAMES] {
            let dir = self.path(vni, folder);
            private::public(&dir).map_err(|source| DhcpError::File { path: dir.clone(), source })?;
        }
        write(&self.path(vni, "config"), text)
    }

    /// The configuration as written; none where there is none.
    pub fn config(&self, vni: Vni) -> Option<String> {
        fs::read_to_string(self.path(vni, "config")).ok()
    }

    /// True where records changed that the server may not have read.
    pub fn is_unread(&self, vni: Vni) -> bool {
        self.path(vni, UNREAD).exists()
    }

    /// The server has read its records.
    pub fn mark_read(&self, vni: Vni) -> Result<(), DhcpError> {
        remove(&self.path(vni, UNREAD))
    }

    /// Removes all files of a network.
    pub fn remove_all(&self, vni: Vni) -> Result<(), DhcpError> {
        let path = directory(&self.run_dir, vni);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(DhcpError::File { path, source }),
            _ => Ok(()),
        }
    }

    fn mark_unread(&self, vni: Vni) -> Result<(), DhcpError> {
        write(&self.path(vni, UNREAD), "")
    }

    fn record(&self, key: &Key) -> Option<(Vni, PathBuf)> {
        match key {
            Key::Reservation(vni, port) => Some((*vni, self.path(*vni, RESERVATIONS).join(port.to_string()))),
            Key::HostRecord(vni, port) => Some((*vni, self.path(*vni, NAMES).join(port.to_string()))),
            _ => None,
        }
    }
}

fn entries(dir: &Path) -> Result<Vec<String>, DhcpError> {
    let failed = |source| DhcpError::File { path: dir.to_owned(), source };
    let reader = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        reader => reader.map_err(failed)?,
    };
    let names: Result<Vec<_>, io::Error> =
        reader.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    names.map_err(failed)
}

fn read(path: &Path) -> Result<String, DhcpError> {
    fs::read_to_string(path).map_err(|source| DhcpError::File { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), DhcpError> {
    let failed = |source| DhcpError::File { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        private::public(dir).map_err(failed)?;
    }
    // dnsmasq skips names that start with a dot.
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let new = path.with_file_name(format!(".{name}.new"));
    // dnsmasq reads them as a user of its own; there is nothing secret in them.
    let readable = || fs::set_permissions(&new, Permissions::from_mode(0o644));
    fs::write(&new, text).and_then(|()| readable()).and_then(|()| fs::rename(&new, path)).map_err(failed)
}

fn remove(path: &Path) -> Result<(), DhcpError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(DhcpError::File { path: path.to_owned(), source }),
        _ => Ok(()),
    }
}
