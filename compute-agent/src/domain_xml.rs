//! An instance's definition: spec and host -> libvirt domain XML. Pure.
//!
//! Formats of disks are always written out, for every layer, so that no header a guest wrote can
//! choose one. Interfaces use the taps the net-agent made; libvirt does not manage them. The
//! metadata element is the mark by which the agent knows its own domains.
//! Format: <https://libvirt.org/formatdomain.html>.

use crate::config::{Config, DiskCache, VirtType};
use crate::definition::disk::{ROOT, SEED};
use crate::hypervisor::domain_name;
use crate::storage::InstanceFiles;
use iroko_agent_wire::{InstanceSpec, NicSpec};
use iroko_model::host::Architecture;
use iroko_model::image::DiskFormat;
use quick_xml::Writer;
use quick_xml::events::BytesText;
use std::io;
use std::path::{Path, PathBuf};

/// Namespace of our mark in a domain's metadata.
pub const METADATA_URI: &str = "urn:iroko:instance:1";

type Xml = Writer<Vec<u8>>;

/// Queues of an interface: one a processor, within these. The net-agent's taps are multi-queue, and
/// the kernel lets nobody open such a tap with a single queue.
const QUEUES_MIN: u64 = 2;
const QUEUES_MAX: u64 = 8;

/// What a definition needs to know of the host.
#[derive(Debug, Clone)]
pub struct DomainHost {
    /// Processor architecture of guests.
    pub architecture: Architecture,
    /// How they are executed.
    pub virt_type: VirtType,
    /// Machine type (a word of QEMU).
    pub machine: String,
    /// Emulator binary, where the operator chose one.
    pub emulator: Option<PathBuf>,
    /// Page cache policy of disks.
    pub disk_cache: DiskCache,
}

impl DomainHost {
    /// From the configuration, with the architecture's own defaults.
    pub fn new(config: &Config, architecture: Architecture) -> Self {
        let machine = match architecture {
            Architecture::X86_64 => "q35",
            Architecture::Aarch64 => "virt",
        };
        Self {
            architecture,
            virt_type: config.virt_type,
            machine: config.machine.clone().unwrap_or_else(|| machine.to_owned()),
            emulator: config.emulator.clone(),
            disk_cache: config.disk_cache,
        }
    }

    /// Hardware lends its own processor; emulation offers everything it can.
    const fn cpu_mode(&self) -> &'static str {
        match self.virt_type {
            VirtType::Kvm => "host-model",
            VirtType::Qemu => "maximum",
        }
    }
}

/// Renders the definition of `spec`.
pub fn render(spec: &InstanceSpec, files: &InstanceFiles, host: &DomainHost) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    domain(&mut xml, spec, files, host).expect("a Vec takes every write");
    String::from_utf8(xml.into_inner()).expect("text was written to it")
}

fn domain(xml: &mut Xml, spec: &InstanceSpec, files: &InstanceFiles, host: &DomainHost) -> io::Result<()> {
    inside(xml, "domain", &[("type", host.virt_type.as_str())], |xml| {
        text(xml, "name", &[], &domain_name(spec.id))?;
        text(xml, "uuid", &[], &spec.id.to_string())?;
        metadata(xml, spec)?;
        text(xml, "memory", &[("unit", "MiB")], &spec.resources.memory_mib.to_string())?;
        text(xml, "vcpu", &[], &spec.resources.vcpus.to_string())?;
        firmware(xml, host)?;
        inside(xml, "features", &[], |xml| {
            empty(xml, "acpi", &[])?;
            if host.architecture == Architecture::X86_64 { empty(xml, "apic", &[]) } else { Ok(()) }
        })?;
        empty(xml, "cpu", &[("mode", host.cpu_mode())])?;
        empty(xml, "clock", &[("offset", "utc")])?;
        text(xml, "on_poweroff", &[], "destroy")?;
        text(xml, "on_reboot", &[], "restart")?;
        text(xml, "on_crash", &[], "destroy")?;
        inside(xml, "devices", &[], |xml| devices(xml, spec, files, host))
    })
}

fn metadata(xml: &mut Xml, spec: &InstanceSpec) -> io::Result<()> {
    inside(xml, "metadata", &[], |xml| {
        inside(xml, "iroko:instance", &[("xmlns:iroko", METADATA_URI)], |xml| {
            text(xml, "iroko:hostname", &[], spec.hostname.as_str())?;
            text(xml, "iroko:generation", &[], &spec.generation.to_string())
        })
    })
}

fn firmware(xml: &mut Xml, host: &DomainHost) -> io::Result<()> {
    // Arm boots by UEFI only; on x86 the BIOS is faster and every image knows it.
    let firmware: &[(&str, &str)] = match host.architecture {
        Architecture::X86_64 => &[],
        Architecture::Aarch64 => &[("firmware", "efi")],
    };
    inside(xml, "os", firmware, |xml| {
        text(xml, "type", &[("arch", host.architecture.as_str()), ("machine", &host.machine)], "hvm")?;
        empty(xml, "boot", &[("dev", "hd")])
    })
}

fn devices(xml: &mut Xml, spec: &InstanceSpec, files: &InstanceFiles, host: &DomainHost) -> io::Result<()> {
    if let Some(emulator) = &host.emulator {
        text(xml, "emulator", &[], path(emulator).as_ref())?;
    }
    disk(xml, files, host)?;
    seed(xml, files)?;
    for nic in &spec.nics {
        interface(xml, nic, spec.resources.vcpus.clamp(QUEUES_MIN, QUEUES_MAX))?;
    }
    inside(xml, "serial", &[("type", "file")], |xml| {
        empty(xml, "source", &[("path", path(&files.console).as_ref()), ("append", "on")])?;
        empty(xml, "target", &[("port", "0")])
    })?;
    inside(xml, "rng", &[("model", "virtio")], |xml| text(xml, "backend", &[("model", "random")], "/dev/urandom"))?;
    empty(xml, "memballoon", &[("model", "virtio")])?;
    empty(xml, "controller", &[("type", "usb"), ("model", "none")])
}

fn disk(xml: &mut Xml, files: &InstanceFiles, host: &DomainHost) -> io::Result<()> {
    inside(xml, "disk", &[("type", "file"), ("device", "disk")], |xml| {
        let cache = host.disk_cache.as_str();
        empty(xml, "driver", &[("name", "qemu"), ("type", "qcow2"), ("cache", cache), ("discard", "unmap")])?;
        empty(xml, "source", &[("file", path(&files.disk).as_ref())])?;
        inside(xml, "backingStore", &[("type", "file")], |xml| {
            empty(xml, "format", &[("type", files.backing_format.as_str())])?;
            empty(xml, "source", &[("file", path(&files.backing).as_ref())])?;
            empty(xml, "backingStore", &[])
        })?;
        empty(xml, "target", &[("dev", ROOT), ("bus", "virtio")])
    })
}

fn seed(xml: &mut Xml, files: &InstanceFiles) -> io::Result<()> {
    inside(xml, "disk", &[("type", "file"), ("device", "disk")], |xml| {
        empty(xml, "driver", &[("name", "qemu"), ("type", DiskFormat::Raw.as_str())])?;
        empty(xml, "source", &[("file", path(&files.seed).as_ref())])?;
        empty(xml, "target", &[("dev", SEED), ("bus", "virtio")])?;
        empty(xml, "readonly", &[])
    })
}

fn interface(xml: &mut Xml, nic: &NicSpec, queues: u64) -> io::Result<()> {
    inside(xml, "interface", &[("type", "ethernet")], |xml| {
        empty(xml, "mac", &[("address", &nic.mac.to_string())])?;
        empty(xml, "target", &[("dev", &nic.tap), ("managed", "no")])?;
        empty(xml, "model", &[("type", "virtio")])?;
        empty(xml, "driver", &[("queues", &queues.to_string())])?;
        empty(xml, "mtu", &[("size", &nic.mtu.to_string())])
    })
}

/// Our own paths are made of the configured directory and ids; a path that is no text shows.
fn path(path: &Path) -> std::borrow::Cow<'_, str> {
    path.to_string_lossy()
}

fn inside(
    xml: &mut Xml,
    name: &str,
    attributes: &[(&str, &str)],
    body: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let element = xml.create_element(name).with_attributes(attributes.iter().copied());
    element.write_inner_content(body).map(drop)
}

fn text(xml: &mut Xml, name: &str, attributes: &[(&str, &str)], body: &str) -> io::Result<()> {
    xml.create_element(name)
        .with_attributes(attributes.iter().copied())
        .write_text_content(BytesText::new(body))
        .map(drop)
}

fn empty(xml: &mut Xml, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
    xml.create_element(name).with_attributes(attributes.iter().copied()).write_empty().map(drop)
}

#[cfg(test)]
#[path = "domain_xml_tests.rs"]
mod tests;
