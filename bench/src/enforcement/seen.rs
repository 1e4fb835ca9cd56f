//! When a change is seen on which host.

use anyhow::{Context, Result, ensure};
use iroko_lab::Host;
use iroko_model::security_group::Direction;
use iroko_model::{AddressSetId, SecurityGroupId, Vni};
use iroko_net_agent::Fake;
use iroko_net_agent::object::{Chain, Element, Key, State, Value};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at the simulated hosts: the resolution of what is measured.
const LOOK: Duration = Duration::from_millis(1);
const BOUND: Duration = Duration::from_secs(30);

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// A rule is added to the group.
    Rule,
    /// An address set that a rule refers to gets another range.
    AddressSet,
    /// A machine joins the group.
    Join,
    /// And leaves it.
    Leave,
}

impl Change {
    /// Each, in an order in which each changes something every time.
    pub const ALL: [Self; 4] = [Self::Rule, Self::AddressSet, Self::Join, Self::Leave];

    /// For the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "a rule more",
            Self::AddressSet => "another range in an address set",
            Self::Join => "a member more",
            Self::Leave => "a member less",
        }
    }
}

/// What is to be seen on a host.
#[derive(Debug)]
pub enum Sought {
    /// A rule of a group.
    Rule {
        /// The group.
        group: SecurityGroupId,
        /// The rule's id.
        rule: String,
    },
    /// An address in a group's set of members, or no longer.
    Member {
        /// The group.
        group: SecurityGroupId,
        /// The network.
        vni: Vni,
        /// The address.
        address: Ipv4Addr,
        /// In it or gone from it.
        is_there: bool,
    },
    /// An address in an address set.
    Range {
        /// The set.
        set: AddressSetId,
        /// The address.
        address: Ipv4Addr,
    },
}

impl Sought {
    /// In a kernel in memory.
    fn is_in(&self, state: &State) -> bool {
        match self {
            Self::Rule { group, rule } => {
                let chain = Key::Chain(Chain::Group(*group, Direction::Ingress));
                matches!(state.get(&chain), Some(Value::Text(text)) if text.contains(rule))
            }
            Self::Member { group, vni, address, is_there } => {
                let member = Element::GroupMember(*group, *vni, IpAddr::from(*address));
                state.contains_key(&Key::Element(member)) == *is_there
            }
            Self::Range { set, address } => {
                let address = IpAddr::from(*address);
                matches!(state.get(&Key::AddressSet(*set)), Some(Value::Ranges(ranges)) if ranges.iter().any(|(first, _)| *first == address))
            }
        }
    }

    /// What prints `yes` on a real host that has it.
    fn question(&self) -> String {
        let element = |set: String, key: String| format!("nft get element inet ik {set} '{{ {key} }}'");
        let (asks, is_there) = match self {
            Self::Rule { group, rule } => {
                let chain = Chain::Group(*group, Direction::Ingress);
                (format!("nft list chain inet ik {chain} | grep -F {rule}"), true)
            }
            Self::Member { group, vni, address, is_there } => {
                let set = format!("g4_{}", group.as_uuid().simple());
                (element(set, format!("\"{}\" . {address}", vni.bridge())), *is_there)
            }
            Self::Range { set, address } => {
                (element(format!("a4_{}", set.as_uuid().simple()), address.to_string()), true)
            }
        };
        let (found, missing) = if is_there { ("yes", "no") } else { ("no", "yes") };
        format!("if {asks} >/dev/null 2>&1; then echo {found}; else echo {missing}; fi")
    }
}

/// Hears when the filter of a real host was changed, by `nft monitor`.
pub struct Monitor<'a> {
    host: &'a Host,
    child: Child,
    changes: Arc<Mutex<VecDeque<Instant>>>,
}

impl<'a> Monitor<'a> {
    /// Begins to listen.
    pub fn start(host: &'a Host) -> Result<Self> {
        let mut command = host.command(&["nft", "monitor"])?;
        // What it says of elements is not asked for, so neither is what it misses of them.
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("starting nft monitor")?;
        let output = child.stdout.take().context("no output")?;
        let changes = Arc::new(Mutex::new(VecDeque::new()));
        let into = changes.clone();
        std::thread::spawn(move || listen(output, &into));
        Ok(Self { host, child, changes })
    }

    /// The moment of the change after which the host has it; none so far. Changes before `began` are of something else.
    async fn seen(&self, sought: &Sought, began: Instant) -> Result<Option<Instant>> {
        while let Some(at) = self.next() {
            if at >= began && self.host.run(&["sh", "-c", &sought.question()]).await? == "yes" {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn next(&self) -> Option<Instant> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Drop for Monitor<'_> {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A transaction ends with its generation.
fn listen(output: ChildStdout, into: &Mutex<VecDeque<Instant>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if line.starts_with("# new generation") {
            into.lock().unwrap_or_else(PoisonError::into_inner).push_back(Instant::now());
        }
    }
}

/// All hosts.
pub struct Watched<'a> {
    /// Kernels of the simulated ones.
    pub simulated: Vec<Fake>,
    /// Listeners on the real ones.
    pub monitors: &'a [Monitor<'a>],
}

impl Watched<'_> {
    /// Waits until every host has it: how long it took since `began` on each of the simulated and of the real ones.
    pub async fn until_seen(&self, sought: &Sought, began: Instant) -> Result<[Vec<Duration>; 2]> {
        let (simulated, real) = tokio::join!(self.until_simulated(sought, began), self.until_real(sought, began));
        Ok([simulated?, real?])
    }

    async fn until_simulated(&self, sought: &Sought, began: Instant) -> Result<Vec<Duration>> {
        let mut missing: Vec<&Fake> = self.simulated.iter().collect();
        let mut took = Vec::with_capacity(missing.len());
        loop {
            missing.retain(|kernel| {
                let is_in = kernel.look(|state| sought.is_in(state));
                if is_in {
                    took.push(began.elapsed());
                }
                !is_in
            });
            if missing.is_empty() {
                return Ok(took);
            }
            ensure!(began.elapsed() < BOUND, "{sought:?} is not on {} simulated hosts", missing.len());
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn until_real(&self, sought: &Sought, began: Instant) -> Result<Vec<Duration>> {
        let mut took = Vec::with_capacity(self.monitors.len());
        for monitor in self.monitors {
            let at = loop {
                if let Some(at) = monitor.seen(sought, began).await? {
                    break at;
                }
                ensure!(began.elapsed() < BOUND, "{sought:?} is not on {}", monitor.host.name());
                tokio::time::sleep(LOOK).await;
            };
            took.push(at - began);
        }
        Ok(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_hosts_are_asked_for_what_is_there_or_gone() {
        let (group, vni) = (SecurityGroupId::new(), Vni::try_from(5).unwrap());
        let member =
            |is_there| Sought::Member { group, vni, address: Ipv4Addr::new(10, 50, 0, 1), is_there }.question();
        let key = format!("g4_{} '{{ \"ikbr000005\" . 10.50.0.1 }}'", group.as_uuid().simple());
        assert!(
            member(true).contains(&key) && member(true).ends_with("echo yes; else echo no; fi"),
            "{}",
            member(true)
        );
        assert!(member(false).contains(&key) && member(false).ends_with("echo no; else echo yes; fi"));
    }
}
