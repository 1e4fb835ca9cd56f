//! What can happen to a cloud.

use crate::world::World;
use anyhow::Result;
use iroko_agent_wire::AgentKind;
use iroko_compute_agent::faults::Fault;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use std::time::Duration;

/// How long a compute-agent may take to come to the line it is killed at. An idle one never does, and
/// is killed where it is.
const AT_LINE: Duration = Duration::from_millis(500);
/// What a compute-agent does to a host that can fail while a machine is built.
const BUILD: [&str; 5] = ["save", "make_disk", "make_seed", "define", "start"];
/// And afterwards.
const LATER: [&str; 5] = ["shutdown", "destroy", "undefine", "remove_files", "remove_all"];

/// One blow.
#[derive(Debug, Clone, Copy)]
pub enum Blow {
    Api,
    Scheduler,
    Postgres,
    /// An agent of a host, wherever it stands.
    Agent(usize, AgentKind),
    /// A compute-agent just before or after one of its next operations.
    AtLine(usize, u64, Fault),
    /// A host loses power and comes back.
    Power(usize),
    /// An operation fails this often in a row: more than a build tries, so that machines go elsewhere.
    Fail(usize, &'static str, u64),
    /// A change of the host's network fails.
    FailNet(usize, u64),
    /// A machine switches itself off, or is gone from the hypervisor, behind everybody's back.
    Meddle(usize, bool),
}

impl Blow {
    pub fn any(rng: &mut StdRng, hosts: usize) -> Self {
        let host = rng.random_range(0..hosts);
        match rng.random_range(0..100) {
            0..14 => Self::Api,
            14..24 => Self::Scheduler,
            24..30 => Self::Postgres,
            30..42 => Self::Agent(host, AgentKind::Net),
            42..52 => Self::Agent(host, AgentKind::Compute),
            52..70 => {
                let fault = if rng.random() { Fault::HangBefore } else { Fault::HangAfter };
                Self::AtLine(host, rng.random_range(0..8), fault)
            }
            70..78 => Self::Power(host),
            78..86 => Self::Fail(host, BUILD.choose(rng).unwrap(), rng.random_range(1..8)),
            86..90 => Self::Fail(host, LATER.choose(rng).unwrap(), rng.random_range(1..4)),
            90..96 => Self::FailNet(host, rng.random_range(1..12)),
            _ => Self::Meddle(host, rng.random()),
        }
    }

    /// For the tally.
    pub fn name(&self) -> String {
        match self {
            Self::Agent(_, kind) => format!("{}-agent", kind.as_str()),
            Self::AtLine(_, _, fault) => format!("compute-agent {fault:?}"),
            Self::Fail(_, verb, _) => format!("{verb} fails"),
            other => format!("{other:?}").split('(').next().unwrap_or_default().to_lowercase(),
        }
    }

    pub async fn strike(self, world: &mut World) -> Result<()> {
        let struck = match self {
            Self::Api => world.cloud.kill_api().await,
            Self::Scheduler => world.cloud.kill_scheduler().await,
            Self::Postgres => world.cloud.kill_postgres().await,
            Self::Agent(host, kind) => world.hosts[host].kill(kind).await,
            Self::AtLine(host, number, fault) => {
                let faults = world.hosts[host].hardware().faults.clone();
                faults.at(faults.count() + number, fault);
                let _ = tokio::time::timeout(AT_LINE, faults.hung()).await;
                faults.clear();
                world.hosts[host].kill(AgentKind::Compute).await
            }
            Self::Power(host) => world.hosts[host].reboot().await,
            Self::Fail(host, verb, times) => {
                world.hosts[host].hardware().faults.fail(verb, times);
                Ok(())
            }
            Self::FailNet(host, number) => {
                world.hosts[host].hardware().kernel.fail_nth(number);
                Ok(())
            }
            Self::Meddle(host, forget) => world.meddle(host, forget).await,
        };
        struck?;
        // What has ended because its database did is started again, as its supervisor would.
        world.cloud.api.revive()?;
        world.cloud.scheduler.revive()
    }
}
