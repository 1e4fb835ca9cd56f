//! Simulated hosts beside a lab's real ones.

use anyhow::{Context, Result};
use iroko_lab::Rest;
use iroko_lab::rest::text;
use iroko_model::{Resources, Vni};
use iroko_net_agent::Fake;
use iroko_net_agent::object::Key;
use iroko_sim::agent::{Place, Settings};
use iroko_sim::hardware::{Hardware, Latencies};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What each host offers; enough for all.
const CAPACITY: Resources = Resources { vcpus: 64, memory_mib: 262_144, disk_gib: 4096 };
const BOUND: Duration = Duration::from_secs(120);

/// Simulated hosts; they end when this is dropped.
pub struct Simulated {
    places: Vec<Place>,
    _end: DropGuard,
}

impl Simulated {
    /// Lets `count` hosts join a control plane.
    pub async fn join(rest: &Rest, agent_link: &str, count: u16) -> Result<Self> {
        let end = CancellationToken::new();
        let mut places = Vec::new();
        for number in 1..=count {
            let host_name = format!("sim-{number}");
            let token =
                rest.post("/v1/system/enrolment-tokens", &json!({"host_name": host_name, "valid_s": 3600})).await?;
            let [high, low] = number.to_be_bytes();
            let settings = Settings {
                control_plane: agent_link.to_owned(),
                token: text(&token, "/token")?.to_owned(),
                state_dir: None,
                host_name,
                capacity: CAPACITY,
                vtep: Ipv4Addr::new(198, 19, high, low).into(),
                compute: iroko_compute_agent::Config::default(),
                verify_period_s: 30,
            };
            let place = Place { settings, hardware: Hardware::new(Latencies::default()), host_id: Arc::default() };
            tokio::spawn(place.clone().net(end.clone()));
            tokio::spawn(place.clone().compute(end.clone()));
            places.push(place);
        }
        Ok(Self { places, _end: end.drop_guard() })
    }

    /// Their kernels, in memory.
    pub fn kernels(&self) -> Vec<Fake> {
        self.places.iter().map(|place| place.hardware.kernel.clone()).collect()
    }

    /// Number of the one network they have.
    pub fn vni(&self) -> Result<Vni> {
        let of = |key: &Key| if let Key::Bridge(vni) = key { Some(*vni) } else { None };
        let first = self.places.first().and_then(|place| place.hardware.kernel.look(|state| state.keys().find_map(of)));
        first.context("the first simulated host has no network")
    }

    /// Their names in the cluster.
    pub fn names(&self) -> Vec<String> {
        self.places.iter().map(|place| place.settings.host_name.clone()).collect()
    }

    /// Waits until all of them have both agents connected.
    pub async fn until_reachable(&self, rest: &Rest) -> Result<()> {
        let names = self.names();
        let reachable = |seen: &Value, name: &String| {
            let mut items = seen["items"].as_array().into_iter().flatten();
            items.any(|host| host["name"] == *name && host["reachable"] == true)
        };
        let all = |seen: &Value| names.iter().all(|name| reachable(seen, name));
        rest.until("/v1/system/hosts?limit=1000", "all simulated hosts are reachable", BOUND, all).await.map(drop)
    }
}
