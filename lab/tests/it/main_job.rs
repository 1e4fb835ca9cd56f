//! The main job: machines of a tenant on two hosts and one network, from POST to delete.

use crate::fixture::Fixture;
use crate::needs_lab;
use anyhow::{Result, ensure};
use iroko_lab::traces::settled;
use iroko_lab::{Guest, Host, Lab, Tenant};
use std::time::Duration;

/// What a guest does over a network that is there.
const SOON: Duration = Duration::from_secs(30);
/// Payload of a ping that fills an MTU of 1450: less the headers of IPv4 (20) and ICMP (8).
const FULL: u32 = 1450 - 28;

#[tokio::test(flavor = "multi_thread")]
async fn machines_on_two_hosts_talk_and_leave_nothing() {
    needs_lab!();
    let fixture = Fixture::new(2).await;
    fixture.run(scenario(&fixture.lab)).await;
}

async fn scenario(lab: &Lab) -> Result<()> {
    let tenant = Tenant::new(lab).await?;
    let network = tenant.network("archives", "10.30.0.0/24").await?;
    let (a, b) = (tenant.create("alpha", &network).await?, tenant.create("beta", &network).await?);
    let (alpha, beta) = (tenant.guest(lab, &a).await?, tenant.guest(lab, &b).await?);
    ensure!(alpha.host.name() != beta.host.name(), "both are on {}", alpha.host.name());
    alpha.until_up().await?;
    beta.until_up().await?;
    names_and_addresses(&tenant, &a, &alpha, "alpha").await?;
    names_and_addresses(&tenant, &b, &beta, "beta").await?;
    across(&alpha, &beta).await?;
    full_packets(&alpha, &beta).await?;
    power(&tenant, (&a, &network), &alpha, &beta).await?;
    settled(lab).await?;
    for id in [&a, &b] {
        tenant.delete(id).await?;
    }
    for id in [&a, &b] {
        tenant.until(id, "deleted").await?;
    }
    tenant.delete_network(&network).await?;
    for host in &lab.hosts {
        nothing_left(host).await?;
    }
    settled(lab).await
}

/// By DHCP and by the seed: address, MTU, name; and the console says so to the tenant.
async fn names_and_addresses(tenant: &Tenant, id: &str, guest: &Guest, name: &str) -> Result<()> {
    ensure!(guest.must("hostname").await? == name);
    let addresses = guest.must("ip -4 -o address show dev eth0; ip link show dev eth0").await?;
    ensure!(addresses.contains(&format!("{}/24", guest.ip)), "{addresses}");
    ensure!(addresses.contains("mtu 1450") && addresses.contains(&guest.mac), "{addresses}");
    let console = tenant.rest.get(&format!("{}/console-log", tenant.path(id))).await?;
    let console = console["output"].as_str().unwrap_or_default();
    let line = format!("IROKO-TEST nic=eth0 mac={} ip={}/24 mtu=1450 hostname={name}", guest.mac, guest.ip);
    ensure!(console.contains(&line), "the console lacks {line:?}: {console}");
    Ok(())
}

async fn across(alpha: &Guest, beta: &Guest) -> Result<()> {
    for (from, to, name) in [(alpha, beta, "beta"), (beta, alpha, "alpha")] {
        from.until(&format!("ping -c 2 -W 2 {}", to.ip), SOON).await?;
        ensure!(from.must(&format!("wget -q -O - http://{}/", to.ip)).await? == name);
        // By the network's own DNS.
        ensure!(from.must(&format!("wget -q -O - http://{name}.internal/")).await? == name);
    }
    Ok(())
}

/// A packet as large as the MTU crosses in one piece, and one octet more does not: neither the guest nor the
/// underlay cut anything before that.
async fn full_packets(alpha: &Guest, beta: &Guest) -> Result<()> {
    alpha.must(&format!("ping -c 3 -W 2 -s {FULL} {}", beta.ip)).await?;
    ensure!(fragments(&alpha.must("cat /proc/net/snmp").await?)? == 0, "the guest cut packets");
    for host in [&alpha.host, &beta.host] {
        ensure!(fragments(&host.run(&["cat", "/proc/net/snmp"]).await?)? == 0, "{} cut packets", host.name());
    }
    alpha.must(&format!("ping -c 1 -W 2 -s {} {}", FULL + 1, beta.ip)).await?;
    ensure!(fragments(&alpha.must("cat /proc/net/snmp").await?)? > 0, "the MTU is larger than told");
    Ok(())
}

/// `FragCreates` and `ReasmReqds` of a namespace.
fn fragments(snmp: &str) -> Result<u64> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Ip: "));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let counters = names.split(' ').zip(values.split(' '));
    let wanted: Vec<u64> =
        counters.filter(|(n, _)| ["FragCreates", "ReasmReqds"].contains(n)).flat_map(|(_, v)| v.parse()).collect();
    ensure!(wanted.len() == 2, "no counters of fragments in {snmp}");
    Ok(wanted.iter().sum())
}

/// Stop, start and reboot as the tenant asks, and nothing else of the machine changes.
async fn power(tenant: &Tenant, (id, network): (&str, &str), alpha: &Guest, beta: &Guest) -> Result<()> {
    alpha.must("touch /run/before").await?;
    // An interface more waits for the next start.
    let interfaces = format!("{}/interfaces", tenant.path(id));
    let more = tenant.rest.post(&interfaces, &serde_json::json!({"network_id": network})).await?;
    let port = iroko_lab::rest::text(&more, "/interfaces/1/port_id")?.to_owned();
    let waits = |seen: &serde_json::Value| seen["at_next_start"] == serde_json::json!(["interface"]);
    tenant.rest.until(&tenant.path(id), "the interface waits for the next start", SOON, waits).await?;
    alpha.must("! ip link show dev eth1").await?;
    tenant.act(id, "stop").await?;
    tenant.until(id, "stopped").await?;
    ensure!(alpha.host.run(&["virsh", "-q", "list", "--name"]).await?.is_empty(), "the domain still runs");
    ensure!(!beta.sh(&format!("ping -c 1 -W 1 {}", alpha.ip)).await?.0, "a stopped machine answers");
    tenant.act(id, "start").await?;
    tenant.until(id, "running").await?;
    alpha.until_up().await?;
    alpha.must("! test -e /run/before && touch /run/before && ip link show dev eth1").await?;
    let there =
        |seen: &serde_json::Value| seen["at_next_start"].is_null() && seen["generation"] == seen["observed_generation"];
    tenant.rest.until(&tenant.path(id), "the interface is there", SOON, there).await?;
    tenant.rest.delete(&format!("{interfaces}/{port}")).await?;
    tenant.rest.until(&tenant.path(id), "its end waits for the next start", SOON, waits).await?;
    tenant.act(id, "reboot").await?;
    tenant.until(id, "running").await?;
    alpha.until("! test -e /run/before", Duration::from_secs(120)).await?;
    beta.until(&format!("ping -c 1 -W 2 {}", alpha.ip), SOON).await?;
    Ok(())
}

/// No domain, disk, device, namespace, server or rule of a tenant is left on the host.
async fn nothing_left(host: &Host) -> Result<()> {
    let look = || async {
        let words = "virsh -q list --all --name; ls /run/netns; ip -br link | grep -o '^ik[a-z0-9]*'; pgrep -a dnsmasq; pgrep -a qemu; \
                     nft list ruleset | grep -oE 'elements = .*'; ls /run/iroko/ports; true";
        let mut left = host.run(&["sh", "-c", words]).await.map_err(|error| format!("{error:#}"))?;
        for entry in std::fs::read_dir(host.compute_dir().join("instances")).unwrap().flatten() {
            left.push_str(&format!("\n{}", entry.path().display()));
        }
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    };
    iroko_lab::wait::until(&format!("nothing is left on {}", host.name()), SOON, look).await
}
