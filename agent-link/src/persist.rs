//! The last desired state on disk, so that an agent can do its work without the control plane.
//!
//! A snapshot and a journal of the replies since; both are [`DesiredReply`] as JSON, one a line. A
//! journal line that a power cut tore off is ignored with what follows it: the agent then holds an
//! older revision and asks for what came after. The journal is folded into a new snapshot when it has
//! grown past a bound. Both hold tenants' user data: nobody else of the host reads them.

use crate::handle::DesiredHandle;
use iroko_agent_wire::DesiredReply;
use iroko_daemon::private;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const SNAPSHOT: &str = "desired.json";
const JOURNAL: &str = "desired.journal";
/// Journal size that is folded into a snapshot.
const FOLD_BYTES: u64 = 4 << 20;

/// The files could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the desired state in {path} cannot be read or written")]
pub struct PersistError {
    path: String,
    #[source]
    source: io::Error,
}

/// The files of one agent.
#[derive(Debug)]
pub struct Persist {
    dir: PathBuf,
    journal: File,
    journal_bytes: u64,
    /// A reply could not be kept: what follows it makes no sense without it.
    is_gap: bool,
}

impl Persist {
    /// Opens the files in `dir` and brings `desired` to what they say. An agent that never ran
    /// leaves it unknown.
    pub fn open(dir: &Path, desired: &DesiredHandle) -> Result<Self, PersistError> {
        let told = |source| PersistError { path: dir.display().to_string(), source };
        private::directory(dir).and_then(|()| private::tighten(dir)).map_err(told)?;
        let held =
            replay(&dir.join(SNAPSHOT), desired).and_then(|_| replay(&dir.join(JOURNAL), desired)).map_err(told)?;
        let journal = private::options().create(true).append(true).open(dir.join(JOURNAL)).map_err(told)?;
        // What a torn line left behind would swallow the next one.
        journal.set_len(held).map_err(told)?;
        Ok(Self { dir: dir.to_owned(), journal, journal_bytes: held, is_gap: false })
    }

    /// Keeps a reply that `desired` has just taken. On disk when this returns.
    pub fn keep(&mut self, reply: &DesiredReply, desired: &DesiredHandle) -> Result<(), PersistError> {
        let is_whole = reply.full || self.is_gap || self.journal_bytes > FOLD_BYTES;
        let done = if is_whole { self.fold(desired) } else { self.append(reply) };
        // On a full disk half a line may have been written; the next reply that can be kept is kept with all before.
        self.is_gap = done.is_err();
        done.map_err(|source| PersistError { path: self.dir.display().to_string(), source })
    }

    /// What this release does not know is not written: one that knows it asks for everything again.
    fn append(&mut self, reply: &DesiredReply) -> io::Result<()> {
        let known = reply.changes.iter().filter(|change| change.is_known()).cloned().collect();
        let mut line = serde_json::to_vec(&DesiredReply { changes: known, ..reply.clone() })?;
        line.push(b'\n');
        self.journal.write_all(&line)?;
        self.journal_bytes = self.journal_bytes.saturating_add(octets(&line));
        self.journal.sync_data()
    }

    fn fold(&mut self, desired: &DesiredHandle) -> io::Result<()> {
        let whole = desired.read().to_reply();
        let new = self.dir.join(".desired.new");
        if let Err(error) = write_whole(&new, &whole) {
            // On a full disk the half is in the way of the next attempt.
            drop(std::fs::remove_file(&new));
            return Err(error);
        }
        std::fs::rename(&new, self.dir.join(SNAPSHOT))?;
        File::open(&self.dir)?.sync_all()?;
        // A crash before this line leaves deltas that the snapshot already has; taking them again
        // in their order ends in the same state.
        self.journal.set_len(0)?;
        self.journal_bytes = 0;
        self.journal.sync_all()
    }
}

fn write_whole(path: &Path, whole: &DesiredReply) -> io::Result<()> {
    let mut out = BufWriter::new(private::open(&private::new_file(), path)?);
    serde_json::to_writer(&mut out, whole)?;
    out.write_all(b"\n")?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn octets(line: &[u8]) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX)
}

/// Applies the whole lines of a file; returns how many bytes they were.
fn replay(path: &Path, desired: &DesiredHandle) -> io::Result<u64> {
    let text = match std::fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        read => read?,
    };
    let mut held = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(reply) = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<DesiredReply>(line).ok())
        else {
            tracing::warn!(path = %path.display(), at = held, "the file ends in a torn line; going on with what stands before it");
            break;
        };
        desired.apply(&reply);
        held += octets(line);
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_agent_wire::{Change, ObjectKey};
    use iroko_model::PortId;

    fn delta(revision: &str) -> DesiredReply {
        let gone = Change::Gone(ObjectKey::Port(PortId::new()));
        DesiredReply { revision: revision.into(), full: false, changes: vec![gone], ..DesiredReply::default() }
    }

    fn reopened(dir: &Path) -> (DesiredHandle, Persist) {
        let desired = DesiredHandle::new();
        let persist = Persist::open(dir, &desired).unwrap();
        (desired, persist)
    }

    #[test]
    fn a_reply_that_found_no_room_leaves_no_gap() {
        let dir = tempfile::tempdir().unwrap();
        let (desired, mut persist) = reopened(dir.path());
        let port = PortId::new();
        let replies = [DesiredReply { full: true, ..delta("1") }, delta("2"), delta("3")];
        let gone = Change::Gone(ObjectKey::Port(port));
        for (n, reply) in replies.iter().enumerate() {
            desired.apply(reply);
            // The disk is full while the second comes.
            let room = persist.journal.try_clone().unwrap();
            if n == 1 {
                persist.journal = private::options().write(true).open("/dev/full").unwrap();
            }
            assert_eq!(persist.keep(reply, &desired).is_err(), n == 1);
            persist.journal = room;
        }
        assert_eq!(reopened(dir.path()).0.read().revision, "3");
        let whole = std::fs::read_to_string(dir.path().join(SNAPSHOT)).unwrap();
        assert!(whole.contains("\"3\""), "kept as a whole: {whole}");
        let last = DesiredReply { changes: vec![gone], ..delta("4") };
        desired.apply(&last);
        persist.keep(&last, &desired).unwrap();
        assert_eq!(reopened(dir.path()).0.read().revision, "4");
    }

    /// What an agent passed over must not be missing for ever: one of another release asks for everything.
    #[test]
    fn an_agent_of_another_release_asks_for_everything() {
        let dir = tempfile::tempdir().unwrap();
        let (desired, mut persist) = reopened(dir.path());
        let unknown = r#"{"revision":"2","full":false,"changes":[{"set":{"kind":"router","spec":{"legs":[]}}}]}"#;
        let unknown: DesiredReply = serde_json::from_str(unknown).unwrap();
        for reply in [DesiredReply { full: true, ..delta("1") }, unknown] {
            desired.apply(&reply);
            persist.keep(&reply, &desired).unwrap();
        }
        let (same, _) = reopened(dir.path());
        assert!(!same.read().is_of_other_release && same.read().revision == "2", "nothing new is known");
        let snapshot = dir.path().join(SNAPSHOT);
        let older = std::fs::read_to_string(&snapshot).unwrap().replace(",port,", ",");
        std::fs::write(&snapshot, older).unwrap();
        for _ in 0..2 {
            let (newer, mut persist) = reopened(dir.path());
            assert!(newer.read().is_of_other_release && newer.read().known, "it works with what there is");
            // A restart before the control plane has answered does not end it.
            persist.fold(&newer).unwrap();
        }
        let (newer, mut persist) = reopened(dir.path());
        let whole = DesiredReply { full: true, ..delta("3") };
        newer.apply(&whole);
        persist.keep(&whole, &newer).unwrap();
        assert!(!newer.read().is_of_other_release && !reopened(dir.path()).0.read().is_of_other_release);
    }

    #[test]
    fn nobody_else_reads_it_whatever_was_there() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let lax = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for name in [SNAPSHOT, JOURNAL, ".desired.new", "identity.json"] {
            fs::write(state.join(name), "").unwrap();
            lax(&state.join(name), 0o644);
        }
        lax(&state, 0o755);
        let (desired, mut persist) = reopened(&state);
        for reply in [DesiredReply { full: true, ..delta("1") }, delta("2")] {
            desired.apply(&reply);
            persist.keep(&reply, &desired).unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        for entry in fs::read_dir(&state).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn survives_restarts_and_torn_lines_at_any_byte() {
        let dir = tempfile::tempdir().unwrap();
        let (desired, mut persist) = reopened(dir.path());
        assert!(!desired.read().known);
        for reply in [DesiredReply { full: true, ..delta("1") }, delta("2"), delta("3")] {
            desired.apply(&reply);
            persist.keep(&reply, &desired).unwrap();
        }
        let journal = std::fs::read(dir.path().join(JOURNAL)).unwrap();
        let second = journal.iter().position(|b| *b == b'\n').unwrap();
        for cut in 0..=journal.len() {
            std::fs::write(dir.path().join(JOURNAL), &journal[..cut]).unwrap();
            let (desired, mut persist) = reopened(dir.path());
            let wanted = if cut == journal.len() {
                "3"
            } else if cut > second {
                "2"
            } else {
                "1"
            };
            assert_eq!(desired.read().revision, wanted, "cut at {cut}");
            let next = delta("4");
            desired.apply(&next);
            persist.keep(&next, &desired).unwrap();
            assert_eq!(reopened(dir.path()).0.read().revision, "4", "cut at {cut}");
        }
    }
}
