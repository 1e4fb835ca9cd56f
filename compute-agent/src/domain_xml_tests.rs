//! Golden definitions.

use super::*;
use iroko_agent_wire::ImageSpec;
use iroko_model::{Hostname, ImageId, InstanceId, MacAddress, NetworkId, PortId, Resources};
use uuid::Uuid;

const fn id(last: u128) -> Uuid {
    Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 + last)
}

fn nic(last: u8) -> NicSpec {
    NicSpec {
        port_id: PortId::from(id(10 + u128::from(last))),
        network_id: NetworkId::from(id(20)),
        tap: format!("ikt00000000000{last}"),
        mac: MacAddress::local([0, 0, 0, 0, last]),
        mtu: 1450,
        addresses: vec![],
    }
}

fn spec(nics: Vec<NicSpec>, vcpus: u64) -> InstanceSpec {
    InstanceSpec {
        id: InstanceId::from(id(1)),
        generation: 3,
        power: iroko_model::instance::Power::Running,
        operation: None,
        hostname: Hostname::try_from("web-1".to_owned()).unwrap(),
        resources: Resources { vcpus, memory_mib: 512, disk_gib: 4 },
        image: ImageSpec {
            id: ImageId::from(id(2)),
            format: DiskFormat::Raw,
            sha256: "ab".repeat(32),
            size_bytes: 1,
            virtual_size_bytes: 1,
        },
        nics,
        ssh_keys: vec![],
        user_data: None,
        user_data_is_base64: false,
        has_run: false,
        on_guest_shutdown: Default::default(),
    }
}

fn files(directory: &str) -> InstanceFiles {
    let path = |name: &str| PathBuf::from(format!("{directory}/{name}"));
    InstanceFiles {
        disk: path("disk.qcow2"),
        backing: path("image.raw"),
        backing_format: DiskFormat::Raw,
        seed: path("seed.img"),
        console: path("console.log"),
    }
}

fn host(virt_type: VirtType, architecture: Architecture) -> DomainHost {
    DomainHost::new(&Config { virt_type, ..Config::default() }, architecture)
}

#[test]
fn kvm_with_one_interface() {
    let xml = render(&spec(vec![nic(1)], 4), &files("/srv/m"), &host(VirtType::Kvm, Architecture::X86_64));
    insta::assert_snapshot!(xml);
}

#[test]
fn emulated_with_two_interfaces_and_an_emulator() {
    let host = DomainHost { emulator: Some("/opt/qemu".into()), ..host(VirtType::Qemu, Architecture::X86_64) };
    insta::assert_snapshot!(render(&spec(vec![nic(1), nic(2)], 1), &files("/srv/m"), &host));
}

#[test]
fn arm_without_interfaces() {
    let xml = render(&spec(vec![], 2), &files("/srv/m"), &host(VirtType::Kvm, Architecture::Aarch64));
    insta::assert_snapshot!(xml);
}

#[test]
fn text_is_escaped() {
    let mut evil = nic(1);
    evil.tap = "a'/><x b=\"&".into();
    let xml = render(&spec(vec![evil], 1), &files("/srv/<&\"'>"), &host(VirtType::Kvm, Architecture::X86_64));
    assert!(!xml.contains("<x") && !xml.contains("/srv/<"), "{xml}");
    let mut reader = quick_xml::Reader::from_str(&xml);
    let mut taps = 0;
    loop {
        match reader.read_event().expect("well-formed") {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Empty(element) if element.name().as_ref() == b"target" => {
                let dev = element.try_get_attribute("dev").unwrap();
                taps += usize::from(dev.is_some_and(|dev| dev.unescape_value().unwrap() == "a'/><x b=\"&"));
            }
            _ => {}
        }
    }
    assert_eq!(taps, 1);
}
