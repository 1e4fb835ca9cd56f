//! Asks whether agents' certificates still hold: at every request, of the database, so that one that was
//! replaced and one of a host that is gone are refused at once.
//!
//! While one question is asked others gather; the next asks for all of them. A thousand agents that come
//! at once cost a few statements, not a thousand.

use iroko_agent_wire::AgentKind;
use iroko_model::HostId;
use iroko_store::Store;
use iroko_store::host::{Shown, agent_certificates_hold};
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait; who comes then waits to ask.
const QUEUE: usize = 4096;
/// Questions asked in one statement.
const BATCH: usize = 256;

#[derive(Debug)]
struct Asked {
    shown: Shown,
    answer: oneshot::Sender<Option<bool>>,
}

/// A handle on the task that asks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Certificates(mpsc::Sender<Asked>);

impl Certificates {
    /// Starts the task; it ends with the last handle.
    pub fn spawn(store: Store) -> Self {
        let (send, receive) = mpsc::channel(QUEUE);
        tokio::spawn(answer_all(store, receive));
        Self(send)
    }

    /// Whether the certificate with this serial number is the agent's. `None`: the database did not answer.
    pub async fn hold(&self, host: HostId, kind: AgentKind, serial: String) -> Option<bool> {
        let (answer, told) = oneshot::channel();
        self.0.send(Asked { shown: (host, kind, serial), answer }).await.ok()?;
        told.await.ok()?
    }
}

async fn answer_all(store: Store, mut queue: mpsc::Receiver<Asked>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let (shown, answers): (Vec<Shown>, Vec<_>) = batch.drain(..).map(|asked| (asked.shown, asked.answer)).unzip();
        let asked = async {
            let mut conn = store.connection().await?;
            agent_certificates_hold(&mut conn, &shown).await
        };
        let told = match asked.await {
            Ok(hold) => hold.into_iter().map(Some).collect(),
            Err(error) => {
                let error = iroko_daemon::chain(&error);
                tracing::warn!(
                    error,
                    agents = shown.len(),
                    "agents' certificates could not be looked up; they ask again"
                );
                vec![None; shown.len()]
            }
        };
        for (answer, told) in answers.into_iter().zip(told) {
            // An agent that is gone meanwhile asks again.
            let _ = answer.send(told);
        }
    }
}
