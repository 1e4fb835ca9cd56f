//! Security groups between real guests on two hosts: members of the default group talk, a group without
//! rules refuses, a rule opens one port, and taking it away closes it again; all of it is counted and recorded.
//! Then a QoS policy, which queues and drops what a running machine sends too much. Then each kind of rule, in both
//! directions, IPv4 and IPv6: nothing passes without it.

use crate::fixture::Fixture;
use crate::needs_lab;
use anyhow::{Context, Result, ensure};
use iroko_lab::rest::text;
use iroko_lab::traces::settled;
use iroko_lab::wait::until;
use iroko_lab::{Guest, Lab, Tenant};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// What hosts and guests do about a change.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn rules_open_and_close_what_they_say() {
    needs_lab!();
    let fixture = Fixture::new(2).await;
    fixture.run(scenario(&fixture.lab)).await;
}

async fn scenario(lab: &Lab) -> Result<()> {
    let tenant = Tenant::new(lab).await?;
    let network = tenant.network("archives", "10.32.0.0/24").await?;
    let (a, b) = (tenant.create("alpha", &network).await?, tenant.create("beta", &network).await?);
    let (alpha, beta) = (tenant.guest(lab, &a).await?, tenant.guest(lab, &b).await?);
    ensure!(alpha.host.name() != beta.host.name(), "both are on {}", alpha.host.name());
    alpha.until_up().await?;
    beta.until_up().await?;
    let (web, ping) = (format!("timeout 4 wget -q -O - http://{}/", beta.ip), format!("ping -c 2 -W 2 {}", beta.ip));

    // Both are in the default group.
    alpha.until(&web, SOON).await?;
    alpha.must(&ping).await?;

    // In a group without rules nothing reaches beta; what it needs to have an address still does.
    let groups = format!("{}/security-groups", tenant.at);
    let group = text(&tenant.rest.post(&groups, &json!({"name": "web"})).await?, "/id")?.to_owned();
    let port = port_of(&tenant, &b).await?;
    tenant.rest.patch(&port, &json!({"security_group_ids": [group]})).await?;
    let log = format!("{port}/connection-log");
    let both = json!({"verdicts": ["dropped", "accepted"]});
    let (status, answer) = tenant.rest.call(Method::PUT, &log, Some(&both)).await?;
    ensure!(status.is_success(), "{status} {answer}");
    refused(&alpha, &web).await?;
    refused(&alpha, &ping).await?;
    ensure!(!beta.sh(&format!("ping -c 1 -W 2 {}", alpha.ip)).await?.0, "what no rule lets out is dropped");
    beta.must("nslookup alpha.internal | grep -q 10.32.0").await?;

    // What was dropped is counted, and told.
    let counted = format!("{port}/statistics");
    let dropped = |seen: &Value| {
        let of = |pointer: &str| seen.pointer(pointer).and_then(Value::as_i64).unwrap_or_default() > 0;
        of("/rx_dropped/security_groups") && of("/tx_dropped/security_groups") && of("/rx_bytes") && of("/tx_bytes")
    };
    tenant.rest.until(&counted, "what was dropped each way is counted", SOON, dropped).await?;

    // It is recorded, too.
    let recorded = |verdict: &'static str, direction: &'static str| {
        let (ours, theirs) = (beta.ip.clone(), alpha.ip.clone());
        move |seen: &Value| {
            let (from, to) = if direction == "ingress" { (&theirs, &ours) } else { (&ours, &theirs) };
            let is_it = |item: &Value| {
                item["verdict"] == verdict
                    && item["direction"] == direction
                    && item["source"] == from.as_str()
                    && item["destination"] == to.as_str()
                    && (direction == "egress" || item["destination_port"] == 80)
            };
            seen["items"].as_array().into_iter().flatten().any(is_it)
        }
    };
    let of = |verdict: &str| format!("{log}/records?verdict={verdict}");
    tenant.rest.until(&of("dropped"), "the refused request is recorded", SOON, recorded("dropped", "ingress")).await?;
    tenant.rest.until(&of("dropped"), "the ping is recorded", SOON, recorded("dropped", "egress")).await?;

    // A rule opens one port and nothing else.
    let rules = format!("{groups}/{group}/rules");
    let rule = json!({"direction": "ingress", "ethertype": "ipv4", "protocol": "tcp", "port_first": 80});
    let rule = text(&tenant.rest.post(&rules, &rule).await?, "/id")?.to_owned();
    alpha.until(&web, SOON).await?;
    refused(&alpha, &ping).await?;
    let hit = |seen: &Value| {
        seen["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|row| row["rule_id"] == rule && row["packets"].as_i64() > Some(0))
    };
    tenant.rest.until(&format!("{groups}/{group}/statistics"), "the rule was needed", SOON, hit).await?;
    let accepted = recorded("accepted", "ingress");
    tenant.rest.until(&of("accepted"), "the request is recorded", SOON, accepted).await?;
    tenant.rest.delete(&log).await?;

    // Without it the port is closed.
    tenant.rest.delete(&format!("{rules}/{rule}")).await?;
    refused(&alpha, &web).await?;

    // By the group of the other end.
    let default = tenant.rest.get(&format!("{groups}?name=default")).await?;
    let members =
        json!({"direction": "ingress", "ethertype": "ipv4", "remote_group_id": text(&default, "/items/0/id")?});
    tenant.rest.post(&rules, &members).await?;
    alpha.until(&web, SOON).await?;
    alpha.until(&ping, SOON).await?;
    settled(lab).await?;

    limited(&tenant, &alpha, &beta, (&a, &port)).await?;
    settled(lab).await?;

    kinds(&tenant, (&alpha, &port_of(&tenant, &a).await?), (&beta, &port)).await?;
    settled(lab).await?;

    for id in [&a, &b] {
        tenant.delete(id).await?;
        tenant.until(id, "deleted").await?;
    }
    tenant.delete_network(&network).await?;
    settled(lab).await
}

/// Path of a machine's port.
async fn port_of(tenant: &Tenant, id: &str) -> Result<String> {
    let instance = tenant.rest.get(&tenant.path(id)).await?;
    Ok(format!("{}/ports/{}", tenant.at, text(&instance, "/interfaces/0/port_id")?))
}

/// Waits until a command in a guest fails.
async fn refused(guest: &Guest, command: &str) -> Result<()> {
    guest.until(&format!("! {command}"), SOON).await.map(drop)
}

/// Puts beta's port under a policy while it runs: the host queues what it sends at that rate, drops what the
/// queue has no room for, and forgets all of it when the policy is taken off.
async fn limited(tenant: &Tenant, alpha: &Guest, beta: &Guest, (other, port): (&str, &str)) -> Result<()> {
    let policies = format!("{}/qos-policies", tenant.at);
    let policy = json!({"name": "slow", "network_limits": {"egress_kbit_s": 2000}});
    let policy = text(&tenant.rest.post(&policies, &policy).await?, "/id")?.to_owned();
    tenant.rest.patch(port, &json!({"qos_policy_id": policy})).await?;
    // 2000 kbit/s, in octets.
    let queue = |rate: u64| async move {
        let shown: Value = serde_json::from_str(&beta.host.run(&["tc", "-j", "qdisc", "show"]).await?)?;
        let of_rate = |one: &Value| one["kind"] == "tbf" && one["options"]["rate"] == rate;
        anyhow::Ok(shown.as_array().into_iter().flatten().filter(|one| of_rate(one)).count())
    };
    let there = |wanted: usize, rate: u64| {
        let what = format!("{wanted} queues of {rate} octets a second");
        async move {
            let look = || async {
                match queue(rate).await {
                    Ok(found) if found == wanted => Ok(()),
                    Ok(found) => Err(format!("{found} are there")),
                    Err(error) => Err(format!("{error:#}")),
                }
            };
            until(&what, SOON, look).await
        }
    };
    there(1, 250_000).await?;
    // A guest's TCP sends more than the queue holds until it has found the rate: that is counted, and all comes.
    beta.must("dd if=/dev/zero of=/www/large bs=1000 count=500").await?;
    alpha.must(&format!("wget -q -O - http://{}/large | wc -c | grep -x 500000", beta.ip)).await?;
    let dropped = |seen: &Value| seen.pointer("/tx_dropped/limits").and_then(Value::as_i64).unwrap_or_default() > 0;
    let counted = format!("{port}/statistics");
    tenant.rest.until(&counted, "what the queue had no room for is counted", SOON, dropped).await?;
    // Another rate, for the running machine; the other machine's port is not concerned.
    tenant.rest.patch(&format!("{policies}/{policy}"), &json!({"network_limits": {"egress_kbit_s": 8000}})).await?;
    there(1, 1_000_000).await?;
    there(0, 250_000).await?;
    let neighbour = tenant.rest.get(&format!("{}/ports?instance_id={other}", tenant.at)).await?;
    ensure!(neighbour["items"][0]["network_limits"] == json!({}), "{neighbour}");
    tenant.rest.patch(port, &json!({"qos_policy_id": null})).await?;
    there(0, 1_000_000).await?;

    // Packets a second.
    let web = tenant.rest.get(port).await?;
    let rules = format!("{}/security-groups/{}/rules", tenant.at, text(&web, "/security_group_ids/0")?);
    let rule = json!({"direction": "egress", "ethertype": "ipv4", "protocol": "icmp"});
    let rule = text(&tenant.rest.post(&rules, &rule).await?, "/id")?.to_owned();
    let lossy = format!("ping -q -c 100 -i 0.02 -W 1 {}", alpha.ip);
    let admits = json!({"direction": "ingress", "ethertype": "ipv4", "protocol": "icmp"});
    let default = tenant.rest.get(&format!("{}/security-groups?name=default", tenant.at)).await?;
    let defaults = format!("{}/security-groups/{}/rules", tenant.at, text(&default, "/items/0/id")?);
    let admits = text(&tenant.rest.post(&defaults, &admits).await?, "/id")?.to_owned();
    beta.until(&format!("{lossy} | grep -q ' 0% packet loss'"), SOON).await?;
    let before = tenant.rest.get(&counted).await?;
    let limits = json!({"network_limits": {"egress_packets_s": 10}});
    tenant.rest.patch(&format!("{policies}/{policy}"), &limits).await?;
    tenant.rest.patch(port, &json!({"qos_policy_id": policy})).await?;
    beta.until(&format!("{lossy} | grep -qE ' [2-9][0-9]% packet loss'"), SOON).await?;
    let more = |seen: &Value| {
        let of = |seen: &Value| seen.pointer("/tx_dropped/limits").and_then(Value::as_i64).unwrap_or_default();
        of(seen) >= of(&before) + 20
    };
    tenant.rest.until(&counted, "what was too often is counted", SOON, more).await?;
    tenant.rest.patch(port, &json!({"qos_policy_id": null})).await?;
    beta.until(&format!("{lossy} | grep -q ' 0% packet loss'"), SOON).await?;
    for rule in [format!("{rules}/{rule}"), format!("{defaults}/{admits}")] {
        tenant.rest.delete(&rule).await?;
    }
    tenant.rest.delete(&format!("{policies}/{policy}")).await
}

/// Each kind of rule, for what beta gets from alpha and for what it sends to it. Alpha's own groups allow all.
async fn kinds(
    tenant: &Tenant,
    (alpha, alphas_port): (&Guest, &str),
    (beta, betas_port): (&Guest, &str),
) -> Result<()> {
    let group = async |name: &str| -> Result<(String, String)> {
        let group = tenant.rest.post(&format!("{}/security-groups", tenant.at), &json!({"name": name})).await?;
        let id = text(&group, "/id")?.to_owned();
        Ok((format!("{}/security-groups/{id}/rules", tenant.at), id))
    };
    let ((open_rules, open), (rules, tested)) = (group("open").await?, group("tested").await?);
    for (direction, ethertype) in [("ingress", "ipv4"), ("egress", "ipv4"), ("ingress", "ipv6"), ("egress", "ipv6")] {
        tenant.rest.post(&open_rules, &json!({"direction": direction, "ethertype": ethertype})).await?;
    }
    // The guests know no DHCPv6: addresses that their ports may use, by hand.
    let (six, sixes) = (["fd00:32::a", "fd00:32::b"], "fd00:32::/64");
    for (guest, port, group, ip) in [(alpha, alphas_port, &open, six[0]), (beta, betas_port, &tested, six[1])] {
        let change = json!({"security_group_ids": [group], "allowed_address_pairs": [{"cidr": format!("{ip}/128")}]});
        tenant.rest.patch(port, &change).await?;
        guest
            .must(&format!("echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip address add {ip}/64 dev eth0"))
            .await?;
    }
    let sets = format!("{}/address-sets", tenant.at);
    let set = json!({"name": "both", "cidrs": ["10.32.0.0/24", sixes]});
    let set = text(&tenant.rest.post(&sets, &set).await?, "/id")?.to_owned();

    for (direction, from, to) in [("ingress", alpha, (&beta.ip, six[1])), ("egress", beta, (&alpha.ip, six[0]))] {
        for (ethertype, ip, within) in [("ipv4", to.0.as_str(), "10.32.0.0/24"), ("ipv6", to.1, sixes)] {
            let is_four = ethertype == "ipv4";
            let icmp = if is_four { ("icmp", 8) } else { ("icmpv6", 128) };
            let ping = format!("ping -c 1 -W 1 {ip}");
            let web = if is_four { format!("http://{ip}/") } else { format!("http://[{ip}]/") };
            let web = format!("timeout 2 wget -q -O - {web}");
            // The first answer of a closed port is an ICMP error, which comes back with the datagram's flow.
            let family = if is_four { "-4" } else { "-6" };
            let datagram = format!("traceroute {family} -n -m 1 -q 1 -w 1 {ip} | grep -q ' ms'");
            let kinds = [
                (json!({"protocol": "tcp", "port_first": 80}), &web, Some(&ping)),
                (json!({"protocol": "udp", "port_first": 33434, "port_last": 33534}), &datagram, Some(&web)),
                (json!({"protocol": icmp.0, "icmp_type": icmp.1, "icmp_code": 0}), &ping, Some(&datagram)),
                (json!({"remote_cidr": within}), &ping, None),
                (json!({"remote_address_set_id": set}), &web, None),
            ];
            // Addresses of pairs are no member's.
            let of_group = is_four.then(|| (json!({"remote_group_id": open}), &datagram, None));
            for (mut rule, passes, other) in kinds.into_iter().chain(of_group) {
                rule["direction"] = direction.into();
                rule["ethertype"] = ethertype.into();
                refused(from, passes).await?;
                let added = text(&tenant.rest.post(&rules, &rule).await?, "/id")?.to_owned();
                from.until(passes, SOON).await.with_context(|| format!("{rule}"))?;
                if let Some(other) = other {
                    ensure!(!from.sh(other).await?.0, "{rule} allows {other}");
                }
                tenant.rest.delete(&format!("{rules}/{added}")).await?;
            }
            refused(from, &ping).await?;
        }
    }
    Ok(())
}
