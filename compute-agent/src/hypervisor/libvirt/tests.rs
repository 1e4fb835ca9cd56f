//! The fence and the verbs against libvirt's own test driver.

use super::*;
use crate::domain_xml::METADATA_URI;
use crate::hypervisor::domain_name;
use std::sync::mpsc::{Sender, channel};

const TEST_URI: &str = "test:///default";
const PATIENT: Duration = Duration::from_secs(20);
const HASTY: Duration = Duration::from_millis(20);

fn xml(id: InstanceId, mark: bool) -> String {
    let metadata = format!("<metadata><i:instance xmlns:i='{METADATA_URI}'/></metadata>");
    format!(
        "<domain type='test'><name>{}</name><uuid>{id}</uuid>{}<memory>8192</memory><os><type>hvm</type></os></domain>",
        domain_name(id),
        if mark { &metadata } else { "" }
    )
}

fn hypervisor() -> LibvirtHypervisor {
    LibvirtHypervisor::start(&Config { libvirt_uri: TEST_URI.into(), ..Config::default() }).unwrap()
}

#[tokio::test]
async fn a_domain_lives_and_every_verb_may_be_said_twice() {
    let (hypervisor, id) = (hypervisor(), InstanceId::new());
    assert_eq!(hypervisor.state(id).await.unwrap(), None);
    hypervisor.define(id, &xml(id, true)).await.unwrap();
    hypervisor.define(id, &xml(id, true)).await.unwrap();
    assert_eq!(hypervisor.state(id).await.unwrap(), Some(DomainState::Off));
    for _ in 0..2 {
        hypervisor.start(id).await.unwrap();
        assert_eq!(hypervisor.list().await.unwrap(), HashMap::from([(id, DomainState::Running)]), "only ours");
    }
    for _ in 0..2 {
        hypervisor.shutdown(id).await.unwrap();
        hypervisor.destroy(id).await.unwrap();
        assert_eq!(hypervisor.state(id).await.unwrap().map(DomainState::without_reason), Some(DomainState::Off));
    }
    for _ in 0..2 {
        hypervisor.undefine(id).await.unwrap();
        assert_eq!(hypervisor.list().await.unwrap(), HashMap::new());
    }
    assert!(matches!(hypervisor.start(id).await, Err(HypervisorError::Refused { verb: "start", .. })));
}

#[tokio::test]
async fn events_come_as_hints() {
    let (hypervisor, id) = (hypervisor(), InstanceId::new());
    hypervisor.define(id, &xml(id, true)).await.unwrap();
    // The listener subscribes in its own time, so changes go on until one is heard.
    let heard = async {
        loop {
            hypervisor.start(id).await.unwrap();
            hypervisor.destroy(id).await.unwrap();
            if tokio::time::timeout(HASTY, hypervisor.hint()).await == Ok(id) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENT, heard).await.unwrap();
    hypervisor.destroy(id).await.unwrap();
    hypervisor.undefine(id).await.unwrap();
}

#[tokio::test]
async fn a_domain_without_our_mark_is_never_touched() {
    let (hypervisor, id) = (hypervisor(), InstanceId::new());
    let foreign = Connection::open(TEST_URI).unwrap();
    let domain = virt::domain::Domain::define_xml(foreign.connect(), &xml(id, false)).unwrap();
    domain.create().unwrap();
    assert!(!hypervisor.list().await.unwrap().contains_key(&id));
    for refused in [
        hypervisor.state(id).await.map(drop),
        hypervisor.define(id, &xml(id, true)).await,
        hypervisor.start(id).await,
        hypervisor.shutdown(id).await,
        hypervisor.destroy(id).await,
        hypervisor.undefine(id).await,
    ] {
        assert!(matches!(refused, Err(HypervisorError::Foreign(found)) if found == id));
    }
    assert!(domain.is_active().unwrap());
}

/// A call that holds its worker until the returned sender is used or dropped.
fn blocking(fence: &Fence, id: InstanceId) -> (Sender<()>, impl Future<Output = Result<(), HypervisorError>>) {
    let (release, held) = channel::<()>();
    let fence = fence.clone();
    let call = async move {
        fence
            .call("block", Some(id), HASTY, move |_| {
                let _ = held.recv_timeout(PATIENT);
                Ok(())
            })
            .await
    };
    (release, call)
}

#[tokio::test]
async fn late_is_unknown_and_its_instance_stays_busy() {
    let (fence, id) = (Fence::start(TEST_URI, 2, 8).unwrap(), InstanceId::new());
    let (release, call) = blocking(&fence, id);
    assert!(matches!(call.await, Err(HypervisorError::Unknown { verb: "block", .. })));
    let again = || fence.call("again", Some(id), PATIENT, |_| Ok(()));
    assert!(matches!(again().await, Err(HypervisorError::Busy)), "the first call has not ended");
    fence.call("other", Some(InstanceId::new()), PATIENT, |_| Ok(())).await.unwrap();
    drop(release);
    let freed = async {
        while again().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENT, freed).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_busy_and_what_nobody_waits_for_is_not_begun() {
    let fence = Fence::start(TEST_URI, 1, 1).unwrap();
    let (release, call) = blocking(&fence, InstanceId::new());
    assert!(matches!(call.await, Err(HypervisorError::Unknown { .. })), "it holds the only worker");
    let (begun, begins) = channel();
    let queued = fence.call("queued", Some(InstanceId::new()), HASTY, move |_| {
        let _ = begun.send(());
        Ok(())
    });
    let refused = async { fence.call("refused", Some(InstanceId::new()), PATIENT, |_| Ok(())).await };
    let (queued, refused) = tokio::join!(queued, refused);
    assert!(matches!(queued, Err(HypervisorError::Unknown { .. })));
    assert!(matches!(refused, Err(HypervisorError::Busy)));
    drop(release);
    let done = async { while fence.call("after", None, PATIENT, |_| Ok(())).await.is_err() {} };
    tokio::time::timeout(PATIENT, done).await.unwrap();
    assert!(begins.try_recv().is_err(), "the late call was never begun");
}

#[tokio::test]
async fn a_worker_survives_a_panic_and_a_daemon_that_is_not_there() {
    let fence = Fence::start(TEST_URI, 1, 4).unwrap();
    let panics = fence.call::<()>("panic", None, PATIENT, |_| panic!("on purpose")).await;
    assert!(matches!(panics, Err(HypervisorError::Unknown { .. })));
    fence.call("after", None, PATIENT, |_| Ok(())).await.unwrap();
    let nowhere = Fence::start("qemu+unix:///system?socket=/nonexistent/socket", 1, 4).unwrap();
    let unreachable = nowhere.call("try", None, PATIENT, |_| Ok(())).await;
    assert!(matches!(unreachable, Err(HypervisorError::Unreachable(_))));
}
