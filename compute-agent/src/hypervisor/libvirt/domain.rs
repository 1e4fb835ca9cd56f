//! The verbs on one connection. Each is idempotent, and looks for our mark before it acts.

use super::connection::{Connection, let_go};
use crate::definition::Definition;
use crate::domain_xml::METADATA_URI;
use crate::hypervisor::{DomainState, domain_name};
use iroko_model::InstanceId;
use std::collections::HashMap;
use std::ops::Deref;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt::sys;

/// Why a verb did nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// The domain is not ours.
    Foreign(InstanceId),
    /// The library's answer.
    Libvirt(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Libvirt(error)
    }
}

/// A domain handle that never panics on its way out.
struct Handle(Option<Domain>);

impl Deref for Handle {
    type Target = Domain;
    fn deref(&self) -> &Domain {
        self.0.as_ref().expect("taken only by drop")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let_go(self.0.take());
    }
}

/// Flags of a list by state: the states come without a call for each domain.
const LISTS: [(sys::virConnectListAllDomainsFlags, DomainState); 4] = [
    (sys::VIR_CONNECT_LIST_DOMAINS_RUNNING, DomainState::Running),
    (sys::VIR_CONNECT_LIST_DOMAINS_PAUSED, DomainState::Paused),
    (sys::VIR_CONNECT_LIST_DOMAINS_SHUTOFF, DomainState::Off),
    (sys::VIR_CONNECT_LIST_DOMAINS_OTHER, DomainState::Stopping),
];

pub(super) fn list(connection: &Connection) -> Result<HashMap<InstanceId, DomainState>, Failed> {
    let mut found = HashMap::new();
    for (flags, state) in LISTS {
        for domain in connection.connect().list_all_domains(flags)? {
            let domain = Handle(Some(domain));
            let Some(id) = identity(&domain)? else { continue };
            // A domain that is undefined meanwhile is no error of the list.
            if connection.is_known_ours(id) || is_marked(&domain).unwrap_or(false) {
                connection.learn(id, true);
                found.insert(id, state);
            }
        }
    }
    connection.retain(|id| found.contains_key(id));
    Ok(found)
}

pub(super) fn state(connection: &Connection, id: InstanceId) -> Result<Option<DomainState>, Failed> {
    let Some(domain) = find(connection, id)? else { return Ok(None) };
    match domain.get_state() {
        Ok((state, reason)) => Ok(Some(translate(state, reason))),
        Err(error) if error.code() == ErrorNumber::NoDomain => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn definition(connection: &Connection, id: InstanceId) -> Result<Option<Definition>, Failed> {
    let Some(domain) = find(connection, id)? else { return Ok(None) };
    match domain.get_xml_desc(0) {
        Ok(xml) => Ok(Definition::read(&xml)),
        Err(error) if error.code() == ErrorNumber::NoDomain => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn define(connection: &Connection, id: InstanceId, xml: &str) -> Result<(), Failed> {
    find(connection, id)?;
    let domain = Handle(Some(Domain::define_xml(connection.connect(), xml)?));
    connection.learn(id, true);
    drop(domain);
    Ok(())
}

pub(super) fn start(connection: &Connection, id: InstanceId) -> Result<(), Failed> {
    let domain = find(connection, id)?.ok_or_else(no_domain)?;
    match domain.create() {
        Err(error) if !domain.is_active().unwrap_or(false) => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn resume(connection: &Connection, id: InstanceId) -> Result<(), Failed> {
    let Some(domain) = find(connection, id)? else { return Ok(()) };
    settle(&domain, domain.resume())
}

pub(super) fn shutdown(connection: &Connection, id: InstanceId) -> Result<(), Failed> {
    let Some(domain) = find(connection, id)? else { return Ok(()) };
    settle(&domain, domain.shutdown())
}

pub(super) fn destroy(connection: &Connection, id: InstanceId) -> Result<(), Failed> {
    let Some(domain) = find(connection, id)? else { return Ok(()) };
    settle(&domain, domain.destroy())
}

pub(super) fn undefine(connection: &Connection, id: InstanceId) -> Result<(), Failed> {
    let Some(domain) = find(connection, id)? else { return Ok(()) };
    connection.learn(id, false);
    let everything = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
    match domain.undefine_flags(everything) {
        // A driver that does not know one of the flags has nothing of that kind either.
        Err(error) if matches!(error.code(), ErrorNumber::InvalidArg | ErrorNumber::ArgumentUnsupported) => {
            undefined(domain.undefine())
        }
        done => undefined(done),
    }
}

/// The domain of an instance, if it is defined and ours.
fn find(connection: &Connection, id: InstanceId) -> Result<Option<Handle>, Failed> {
    let domain = match Domain::lookup_by_uuid_string(connection.connect(), &id.to_string()) {
        Err(error) if error.code() == ErrorNumber::NoDomain => return Ok(None),
        domain => Handle(Some(domain?)),
    };
    if identity(&domain)? == Some(id) && is_marked(&domain)? { Ok(Some(domain)) } else { Err(Failed::Foreign(id)) }
}

/// The instance a domain's name and UUID both say it is; `None` where they do not.
fn identity(domain: &Domain) -> Result<Option<InstanceId>, Error> {
    let Ok(id) = domain.get_uuid_string()?.parse::<InstanceId>() else { return Ok(None) };
    Ok((domain.get_name()? == domain_name(id)).then_some(id))
}

fn is_marked(domain: &Domain) -> Result<bool, Error> {
    let element = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or(i32::MAX);
    match domain.get_metadata(element, Some(METADATA_URI), 0) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.code(), ErrorNumber::NoDomainMetadata | ErrorNumber::NoDomain) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Acting on a domain that is off, or gone, is what stopping wants; drivers differ in how they
/// refuse it, so the domain itself is asked.
fn settle<T>(domain: &Domain, done: Result<T, Error>) -> Result<(), Failed> {
    match done {
        Ok(_) => Ok(()),
        Err(error) if error.code() == ErrorNumber::NoDomain => Ok(()),
        Err(error) => match domain.is_active() {
            Ok(false) => Ok(()),
            _ => Err(error.into()),
        },
    }
}

fn undefined(done: Result<(), Error>) -> Result<(), Failed> {
    match done {
        Err(error) if error.code() != ErrorNumber::NoDomain => Err(error.into()),
        _ => Ok(()),
    }
}

fn no_domain() -> Failed {
    Failed::Libvirt(Error::last_error())
}

fn translate(state: sys::virDomainState, reason: i32) -> DomainState {
    let is = |wanted: u32| u32::try_from(reason) == Ok(wanted);
    match state {
        sys::VIR_DOMAIN_PAUSED if is(sys::VIR_DOMAIN_PAUSED_STARTING_UP) => DomainState::Starting,
        // The error policy of our disks is the emulator's own: it pauses when there is no room, and tells the guest
        // all other errors.
        sys::VIR_DOMAIN_PAUSED if is(sys::VIR_DOMAIN_PAUSED_IOERROR) => DomainState::NoRoom,
        sys::VIR_DOMAIN_SHUTOFF if is(sys::VIR_DOMAIN_SHUTOFF_SHUTDOWN) => DomainState::ShutDown,
        sys::VIR_DOMAIN_PAUSED | sys::VIR_DOMAIN_PMSUSPENDED => DomainState::Paused,
        sys::VIR_DOMAIN_SHUTDOWN => DomainState::Stopping,
        sys::VIR_DOMAIN_SHUTOFF | sys::VIR_DOMAIN_CRASHED => DomainState::Off,
        _ => DomainState::Running,
    }
}
