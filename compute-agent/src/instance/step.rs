//! The steps that an instance's task takes, one at a time.

use iroko_agent_wire::{OperationPhase, Outcome};

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write the first record, or a fresh one for a new generation of a failed instance.
    Begin,
    /// Note the generation that is acted on.
    Note,
    /// Note that it runs, and at which generation, before anyone is told.
    Born,
    /// Note that its guest shut itself down and stays off, before anyone is told.
    GuestOff,
    /// Note how far the operation is, before the act that follows from it.
    Operation(Progress),
    /// Note, once no trace is left, that building was given up.
    MarkFailed,
    /// Image into the cache, then the disk over it.
    MakeDisk,
    /// The cloud-init seed.
    MakeSeed,
    /// Define, or define anew, without starting.
    Define,
    /// Define as now wanted, and start.
    Start,
    /// Let a paused instance go on.
    Resume,
    /// Ask the guest to shut down.
    Shutdown,
    /// Switch it off.
    Destroy,
    /// Forget the definition.
    Undefine,
    /// Remove all files but the record.
    RemoveFiles,
    /// Remove all files, the record last.
    RemoveAll,
    /// Give up building: the ports never came.
    GiveUp,
    /// Nothing to do until something changes.
    Rest(Rest),
}

/// What is written down of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// It is in this phase; with the first one it begins.
    Phase(OperationPhase),
    /// It has ended.
    Ended(Outcome),
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rest {
    /// It runs, as wanted.
    Running,
    /// It is off, as wanted.
    Stopped,
    /// The guest is on its way down.
    Stopping,
    /// The guest is on its way down, to come up again.
    Rebooting,
    /// A start is under way that an earlier agent began, or a hypervisor that was killed meanwhile.
    AwaitStart,
    /// The net-agent has not plugged all ports.
    AwaitPorts,
    /// Building was given up at this generation.
    Failed,
    /// It has run, and its disk is gone: never made anew behind the tenant's back.
    DiskLost,
    /// Its guest shut itself down and is to stay off.
    GuestOff,
    /// Held until the host's disk has room.
    NoRoom,
    /// No trace is left.
    Absent,
    /// Something is there that nobody named.
    Orphan,
}
