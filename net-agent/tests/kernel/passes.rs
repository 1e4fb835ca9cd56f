//! What passes do to the host: make, leave alone, mend, remove.

use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_link::wire::{Change, ObjectKey};
use iroko_model::port::PortState;

#[test]
fn makes_everything_and_then_has_nothing_to_do() {
    needs_kernel!();
    let (host, other) = (Host::new(1), Host::new(2));
    let net = Net::new(0x101);
    let (port, remote) = (net.port(10), net.port(20));
    let made = host.change(vec![net.set(), set_port(&port), peer(&remote, &other)]);
    assert!(made.actions > 0);
    let seen = host.reporter.last_port(port.id).unwrap();
    assert_eq!((seen.state, seen.reason), (PortState::Ready, None));
    assert!(host.ready.is_ready(port.id));

    let again = host.full();
    assert_eq!(
        (again.full, again.actions, again.outstanding),
        (true, 0, false),
        "{}",
        host.sh("ip -d link; nft list ruleset")
    );
    host.restart();
    let restarted = host.full();
    assert_eq!((restarted.actions, restarted.outstanding), (0, false));
}
