//! A simulated host: hardware that stays, and two agents that can be killed and started again.

use crate::agent::{Place, Process, Settings};
use crate::hardware::{Hardware, Latencies};
use anyhow::{Context, Result};
use iroko_agent_wire::AgentKind;
use iroko_model::HostId;
use iroko_store::invariant::HostTraces;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// One host.
#[derive(Debug)]
pub struct SimHost {
    place: Place,
    agents: HashMap<AgentKind, Process>,
}

impl SimHost {
    /// A host that is switched on: both agents start.
    pub fn start(settings: Settings, latencies: Latencies) -> Result<Self> {
        let place = Place { settings, hardware: Hardware::new(latencies), host_id: Arc::new(OnceLock::new()) };
        let mut host = Self { place, agents: HashMap::new() };
        host.start_agents()?;
        Ok(host)
    }

    fn start_agents(&mut self) -> Result<()> {
        for kind in [AgentKind::Net, AgentKind::Compute] {
            self.agents.insert(kind, self.place.spawn(kind)?);
        }
        Ok(())
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.place.settings.host_name
    }

    /// What it is made of.
    pub const fn hardware(&self) -> &Hardware {
        &self.place.hardware
    }

    /// Its id, once an agent has enrolled.
    pub fn id(&self) -> Option<HostId> {
        self.place.host_id.get().copied()
    }

    /// Kills an agent and starts it again.
    pub async fn kill(&mut self, kind: AgentKind) -> Result<()> {
        if let Some(agent) = self.agents.remove(&kind) {
            agent.kill().await;
        }
        self.agents.insert(kind, self.place.spawn(kind)?);
        Ok(())
    }

    /// Loses power at any moment and comes back.
    pub async fn reboot(&mut self) -> Result<()> {
        for (_, agent) in self.agents.drain() {
            agent.kill().await;
        }
        self.hardware().lose_power();
        self.start_agents()
    }

    /// What is on it, for the checker.
    pub async fn traces(&self) -> Result<HostTraces> {
        let id = self.id().with_context(|| format!("{} has not enrolled", self.name()))?;
        self.hardware().traces(id).await
    }
}
