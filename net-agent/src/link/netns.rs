//! Named network namespaces, in the form `ip netns` knows them.
//!
//! A named namespace is a file that the namespace is mounted on. The mount is made in this
//! process's mount namespace, so the agent of a simulated host that has its own `/run` has its own
//! names. Work inside a namespace is done by a thread that enters it and then ends: no thread that
//! others use ever changes its namespace.

use super::LinkError;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// Makes a named namespace unless it is there.
pub async fn ensure(path: PathBuf) -> Result<(), LinkError> {
    if exists(&path) {
        return Ok(());
    }
    let failed = |what| {
        let path = path.clone();
        move |source| LinkError::Namespace { path, what, source }
    };
    if let Some(dir) = path.parent() {
        iroko_daemon::private::public(dir).map_err(failed("its directory could not be made"))?;
    }
    File::create(&path).map_err(failed("its file could not be made"))?;
    let target = path.clone();
    let made = on_thread(move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        mount(Some("/proc/thread-self/ns/net"), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok::<(), io::Error>(())
    });
    made.await.and_then(|made| made).map_err(failed("could not be made"))
}

/// Removes a named namespace's name; the kernel ends it with its last process. Gone is fine.
pub fn remove(path: &Path) -> Result<(), LinkError> {
    let failed = |what| move |source: io::Error| LinkError::Namespace { path: path.to_owned(), what, source };
    match umount2(path, MntFlags::MNT_DETACH) {
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) | Ok(()) => {}
        Err(errno) => return Err(failed("could not be unmounted")(errno.into())),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("its file could not be removed")(error)),
        _ => Ok(()),
    }
}

/// True where a namespace is mounted on the file, and not just the file of one that is gone.
pub fn exists(path: &Path) -> bool {
    let (Ok(own), Ok(file)) = (fs::metadata("/proc/self/ns/net"), fs::metadata(path)) else { return false };
    own.dev() == file.dev()
}

/// Runs blocking work inside a named namespace, on a thread of its own.
pub async fn run_in<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LinkError> {
    let target = path.clone();
    let entered = on_thread(move || {
        let file = File::open(&target)?;
        setns(file, CloneFlags::CLONE_NEWNET)?;
        Ok::<T, io::Error>(work())
    });
    let failed = |source| LinkError::Namespace { path, what: "could not be entered", source };
    entered.await.and_then(|entered| entered).map_err(failed)
}

async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (answer, result) = oneshot::channel();
    std::thread::Builder::new().name("netns".to_owned()).spawn(move || drop(answer.send(work())))?;
    result.await.map_err(|_| io::Error::other("the thread ended early"))
}
