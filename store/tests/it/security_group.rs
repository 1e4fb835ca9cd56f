//! Security groups: what the constraints hold, also against those who come at the same moment.

use crate::world::{World, name, room, size};
use iroko_model::security_group::{Direction, Ethertype, Protocol, Remote, Rule, RuleParts};
use iroko_model::{Labels, ProjectId, SecurityGroupId};
use iroko_store::port::{self, PortChange};
use iroko_store::security_group::{self, NewSecurityGroup};
use iroko_store::security_group_rule::{self as rule, NewSecurityGroupRule, security_group_touch};
use iroko_store::{Error, Filter, PageQuery, Result, Tx, account, suspension};
use iroko_test_database::database;
use std::sync::Arc;
use tokio::task::JoinSet;
use uuid::Uuid;

const ALL: PageQuery = PageQuery { limit: 100, after: None };

async fn group(tx: &mut Tx, project_id: ProjectId, text: &str) -> SecurityGroupId {
    let (name, labels) = (name(text), Labels::default());
    let new = NewSecurityGroup { project_id, name: &name, description: "", stateful: true, labels: &labels };
    security_group::security_group_insert(tx, &new).await.unwrap().id.into()
}

fn tcp(remote: Remote) -> Rule {
    let (direction, ethertype, protocol) = (Direction::Ingress, Ethertype::Ipv4, Some(Protocol::TCP));
    Rule::try_from(RuleParts { direction, ethertype, protocol, ports: None, icmp: None, remote }).unwrap()
}

async fn add(tx: &mut Tx, project_id: ProjectId, group: SecurityGroupId, rule: &Rule) -> Result<Uuid> {
    security_group_touch(tx, project_id, group, &rule::refs(rule)).await?;
    let labels = Labels::default();
    let new = NewSecurityGroupRule { project_id, security_group_id: group, rule, description: "", labels: &labels };
    Ok(rule::security_group_rule_insert(tx, &new).await?.id)
}

#[tokio::test]
async fn every_project_has_its_default_group_and_takes_it_along() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let mut tx = world.begin().await;
    let other = account::bootstrap(&mut tx, &name("second"), &name("second"), "kofi", "hash").await.unwrap();
    for project in [world.project, other] {
        let id = security_group::security_group_default(&mut tx, project).await.unwrap().unwrap().into();
        let rules = rule::security_group_rule_list(&mut tx, project, id, ALL, &Filter::default()).await.unwrap().items;
        let mut said: Vec<RuleParts> = rules.into_iter().map(|row| row.rule.into()).collect();
        said.sort();
        let wanted = |direction, ethertype, remote| RuleParts {
            direction,
            ethertype,
            protocol: None,
            ports: None,
            icmp: None,
            remote,
        };
        let mut all: Vec<RuleParts> = [Ethertype::Ipv4, Ethertype::Ipv6]
            .into_iter()
            .flat_map(|family| {
                [wanted(Direction::Ingress, family, Remote::Group(id)), wanted(Direction::Egress, family, Remote::Any)]
            })
            .collect();
        all.sort();
        assert_eq!(said, all);
        assert!(!security_group::security_group_delete(&mut tx, project, id).await.unwrap(), "it stays");
    }
    group(&mut tx, other, "more").await;
    assert!(suspension::project_remove(&mut tx, other.as_uuid()).await.unwrap());
    assert!(security_group::security_group_default(&mut tx, other).await.unwrap().is_none());
}

#[tokio::test]
async fn rules_and_ports_refer_to_their_own_project_only() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let mut tx = world.begin().await;
    let other = account::bootstrap(&mut tx, &name("second"), &name("second"), "kofi", "hash").await.unwrap();
    let (mine, theirs) = (group(&mut tx, world.project, "g").await, group(&mut tx, other, "g").await);
    world.commit(tx).await;
    let refused = add(&mut world.begin().await, world.project, mine, &tcp(Remote::Group(theirs))).await;
    assert!(matches!(&refused, Err(Error::Missing(by)) if by == "security_group_rule_remote_group"), "{refused:?}");
    let network = world.network(&["10.0.0.0/24"]).await;
    let mut tx = world.begin().await;
    let (port, ..) = world.port(&mut tx, network).await.unwrap();
    world.commit(tx).await;
    let mut tx = world.begin().await;
    assert!(port::port_lock(&mut tx, world.project, port).await.unwrap());
    let groups = [theirs.as_uuid()];
    let change = PortChange { security_group_ids: Some(&groups), ..PortChange::default() };
    let refused = port::port_update(&mut tx, world.project, port, &change).await;
    assert!(matches!(&refused, Err(Error::Missing(by)) if by == "port_security_group_group"), "{refused:?}");
}

#[tokio::test]
async fn a_rule_is_there_once_and_a_group_goes_with_its_rules() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let project = world.project;
    let mut tx = world.begin().await;
    let (a, b) = (group(&mut tx, project, "a").await, group(&mut tx, project, "b").await);
    for remote in [Remote::Any, Remote::Group(a), Remote::Group(b)] {
        add(&mut tx, project, a, &tcp(remote)).await.unwrap();
    }
    world.commit(tx).await;
    let again = add(&mut world.begin().await, project, a, &tcp(Remote::Any)).await;
    assert!(matches!(&again, Err(Error::Taken(by)) if by == "security_group_rule_once"), "{again:?}");
    let mut tx = world.begin().await;
    let used = security_group::security_group_use(&mut tx, b).await.unwrap();
    assert_eq!((used.ports, used.groups), (0, 1));
    let refused = security_group::security_group_delete(&mut tx, project, b).await;
    assert!(matches!(refused, Err(Error::InUse(_))), "a rule of a refers to it: {refused:?}");
    drop(tx);
    let mut tx = world.begin().await;
    assert!(security_group::security_group_delete(&mut tx, project, a).await.unwrap(), "it referred to itself");
    assert!(security_group::security_group_delete(&mut tx, project, b).await.unwrap());
    world.commit(tx).await;
}

/// Either the port has the group, or the group is gone; whoever came second is told.
#[tokio::test]
async fn a_group_is_not_deleted_under_a_port_that_takes_it() {
    let (_database, connect) = database().await;
    const ROUNDS: usize = 24;
    let world = Arc::new(World::new(&connect, 8).await);
    let project = world.project;
    let network = world.network(&["10.0.0.0/24"]).await;
    let (mut taken, mut deleted) = (0, 0);
    for round in 0..ROUNDS {
        let mut tx = world.begin().await;
        let id = group(&mut tx, project, &format!("g{round}")).await;
        let (port, ..) = world.port(&mut tx, network).await.unwrap();
        world.commit(tx).await;
        let mut both: JoinSet<(bool, Result<()>)> = JoinSet::new();
        let taker = world.clone();
        both.spawn(async move {
            let mut tx = taker.begin().await;
            assert!(port::port_lock(&mut tx, project, port).await.unwrap());
            let groups = [id.as_uuid()];
            let change = PortChange { security_group_ids: Some(&groups), ..PortChange::default() };
            let done = port::port_update(&mut tx, project, port, &change).await;
            if done.is_ok() {
                taker.commit(tx).await;
            }
            (true, done)
        });
        let deleter = world.clone();
        both.spawn(async move {
            let mut tx = deleter.begin().await;
            let done = security_group::security_group_delete(&mut tx, project, id).await;
            if done.is_ok() {
                deleter.commit(tx).await;
            }
            (false, done.map(|there| assert!(there)))
        });
        let outcomes = both.join_all().await;
        let mut tx = world.begin().await;
        let there = security_group::security_group_get(&mut tx, project, id).await.unwrap().is_some();
        let row = port::port_get(&mut tx, project, port).await.unwrap().unwrap();
        for (is_taker, outcome) in &outcomes {
            match (is_taker, outcome) {
                (true, Ok(())) => {
                    taken += 1;
                    assert!(there && row.security_group_ids == [id.as_uuid()], "{row:?}");
                }
                (true, Err(error)) => assert!(matches!(error, Error::Missing(_)) && !there, "{error:?}"),
                (false, Ok(())) => deleted += 1,
                (false, Err(error)) => assert!(matches!(error, Error::InUse(_)) && there, "{error:?}"),
            }
        }
    }
    assert_eq!(taken + deleted, ROUNDS, "one of both each time");
}

/// What is asked for at once is done one after the other: the port is in the groups of one of them.
#[tokio::test]
async fn changes_of_a_port_at_once_do_not_mix() {
    let (_database, connect) = database().await;
    let world = Arc::new(World::new(&connect, 8).await);
    let project = world.project;
    let network = world.network(&["10.0.0.0/24"]).await;
    let host = world.host("host", room(4)).await;
    let instance = world.instance(size(1), &[network]).await;
    world.place(instance, host).await;
    let mut tx = world.begin().await;
    let mut groups = Vec::new();
    for number in 0..6 {
        groups.push(group(&mut tx, project, &format!("g{number}")).await.as_uuid());
    }
    let port = world.get(instance).await.interfaces[0].port_id;
    world.commit(tx).await;
    let (_, from) = world.changes(0).await;
    let mut all = JoinSet::new();
    for pair in groups.chunks(2).map(<[Uuid]>::to_vec) {
        let world = world.clone();
        all.spawn(async move {
            let mut tx = world.begin().await;
            assert!(port::port_lock(&mut tx, project, port.into()).await.unwrap());
            let change = PortChange { security_group_ids: Some(&pair), ..PortChange::default() };
            port::port_update(&mut tx, project, port.into(), &change).await.unwrap();
            world.commit(tx).await;
        });
    }
    all.join_all().await;
    let mut conn = world.store.connection().await.unwrap();
    let row = port::port_get(&mut conn, project, port.into()).await.unwrap().unwrap();
    assert!(groups.chunks(2).any(|pair| row.security_group_ids == pair), "{:?}", row.security_group_ids);
    assert_eq!(row.generation, 4);
    let told = world.changes(from).await.0;
    assert_eq!(told.len(), 3, "its host looks at it each time: {told:?}");
    assert!(told.iter().all(|(kind, id, on)| kind == "port" && *id == port && *on == Some(host.as_uuid())));
}
