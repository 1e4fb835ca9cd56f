//! Subnets: two of one network never overlap, also when made at the same moment.

use crate::world::World;
use iroko_model::ProjectId;
use iroko_store::{Error, network, subnet};
use iroko_test_database::database;
use std::sync::Arc;
use tokio::task::JoinSet;

#[tokio::test]
async fn overlaps_are_refused_within_a_network_only() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let (network, other) = (world.network(&["10.0.0.0/16", "fd00::/64"]).await, world.network(&[]).await);
    for (at, range, fits) in [
        (network, "10.0.3.0/24", false),
        (network, "10.0.0.0/8", false),
        (network, "10.1.0.0/16", true),
        (network, "10.1.255.0/29", false),
        (network, "fd00::/80", false),
        (network, "fd00:0:0:1::/64", true),
        (other, "10.0.3.0/24", true),
    ] {
        let mut tx = world.begin().await;
        let made = world.subnet(&mut tx, at, range, None).await;
        match (fits, &made) {
            (true, Ok(Some(_))) => world.commit(tx).await,
            (false, Err(Error::Taken(constraint))) => assert_eq!(constraint, "subnet_overlap"),
            _ => panic!("{range}: {made:?}"),
        }
    }
}

#[tokio::test]
async fn of_overlapping_ranges_made_at_once_one_wins() {
    let (_database, connect) = database().await;
    let world = Arc::new(World::new(&connect, 10).await);
    for round in 0..5 {
        let network = world.network(&[]).await;
        let mut makers = JoinSet::new();
        for number in 0..8 {
            let world = world.clone();
            makers.spawn(async move {
                let range = if number % 2 == 0 { "10.0.0.0/24".to_owned() } else { "10.0.0.0/25".to_owned() };
                let mut tx = world.begin().await;
                match world.subnet(&mut tx, network, &range, None).await {
                    Ok(made) => {
                        world.commit(tx).await;
                        usize::from(made.is_some())
                    }
                    Err(Error::Taken(_)) => 0,
                    Err(error) if error.is_transient() => 0,
                    Err(error) => panic!("{error:?}"),
                }
            });
        }
        assert_eq!(makers.join_all().await.into_iter().sum::<usize>(), 1, "round {round}");
    }
}

#[tokio::test]
async fn what_is_used_is_not_deleted() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/24"]).await;
    let mut tx = world.begin().await;
    let found = subnet::subnets_of_networks(&mut tx, world.project, &[network.as_uuid()]).await.unwrap();
    let id = found[0].1[0].id.into();
    let (port, _, _) = world.port(&mut tx, network).await.unwrap();
    world.commit(tx).await;
    let mut conn = world.store.connection().await.unwrap();
    assert!(!subnet::subnet_delete(&mut conn, ProjectId::new(), id).await.unwrap(), "of another project");
    for refused in [
        subnet::subnet_delete(&mut conn, world.project, id).await,
        network::network_delete(&mut conn, world.project, network).await,
    ] {
        assert!(matches!(refused, Err(Error::InUse(_))), "{refused:?}");
    }
    iroko_store::port::port_delete(&mut conn, world.project, port).await.unwrap();
    assert!(subnet::subnet_delete(&mut conn, world.project, id).await.unwrap());
    assert!(network::network_delete(&mut conn, world.project, network).await.unwrap());
    assert!(!network::network_delete(&mut conn, world.project, network).await.unwrap());
}
