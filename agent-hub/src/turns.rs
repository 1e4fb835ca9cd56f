//! How much one agent may ask at the same time: its long poll, its reports and some images. A host that was broken into
//! holds no more memory and no more of the queue than that.

use iroko_agent_wire::AgentKind;
use iroko_model::HostId;
use iroko_web::problem::{Problem, Result, Rule};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most requests of one agent at the same time.
const AT_ONCE: u32 = 16;
/// When an agent that asks for more may ask again.
const AGAIN: Duration = Duration::from_secs(1);

type Open = Arc<Mutex<HashMap<(HostId, AgentKind), u32>>>;

/// The requests of agents that are being answered. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Turns(Open);

/// A request being answered; its turn is given back with the last clone.
#[derive(Debug, Clone)]
pub struct Turn {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    open: Open,
    of: (HostId, AgentKind),
}

impl Turns {
    /// A turn, or the refusal of one too many.
    pub fn take(&self, host: HostId, kind: AgentKind) -> Result<Turn> {
        let of = (host, kind);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(of).or_default();
        if *count >= AT_ONCE {
            metrics::counter!("iroko_agent_requests_refused_total").increment(1);
            let text = format!("an agent asks at most {AT_ONCE} things at the same time");
            return Err(Problem::refuse(Rule::AgentBusy, text).retry_after(AGAIN));
        }
        *count += 1;
        Ok(Turn { _held: Arc::new(Held { open: self.0.clone(), of }) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_web::problem::Kind;

    #[test]
    fn an_agent_has_its_turns_and_others_have_theirs() {
        let (turns, host) = (Turns::default(), HostId::new());
        let held: Vec<_> = (0..AT_ONCE).map(|_| turns.take(host, AgentKind::Net).unwrap()).collect();
        assert_eq!(turns.take(host, AgentKind::Net).unwrap_err().kind(), Kind::TooManyRequests);
        assert!(turns.take(host, AgentKind::Compute).is_ok() && turns.take(HostId::new(), AgentKind::Net).is_ok());
        drop(held);
        assert!(turns.take(host, AgentKind::Net).is_ok());
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
