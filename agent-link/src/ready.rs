//! What the two agents of one host tell each other: which ports are plugged.
//!
//! The net-agent marks a port once its filter, forwarding and tap are in place; the compute-agent
//! starts an instance when all its ports are marked. The marks live under `/run`, so they vanish with
//! the devices at a reboot, and instances start without any control plane (docs/adr/0002).

use iroko_model::PortId;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

/// How often a waiting compute-agent looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The marks of one host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadyPorts(Marks);

#[derive(Debug, Clone)]
enum Marks {
    Directory(PathBuf),
    Memory(Arc<Mutex<HashSet<PortId>>>),
}

impl ReadyPorts {
    /// Marks as empty files of a directory on a file system that a reboot clears. Makes it.
    pub fn in_directory(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        iroko_daemon::private::directory(&path)?;
        Ok(Self(Marks::Directory(path)))
    }

    /// Marks in memory, for simulated hosts.
    pub fn in_memory() -> Self {
        Self(Marks::Memory(Arc::default()))
    }

    /// The port is plugged.
    pub fn mark(&self, port: PortId) -> io::Result<()> {
        match &self.0 {
            Marks::Directory(path) => fs::write(path.join(port.to_string()), b""),
            Marks::Memory(marks) => {
                marks.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
                Ok(())
            }
        }
    }

    /// The port is not plugged (any more).
    pub fn clear(&self, port: PortId) -> io::Result<()> {
        match &self.0 {
            Marks::Directory(path) => match fs::remove_file(path.join(port.to_string())) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done,
            },
            Marks::Memory(marks) => {
                marks.lock().unwrap_or_else(PoisonError::into_inner).remove(&port);
                Ok(())
            }
        }
    }

    /// All marked ports.
    pub fn all(&self) -> io::Result<HashSet<PortId>> {
        match &self.0 {
            Marks::Directory(path) => fs::read_dir(path)?
                .map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok())))
                .filter_map(Result::transpose)
                .collect(),
            Marks::Memory(marks) => Ok(marks.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }

    /// True where the port is marked.
    pub fn is_ready(&self, port: PortId) -> bool {
        match &self.0 {
            Marks::Directory(path) => path.join(port.to_string()).exists(),
            Marks::Memory(marks) => marks.lock().unwrap_or_else(PoisonError::into_inner).contains(&port),
        }
    }

    /// Waits until all of `ports` are marked. Has no bound of its own: the caller drops it when
    /// the instance is no longer wanted or its patience ends.
    pub async fn wait(&self, ports: &[PortId]) {
        while !ports.iter().all(|port| self.is_ready(*port)) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn marks_in_memory_and_in_files_behave_alike() {
        let dir = tempfile::tempdir().unwrap();
        for ready in [ReadyPorts::in_memory(), ReadyPorts::in_directory(dir.path().join("ports")).unwrap()] {
            let port = PortId::new();
            assert!(!ready.is_ready(port));
            ready.mark(port).unwrap();
            tokio::time::timeout(Duration::from_secs(5), ready.wait(&[port])).await.unwrap();
            assert_eq!(ready.all().unwrap(), HashSet::from([port]));
            ready.clear(port).unwrap();
            ready.clear(port).unwrap();
            assert!(!ready.is_ready(port));
        }
    }
}
