//! Which agents' certificates hold, as the database last said. An agent calls several times a second;
//! the database is asked once a second for each. What this process itself revokes ends at once, what
//! another API process revokes within that second.

use iroko_agent_link::wire::AgentKind;
use iroko_model::HostId;
use iroko_store::{Store, host};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the database is believed.
const BELIEVED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Known {
    serial: String,
    at: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<HashMap<(HostId, AgentKind), Known>>);

impl Certificates {
    fn known(&self) -> MutexGuard<'_, HashMap<(HostId, AgentKind), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True where the certificate with this serial number is the agent's. Only one is: as soon as a
    /// renewed one is used here, the one before is asked for anew, and refused.
    pub async fn hold(&self, store: &Store, host: HostId, kind: AgentKind, serial: &str) -> iroko_store::Result<bool> {
        let known = self.known().get(&(host, kind)).is_some_and(|k| k.serial == serial && k.at.elapsed() < BELIEVED);
        if known {
            return Ok(true);
        }
        // Taken before the question, so that the answer is never believed longer.
        let at = Instant::now();
        let mut conn = store.connection().await?;
        let holds = host::agent_certificate_holds(&mut conn, host, kind, serial).await?;
        if holds {
            self.known().insert((host, kind), Known { serial: serial.to_owned(), at });
        }
        Ok(holds)
    }

    /// To be called when certificates of a host were replaced, or it was deleted.
    pub fn forget(&self, host: HostId) {
        self.known().retain(|(of, _), _| *of != host);
    }
}
