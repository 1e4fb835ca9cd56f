//! Addresses, MACs and VNIs: never one twice, down to the very last, and all come back.

use crate::world::{World, naming};
use iroko_model::subnet::{Gateway, SubnetPlan, from_number, to_number};
use iroko_model::{MacAddress, NetworkId, PortId};
use iroko_store::network::{Network, NewNetwork, network_insert};
use iroko_store::noun::{Within, delete};
use iroko_store::port::{PortDeletion, port_delete};
use iroko_store::{Error, Result};
use iroko_test_database::database;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Cases of the property test; each makes and empties a network twice.
const CASES: usize = 10;
/// In one of so many cases each transaction makes two ports: near the end of a pool those lock each
/// other out, which PostgreSQL resolves after a second.
const PAIRS_EVERY: usize = 10;
/// Tries of one worker; far more than the largest pool has addresses.
const TRIES: usize = 400;

struct Case {
    range: String,
    gateway: IpAddr,
    workers: usize,
    ports_each: usize,
}

fn cases() -> impl Iterator<Item = Case> {
    let strategy = (26u8..=29, any::<prop::sample::Index>(), 2usize..=10);
    let mut runner = TestRunner::deterministic();
    (0..CASES).map(move |number| {
        let (prefix, gateway, workers) = strategy.new_tree(&mut runner).unwrap().current();
        let range = format!("10.{number}.0.0/{prefix}");
        let ports_each = if number % PAIRS_EVERY == 9 { 2 } else { 1 };
        let hosts = (1usize << (32 - prefix)) - 2;
        let base = to_number(format!("10.{number}.0.1").parse().unwrap());
        Case { range, gateway: from_number(base + gateway.index(hosts) as u128, true), workers, ports_each }
    })
}

/// The addresses that ports can have.
fn pool(case: &Case) -> HashSet<IpAddr> {
    let plan = SubnetPlan::new(case.range.parse().unwrap(), Gateway::At(case.gateway), None, vec![]).unwrap();
    let numbers = to_number(plan.pools[0].first)..=to_number(plan.pools[0].last);
    numbers.map(|number| from_number(number, true)).filter(|address| Some(*address) != plan.gateway).collect()
}

type Given = (PortId, MacAddress, IpAddr);

/// Makes ports, `each` in a transaction, until the network has no address left.
async fn take_until_exhausted(world: Arc<World>, network: NetworkId, mut each: usize) -> Vec<Given> {
    let mut given = Vec::new();
    for _ in 0..TRIES {
        match take(&world, network, each).await {
            Ok(mut more) => given.append(&mut more),
            Err(Error::Exhausted(_)) if each > 1 => each -= 1,
            Err(Error::Exhausted("addresses")) => return given,
            // Two transactions that each want what the other has just taken.
            Err(error) if error.is_transient() => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("{} ports, and the network of a few dozen addresses is still not exhausted", given.len());
}

async fn take(world: &World, network: NetworkId, each: usize) -> Result<Vec<Given>> {
    let mut tx = world.store.begin().await?;
    let mut given = Vec::with_capacity(each);
    for _ in 0..each {
        let (id, mac, addresses) = world.port(&mut tx, network).await?;
        assert_eq!(addresses.len(), 1);
        given.push((id, mac, addresses[0].address));
    }
    world.store.commit(tx).await?;
    Ok(given)
}

async fn race(world: &Arc<World>, network: NetworkId, case: &Case) -> Vec<Given> {
    let mut workers = JoinSet::new();
    for _ in 0..case.workers {
        workers.spawn(take_until_exhausted(world.clone(), network, case.ports_each));
    }
    workers.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn addresses_are_given_once_down_to_the_last() {
    let (_database, connect) = database().await;
    let world = Arc::new(World::new(&connect, 12).await);
    let mut macs = HashSet::new();
    for case in cases() {
        let network = world.network(&[]).await;
        let mut tx = world.begin().await;
        world.subnet(&mut tx, network, &case.range, Some(case.gateway)).await.unwrap().unwrap();
        world.commit(tx).await;
        for round in 0..2 {
            let given = race(&world, network, &case).await;
            let addresses: HashSet<IpAddr> = given.iter().map(|(_, _, address)| *address).collect();
            let (range, gateway) = (&case.range, case.gateway);
            assert_eq!(addresses.len(), given.len(), "{range}: an address was given twice in round {round}");
            assert_eq!(addresses, pool(&case), "{range} with gateway {gateway}: round {round}");
            assert!(given.iter().all(|(_, mac, _)| macs.insert(*mac)), "{range}: a MAC address was given twice");
            delete_all(&world, &given).await;
        }
    }
}

async fn delete_all(world: &World, given: &[Given]) {
    let mut conn = world.store.connection().await.unwrap();
    for (id, _, _) in given {
        assert_eq!(port_delete(&mut conn, world.project, *id).await.unwrap(), PortDeletion::Deleted);
    }
}

#[tokio::test]
async fn the_second_subnet_serves_when_the_first_is_full() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/29", "10.1.0.0/29", "fd00::/64"]).await;
    let mut tx = world.begin().await;
    let mut first = 0;
    for _ in 0..8 {
        let (_, _, addresses) = world.port(&mut tx, network).await.unwrap();
        assert!(addresses[0].address.is_ipv4() && addresses[1].address.is_ipv6(), "{addresses:?}");
        first += usize::from(addresses[0].address.to_string().starts_with("10.0."));
    }
    assert_eq!(first, 4);
    let refused = world.port(&mut tx, network).await;
    assert!(matches!(refused, Err(Error::Exhausted("addresses"))), "{refused:?}");
}

#[tokio::test]
async fn vnis_are_given_once_down_to_the_last() {
    let (_database, connect) = database().await;
    const VNIS: std::ops::RangeInclusive<u32> = 7000..=7023;
    let world = Arc::new(World::new(&connect, 10).await);
    for round in 0..2 {
        let mut workers = JoinSet::new();
        for _ in 0..8 {
            let world = world.clone();
            workers.spawn(async move {
                let mut given = Vec::new();
                for _ in 0..=VNIS.count() {
                    let mut tx = world.begin().await;
                    let naming = naming("n");
                    let new = NewNetwork { project_id: world.project, naming: &naming, mtu: 1450, vnis: VNIS };
                    match network_insert(&mut tx, &new).await {
                        Ok(network) => given.push((network.vni, network.common.id)),
                        Err(Error::Exhausted("VNIs")) => return given,
                        Err(error) => panic!("{error:?}"),
                    }
                    world.commit(tx).await;
                }
                panic!("more networks than VNIs: {given:?}");
            });
        }
        let given: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
        let vnis: HashSet<i32> = given.iter().map(|(vni, _)| *vni).collect();
        assert_eq!(given.len(), VNIS.count(), "round {round}");
        assert_eq!(vnis, VNIS.map(|vni| i32::try_from(vni).unwrap()).collect(), "round {round}");
        let mut conn = world.store.connection().await.unwrap();
        for (_, id) in given {
            assert!(delete::<Network>(&mut conn, &Within::project(world.project), id).await.unwrap());
        }
    }
}
