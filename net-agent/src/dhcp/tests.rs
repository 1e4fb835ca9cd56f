use super::*;
use iroko_model::PortId;
use iroko_model::port::PortLimits;
use iroko_model::{Hostname, InstanceId, NetworkId, SubnetId};
use uuid::Uuid;

fn network() -> NetworkSpec {
    let subnet = |cidr: &str, service: &str, gateway: Option<&str>, dns: &[&str]| SubnetSpec {
        id: SubnetId::new(),
        cidr: cidr.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        service: service.parse().unwrap(),
        dns_servers: dns.iter().map(|server| server.parse().unwrap()).collect(),
    };
    NetworkSpec {
        id: NetworkId::from(Uuid::from_u128(1)),
        generation: 1,
        vni: Vni::try_from(0xff).unwrap(),
        mtu: 1450,
        domain: "archives.internal".into(),
        subnets: vec![
            subnet("10.0.0.0/24", "10.0.0.2", Some("10.0.0.1"), &["9.9.9.9"]),
            subnet("10.0.1.0/28", "10.0.1.2", None, &[]),
            subnet("fd00:1::/64", "fd00:1::2", Some("fd00:1::1"), &["2620:fe::fe"]),
        ],
    }
}

#[test]
fn configuration() {
    let settings = Settings { run_dir: "/run/iroko/net-agent".into(), lease_s: 3600 };
    insta::assert_snapshot!(config(
        &network(),
        &["10.0.0.9".parse().unwrap(), "fd69::7".parse().unwrap()].into(),
        &settings
    ));
}

#[test]
fn records() {
    let port = PortSpec {
        id: PortId::new(),
        network_id: NetworkId::new(),
        instance_id: InstanceId::new(),
        generation: 1,
        tap: "ikt1".into(),
        mac: "02:00:00:00:00:0a".parse().unwrap(),
        addresses: vec!["10.0.0.10".parse().unwrap(), "fd00:1::a".parse().unwrap()],
        hostname: Hostname::try_from("db".to_owned()).unwrap(),
        security_group_ids: None,
        is_secured: true,
        allowed_address_pairs: vec![],
        limits: PortLimits::default(),
        connection_log: None,
    };
    assert_eq!(
        reservation(&port, "archives.internal"),
        "02:00:00:00:00:0a,10.0.0.10,[fd00:1::a],db.archives.internal\n"
    );
    assert_eq!(host_record(&port.addresses, "db"), "10.0.0.10 db\nfd00:1::a db\n");
}
