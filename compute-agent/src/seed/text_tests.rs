//! Golden seeds.

use super::*;
use iroko_agent_wire::ImageSpec;
use iroko_model::image::DiskFormat;
use iroko_model::{Hostname, ImageId, InstanceId, MacAddress, NetworkId, PortId, Resources};
use uuid::Uuid;

fn address(address: &str, gateway: Option<&str>, dns: &[&str]) -> NicAddress {
    NicAddress {
        address: address.parse().unwrap(),
        gateway: gateway.map(|g| g.parse().unwrap()),
        dns_servers: dns.iter().map(|d| d.parse().unwrap()).collect(),
    }
}

fn nic(last: u8, addresses: Vec<NicAddress>) -> NicSpec {
    NicSpec {
        port_id: PortId::from(Uuid::nil()),
        network_id: NetworkId::from(Uuid::nil()),
        tap: String::new(),
        mac: MacAddress::local([0, 0, 0, 0, last]),
        mtu: 1450,
        addresses,
    }
}

fn spec() -> InstanceSpec {
    InstanceSpec {
        id: InstanceId::from(Uuid::from_u128(7)),
        generation: 1,
        power: iroko_model::instance::Power::Running,
        operation: None,
        hostname: Hostname::try_from("web-1".to_owned()).unwrap(),
        resources: Resources::default(),
        image: ImageSpec {
            id: ImageId::from(Uuid::nil()),
            format: DiskFormat::Raw,
            sha256: String::new(),
            size_bytes: 0,
            virtual_size_bytes: 0,
        },
        nics: vec![
            nic(
                1,
                vec![
                    address("10.0.0.5/24", Some("10.0.0.1"), &["10.0.0.2"]),
                    address("fd00::5/64", Some("fd00::1"), &["fd00::2"]),
                ],
            ),
            nic(2, vec![address("10.1.0.5/24", None, &[])]),
        ],
        ssh_keys: vec!["ssh-ed25519 AAAA \"ama\"@lome".into()],
        user_data: Some("#!/bin/sh\necho hi\n".into()),
        user_data_is_base64: false,
        has_run: false,
        on_guest_shutdown: Default::default(),
    }
}

#[test]
fn the_three_files() {
    let spec = spec();
    insta::assert_snapshot!(meta_data(&spec));
    insta::assert_snapshot!(network_config(&spec));
    assert_eq!(user_data(&spec), b"#!/bin/sh\necho hi\n", "to the letter");
    let gzip = Some("H4sIAAAA".to_owned());
    assert_eq!(user_data(&InstanceSpec { user_data: gzip, ..spec.clone() }), [0x1f, 0x8b, 8, 0, 0, 0]);
    let binary = InstanceSpec { user_data: Some("AP8=".to_owned()), user_data_is_base64: true, ..spec.clone() };
    assert_eq!(user_data(&binary), [0, 0xff]);
    for nothing in [None, Some(String::new())] {
        assert_eq!(user_data(&InstanceSpec { user_data: nothing, ..spec.clone() }), b"#cloud-config\n{}\n");
    }
}

#[test]
fn the_same_spec_gives_the_same_bytes() {
    let spec = spec();
    assert_eq!(crate::seed::image(&spec).unwrap(), crate::seed::image(&spec).unwrap());
    let long = InstanceSpec { user_data: Some("x".repeat(crate::seed::USER_DATA_MAX + 1)), ..spec };
    assert!(matches!(crate::seed::image(&long), Err(crate::seed::SeedError::TooLong)));
}
