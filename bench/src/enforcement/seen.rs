//! When a change is seen on which host.

use anyhow::{Context, Result, bail};
use iroko_lab::Host;
use iroko_model::security_group::Direction;
use iroko_model::{AddressSetId, SecurityGroupId, Vni};
use iroko_net_agent::Fake;
use iroko_net_agent::object::{Chain, Element, Key, State, Value};
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

    /// In a line of `nft monitor`.
    fn is_told(&self, line: &str) -> bool {
        match self {
            Self::Rule { rule, .. } => line.contains("add rule") && line.contains(rule.as_str()),
            Self::Member { group, address, is_there, .. } => {
                let verb = if *is_there { "add element" } else { "delete element" };
                let set = format!("g4_{}", group.as_uuid().simple());
                line.contains(verb) && line.contains(&set) && names(line, *address)
            }
            Self::Range { set, address } => {
                let set = format!("a4_{}", set.as_uuid().simple());
                line.contains("add element") && line.contains(&set) && names(line, *address)
            }
        }
    }
}

/// The address is a word of the line, not part of a longer one.
fn names(line: &str, address: Ipv4Addr) -> bool {
    line.split(|c: char| !c.is_ascii_digit() && c != '.').any(|word| word.parse() == Ok(address))
}

/// `nft monitor` on a real host.
pub struct Monitor {
    child: Child,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Monitor {
    /// Begins to listen.
    pub fn start(host: &Host) -> Result<Self> {
        let mut command = host.command(&["nft", "monitor"])?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting nft monitor")?;
        let output = child.stdout.take().context("no output")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = lines.clone();
        std::thread::spawn(move || listen(output, &into));
        Ok(Self { child, lines })
    }

    /// When the change was told, if it was.
    fn seen(&self, sought: &Sought) -> Option<Instant> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().find(|(_, line)| sought.is_told(line)).map(|(at, _)| *at)
    }

    fn forget(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(output: ChildStdout, into: &Mutex<Vec<(Instant, String)>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        into.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), line));
    }
}

/// All hosts.
pub struct Watched<'a> {
    /// Kernels of the simulated ones.
    pub simulated: Vec<Fake>,
    /// Listeners on the real ones.
    pub monitors: &'a [Monitor],
}

impl Watched<'_> {
    /// Waits until every host has it: how long it took since `began` on each of the simulated and of the real ones.
    pub async fn until_seen(&self, sought: &Sought, began: Instant) -> Result<[Vec<Duration>; 2]> {
        let mut missing: Vec<&Fake> = self.simulated.iter().collect();
        let mut simulated = Vec::with_capacity(missing.len());
        loop {
            missing.retain(|kernel| {
                let is_in = kernel.look(|state| sought.is_in(state));
                if is_in {
                    simulated.push(began.elapsed());
                }
                !is_in
            });
            let real: Vec<Instant> = self.monitors.iter().filter_map(|monitor| monitor.seen(sought)).collect();
            if missing.is_empty() && real.len() == self.monitors.len() {
                self.monitors.iter().for_each(Monitor::forget);
                return Ok([simulated, real.into_iter().map(|at| at - began).collect()]);
            }
            if began.elapsed() > BOUND {
                bail!("{sought:?}: {} simulated hosts miss it, {} real ones have it", missing.len(), real.len());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nft_monitor_are_told_apart() {
        let group = SecurityGroupId::new();
        let line = |verb, address| {
            format!("{verb} element inet ik g4_{} {{ \"ikbr5\" . {address} }}", group.as_uuid().simple())
        };
        let vni = Vni::try_from(5).unwrap();
        let member = |is_there| Sought::Member { group, vni, address: Ipv4Addr::new(10, 50, 0, 1), is_there };
        assert!(member(true).is_told(&line("add", "10.50.0.1")) && member(false).is_told(&line("delete", "10.50.0.1")));
        assert!(!member(true).is_told(&line("add", "10.50.0.11")) && !member(true).is_told(&line("add", "110.50.0.1")));
        assert!(
            !member(true).is_told(&line("delete", "10.50.0.1")) && !member(false).is_told(&line("add", "10.50.0.1"))
        );
        let other =
            Sought::Member { group: SecurityGroupId::new(), vni, address: Ipv4Addr::new(10, 50, 0, 1), is_there: true };
        assert!(!other.is_told(&line("add", "10.50.0.1")));
    }
}
