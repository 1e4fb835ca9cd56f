//! The seed's three files as text. All of it is JSON, which is YAML too and leaves nothing to
//! quoting by hand; only the tenant's user data is passed through as it is.

use iroko_agent_wire::{InstanceSpec, NicAddress, NicSpec};
use iroko_model::user_data::for_guest;
use serde_json::{Map, Value, json};

/// Ends user data of our own making, which only says "nothing to do".
const NO_USER_DATA: &str = "#cloud-config\n{}\n";

/// `meta-data`: who the instance is, and whose keys it accepts.
pub(super) fn meta_data(spec: &InstanceSpec) -> String {
    let keys: Map<String, Value> =
        spec.ssh_keys.iter().enumerate().map(|(n, key)| (format!("key-{n}"), json!(key))).collect();
    let mut data = json!({ "instance-id": spec.id.to_string(), "local-hostname": spec.hostname.as_str() });
    if !keys.is_empty() {
        data["public-keys"] = Value::Object(keys);
    }
    pretty(&data)
}

/// `user-data`: the tenant's, to the letter, or what it is base64 of ([`iroko_model::user_data`]).
pub(super) fn user_data(spec: &InstanceSpec) -> Vec<u8> {
    let sent = spec.user_data.as_deref().filter(|data| !data.is_empty());
    sent.map_or_else(|| NO_USER_DATA.as_bytes().to_vec(), |data| for_guest(data, spec.user_data_is_base64))
}

/// `network-config` in version 2: interfaces found by MAC address. IPv4 comes by DHCP, which also
/// tells gateway, resolvers and MTU; IPv6 is written down, since routers announce no addresses.
///
/// Each interface gets a name. Without one, only netplan finds it by its address: what cloud-init writes for
/// ifupdown and sysconfig (seen with 20.4.1, of Debian 11), and for systemd-networkd (seen with 22.4.2, of Debian
/// 12), is for an interface that is called like the key, and the guest has no network. The name is none that a
/// kernel or udev gives, so that two interfaces never want each other's.
pub(super) fn network_config(spec: &InstanceSpec) -> String {
    let ethernets: Map<String, Value> =
        spec.nics.iter().enumerate().map(|(n, nic)| (name(n), ethernet(n, nic))).collect();
    pretty(&json!({ "version": 2, "ethernets": ethernets }))
}

fn name(number: usize) -> String {
    format!("nic{number}")
}

fn ethernet(number: usize, nic: &NicSpec) -> Value {
    let is_v4 = |address: &&NicAddress| address.address.is_ipv4();
    let mut config = json!({
        "match": { "macaddress": nic.mac.to_string() },
        "set-name": name(number),
        "mtu": nic.mtu,
        "dhcp4": nic.addresses.iter().any(|address| is_v4(&address)),
    });
    // Only the first interface's way out is the instance's.
    if number > 0 && config["dhcp4"] == json!(true) {
        config["dhcp4-overrides"] = json!({ "use-routes": false });
    }
    let v6: Vec<_> = nic.addresses.iter().filter(|address| !is_v4(address)).collect();
    if v6.is_empty() {
        return config;
    }
    config["addresses"] = v6.iter().map(|address| json!(address.address.to_string())).collect();
    if let Some(gateway) = v6.iter().find_map(|address| address.gateway).filter(|_| number == 0) {
        config["routes"] = json!([{ "to": "::/0", "via": gateway.to_string() }]);
    }
    let resolvers: Vec<_> = v6.iter().flat_map(|address| &address.dns_servers).map(ToString::to_string).collect();
    if !resolvers.is_empty() {
        config["nameservers"] = json!({ "addresses": resolvers });
    }
    config
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a JSON value is text");
    text.push('\n');
    text
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
