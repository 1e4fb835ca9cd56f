//! keepalived in real guests on two hosts: an address that moves is where its holder is, for machines on both
//! hosts, when the holder crashes, when it comes back and when it hands over; with the machines' own MAC
//! addresses and with VRRP's. A port that may not use the address does not get it.

use crate::fixture::Fixture;
use crate::needs_lab;
use anyhow::{Result, ensure};
use iroko_lab::rest::text;
use iroko_lab::traces::settled;
use iroko_lab::{Guest, Lab, Tenant, images};
use serde_json::{Value, json};
use std::time::Duration;

/// What moves, and VRRP's MAC address for it (RFC 5798, section 7.3: the last octet is the router's id).
const MOVES: &str = "10.33.0.200";
const MAC: &str = "00:00:5e:00:01:33";
const ROUTER: u8 = 0x33;
/// Three advertisements that do not come, and what hosts and guests do then.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn an_address_moves_with_keepalived() {
    needs_lab!();
    let fixture = Fixture::new(2).await;
    fixture.run(scenario(&fixture.lab)).await;
}

/// A machine that may hold the address, and its port.
struct Holder {
    id: String,
    name: &'static str,
    port: String,
    guest: Guest,
    priority: u8,
}

async fn scenario(lab: &Lab) -> Result<()> {
    let tenant = Tenant::with(lab, &images::keepalived().await?, 192).await?;
    let network = tenant.network("portal", "10.33.0.0/24").await?;
    let first = holder(&tenant, lab, &network, ("alpha", 150)).await?;
    let second = holder(&tenant, lab, &network, ("beta", 100)).await?;
    ensure!(first.guest.host.name() != second.guest.host.name(), "both are on {}", first.guest.host.name());
    let client_id = tenant.create("gamma", &network).await?;
    let client = tenant.guest(lab, &client_id).await?;
    for guest in [&first.guest, &second.guest, &client] {
        guest.until_up().await?;
    }

    for mac in [None, Some(MAC)] {
        let pair = mac.map_or_else(
            || json!({"cidr": format!("{MOVES}/32")}),
            |mac| json!({"cidr": format!("{MOVES}/32"), "mac_address": mac}),
        );
        for holder in [&first, &second] {
            tenant.rest.patch(&holder.port, &json!({"allowed_address_pairs": [pair]})).await?;
        }
        settled(lab).await?;
        run_keepalived(&second, &first, mac.is_some()).await?;
        answers(&second, &[&first.guest, &client]).await?;
        run_keepalived(&first, &second, mac.is_some()).await?;
        answers(&first, &[&second.guest, &client]).await?;
        ensure!(known_mac(&client).await? == mac.unwrap_or(&first.guest.mac), "by which MAC address, {mac:?}");

        // A crash: nobody says farewell.
        tenant.act(&first.id, "stop").await?;
        tenant.until(&first.id, "stopped").await?;
        answers(&second, &[&client]).await?;
        ensure!(known_mac(&client).await? == mac.unwrap_or(&second.guest.mac), "by which MAC address, {mac:?}");
        tenant.act(&first.id, "start").await?;
        tenant.until(&first.id, "running").await?;
        first.guest.until_up().await?;
        answers(&second, &[&first.guest, &client]).await?;
        run_keepalived(&first, &second, mac.is_some()).await?;
        answers(&first, &[&second.guest, &client]).await?;

        // A hand-over.
        end_keepalived(&first).await?;
        answers(&second, &[&first.guest, &client]).await?;
        end_keepalived(&second).await?;
        client.until(&format!("! {}", ask(MOVES)), SOON).await?;
    }

    // Who may not use the address has it in vain; what is the machine's own goes on.
    tenant.rest.patch(&first.port, &json!({"allowed_address_pairs": []})).await?;
    settled(lab).await?;
    first
        .guest
        .must(&format!("ip address add {MOVES}/24 dev eth0 && arping -U -c 3 -I eth0 {MOVES} >/dev/null"))
        .await?;
    client.must(&format!("ip neigh flush dev eth0; ! {}", ask(MOVES))).await?;
    client.must(&ask(&first.guest.ip)).await?;
    let counted = |seen: &Value| seen.pointer("/tx_dropped/port_security").and_then(Value::as_i64) > Some(0);
    tenant.rest.until(&format!("{}/statistics", first.port), "what was refused is counted", SOON, counted).await?;

    for id in [&first.id, &second.id, &client_id] {
        tenant.delete(id).await?;
        tenant.until(id, "deleted").await?;
    }
    tenant.delete_network(&network).await?;
    settled(lab).await
}

async fn holder(tenant: &Tenant, lab: &Lab, network: &str, (name, priority): (&'static str, u8)) -> Result<Holder> {
    let id = tenant.create(name, network).await?;
    let guest = tenant.guest(lab, &id).await?;
    let instance = tenant.rest.get(&tenant.path(&id)).await?;
    let port = format!("{}/ports/{}", tenant.at, text(&instance, "/interfaces/0/port_id")?);
    Ok(Holder { id, name, port, guest, priority })
}

/// Networks bear no multicast, so advertisements go to the other machine alone.
async fn run_keepalived(here: &Holder, there: &Holder, with_mac: bool) -> Result<()> {
    let mac = if with_mac { "use_vmac vrrp0\n vmac_xmit_base" } else { "" };
    let configuration = format!(
        "vrrp_instance portal {{
           state BACKUP
           interface eth0
           {mac}
           virtual_router_id {ROUTER}
           priority {}
           advert_int 1
           unicast_src_ip {}
           unicast_peer {{
             {}
           }}
           virtual_ipaddress {{
             {MOVES}/32
           }}
         }}",
        here.priority, here.guest.ip, there.guest.ip
    );
    here.guest
        .must(&format!("mkdir -p /etc/keepalived; echo '{configuration}' >/etc/keepalived/keepalived.conf"))
        .await?;
    here.guest.must("keepalived --log-console --log-detail --dont-fork >/run/log 2>&1 </dev/null &").await?;
    let runs = "for n in 1 2 3 4 5 6 7 8 9; do grep -q 'Entering BACKUP STATE' /run/log && exit 0; sleep 1; done; cat /run/log; exit 1";
    here.guest.must(runs).await.map(drop)
}

/// It says that it ends, so the other need not wait.
async fn end_keepalived(holder: &Holder) -> Result<()> {
    let ends = "killall keepalived; for n in 1 2 3 4 5 6 7 8 9; do pidof keepalived >/dev/null || exit 0; sleep 1; done; cat /run/log; exit 1";
    holder.guest.must(ends).await.map(drop)
}

/// The machine with the address serves its name there.
async fn answers(holder: &Holder, clients: &[&Guest]) -> Result<()> {
    for client in clients {
        client.until(&format!("{} | grep -qx {}", ask(MOVES), holder.name), SOON).await?;
    }
    Ok(())
}

fn ask(ip: &str) -> String {
    format!("timeout 3 wget -q -O - http://{ip}/")
}

/// What a machine believes to be the MAC address of what moves.
async fn known_mac(client: &Guest) -> Result<String> {
    let neighbour = client.must(&format!("ip neigh show to {MOVES} dev eth0")).await?;
    let words: Vec<&str> = neighbour.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "lladdr").map_or(words.len(), |at| at + 1);
    Ok(words.get(at).copied().unwrap_or_default().to_owned())
}
