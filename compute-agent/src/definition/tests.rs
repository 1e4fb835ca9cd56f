use super::*;
use crate::Config;
use crate::domain_xml::{DomainHost, render};
use iroko_agent_wire::{ImageSpec, NicSpec};
use iroko_model::host::Architecture;
use iroko_model::image::DiskFormat;
use iroko_model::{Hostname, ImageId, InstanceId, MacAddress, NetworkId, PortId, Resources};
use std::path::PathBuf;

fn nic(last: u8) -> NicSpec {
    NicSpec {
        port_id: PortId::new(),
        network_id: NetworkId::new(),
        tap: format!("ikt{last}"),
        mac: MacAddress::local([0, 0, 0, 0xab, last]),
        mtu: 1450,
        addresses: vec![],
    }
}

fn spec() -> InstanceSpec {
    InstanceSpec {
        id: InstanceId::new(),
        generation: 1,
        power: iroko_model::instance::Power::Running,
        operation: None,
        hostname: Hostname::try_from("web".to_owned()).unwrap(),
        resources: Resources { vcpus: 2, memory_mib: 512, disk_gib: 4 },
        image: ImageSpec {
            id: ImageId::new(),
            format: DiskFormat::Raw,
            sha256: "ab".repeat(32),
            size_bytes: 1,
            virtual_size_bytes: 1,
        },
        nics: vec![nic(1), nic(2)],
        ssh_keys: vec![],
        user_data: None,
        user_data_is_base64: false,
        has_run: false,
        on_guest_shutdown: Default::default(),
    }
}

fn files() -> InstanceFiles {
    let path = |name: &str| PathBuf::from(format!("/var/lib/a & b/{name}"));
    InstanceFiles {
        disk: path("disk.qcow2"),
        backing: path("image.raw"),
        backing_format: DiskFormat::Raw,
        seed: path("seed.img"),
        console: path("console.log"),
    }
}

fn rendered(spec: &InstanceSpec) -> String {
    render(spec, &files(), &DomainHost::new(&Config::default(), Architecture::X86_64))
}

#[test]
fn what_is_rendered_reads_as_what_is_wanted() {
    let spec = spec();
    let wanted = Definition::wanted(&spec, &files());
    assert_eq!(Definition::read(&rendered(&spec)), Some(wanted.clone()));
    assert_eq!(wanted.differs(&wanted), []);
}

#[test]
fn each_part_differs_by_itself() {
    let wanted = Definition::wanted(&spec(), &files());
    type Change = fn(&mut Definition);
    let changes: [(Change, DefinitionPart); 6] = [
        (|seen| seen.cpu.vcpus = 3, DefinitionPart::Cpu),
        (|seen| seen.memory.memory_mib = 3, DefinitionPart::Memory),
        (|seen| drop(seen.disks.pop()), DefinitionPart::Disk),
        (|seen| seen.disks[0].file = "/elsewhere".into(), DefinitionPart::Disk),
        (|seen| seen.interfaces.reverse(), DefinitionPart::Interface),
        (|seen| seen.interfaces.clear(), DefinitionPart::Interface),
    ];
    for (change, part) in changes {
        let mut seen = wanted.clone();
        change(&mut seen);
        assert_eq!(wanted.differs(&seen), [part]);
    }
    let mut other_order = wanted.clone();
    other_order.disks.reverse();
    assert_eq!(wanted.differs(&other_order), [], "the order of disks says nothing");
}

/// As libvirt gives it back: other units, further elements, disks without a file.
#[test]
fn a_definition_is_read_as_libvirt_tells_it() {
    let xml = "<domain type='kvm' id='7'><name>x</name><memory unit='KiB'>524288</memory>
        <currentMemory unit='KiB'>524288</currentMemory><vcpu placement='static'>2</vcpu><devices>
        <disk type='file' device='disk'><source file='/a' index='2'/><backingStore type='file'><source file='/b'/>
        </backingStore><target dev='vda' bus='virtio'/></disk><disk type='file' device='cdrom'><target dev='sda'/></disk>
        <interface type='ethernet'><mac address='02:00:00:00:AB:01'/><target dev='ikt1' managed='no'/></interface>
        </devices></domain>";
    let seen = Definition::read(xml).unwrap();
    assert_eq!((seen.cpu.vcpus, seen.memory.memory_mib), (2, 512));
    assert_eq!(seen.disks, [Disk { target: "vda".into(), file: "/a".into() }]);
    assert_eq!(seen.interfaces, [Interface { mac: "02:00:00:00:ab:01".into(), tap: "ikt1".into() }]);
    assert_eq!(Definition::read("<domain><devices/></domain>"), None);
    assert_eq!(Definition::read("no & xml"), None);
}
