//! Lifecycle events as hints: "look at this instance". They may be lost; the periodic pass is truth.
//!
//! The safe binding has no lifecycle events, so this file calls the library itself. One thread of
//! the process runs libvirt's event loop; it holds a connection of its own and opens it again when
//! the daemon restarts.
#![allow(unsafe_code, reason = "the binding does not wrap virConnectDomainEventRegisterAny")]

use super::connection::Connection;
use super::fence::FenceError;
use iroko_model::InstanceId;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;
use std::sync::mpsc::{self as std_mpsc, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;
use virt::sys;

/// Hints kept while nobody reads; more are dropped.
const HINTS_MAX: usize = 1024;
/// How often the connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Length of a UUID as text with its terminator (VIR_UUID_STRING_BUFLEN).
const UUID_TEXT: usize = 37;

type Sender = mpsc::Sender<InstanceId>;

/// The hints of one daemon.
pub(super) struct Hints {
    received: tokio::sync::Mutex<mpsc::Receiver<InstanceId>>,
    /// Never used: the listening thread ends when it is dropped.
    _alive: std_mpsc::Sender<()>,
}

impl Hints {
    pub(super) fn start(uri: &str) -> Result<Self, FenceError> {
        run_event_loop()?;
        let (sender, received) = mpsc::channel(HINTS_MAX);
        let (alive, ended) = std_mpsc::channel();
        let uri = uri.to_owned();
        thread::Builder::new().name("libvirt-hints".into()).spawn(move || listen(&uri, &sender, &ended))?;
        Ok(Self { received: tokio::sync::Mutex::new(received), _alive: alive })
    }

    pub(super) async fn next(&self) -> InstanceId {
        match self.received.lock().await.recv().await {
            Some(id) => id,
            None => std::future::pending().await,
        }
    }
}

/// Keeps a connection that listens, until its owner is gone.
fn listen(uri: &str, sender: &Sender, ended: &std_mpsc::Receiver<()>) {
    let mut connection: Option<Connection> = None;
    loop {
        if connection.as_ref().is_some_and(|connection| !connection.is_alive()) {
            connection = None;
        }
        if connection.is_none() {
            connection = Connection::open(uri).ok().filter(|connection| subscribe(connection, sender));
        }
        if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Starts the thread that runs libvirt's event loop, once a process.
fn run_event_loop() -> Result<(), FenceError> {
    static STARTED: Once = Once::new();
    let mut outcome = Ok(());
    STARTED.call_once(|| outcome = start_event_loop());
    outcome
}

fn start_event_loop() -> Result<(), FenceError> {
    if let Err(error) = virt::event::event_register_default_impl() {
        tracing::warn!(%error, "no event loop; changes are found by the periodic pass only");
        return Ok(());
    }
    let turn = || while virt::event::event_run_default_impl().is_ok() {};
    thread::Builder::new().name("libvirt-events".into()).spawn(turn)?;
    Ok(())
}

/// Asks for the lifecycle events of all domains. The sender's copy is freed by libvirt with the
/// subscription, which ends with the connection.
fn subscribe(connection: &Connection, sender: &Sender) -> bool {
    let opaque = Box::into_raw(Box::new(sender.clone())).cast::<c_void>();
    // SAFETY: libvirt calls a lifecycle callback with the five arguments of `on_event`; the generic
    // type of the parameter only stands for it. `opaque` stays valid until libvirt calls `free`.
    let number = unsafe {
        let callback = std::mem::transmute::<OnEvent, GenericCallback>(on_event);
        sys::virConnectDomainEventRegisterAny(
            connection.connect().as_ptr(),
            std::ptr::null_mut(),
            sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE.cast_signed(),
            Some(callback),
            opaque,
            Some(free),
        )
    };
    if number < 0 {
        // SAFETY: libvirt did not take it.
        unsafe { free(opaque) };
    }
    number >= 0
}

type OnEvent = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void);
type GenericCallback = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);

unsafe extern "C" fn on_event(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _: c_int,
    _: c_int,
    opaque: *mut c_void,
) {
    let mut text = [0 as c_char; UUID_TEXT];
    // SAFETY: the domain is valid during the callback, the buffer has the length libvirt writes,
    // and `opaque` is the sender given at subscription.
    let (id, sender) = unsafe {
        if sys::virDomainGetUUIDString(domain, text.as_mut_ptr()) != 0 {
            return;
        }
        (CStr::from_ptr(text.as_ptr()).to_str().ok().and_then(|text| text.parse().ok()), &*opaque.cast::<Sender>())
    };
    if let Some(id) = id {
        let _ = sender.try_send(id);
    }
}

unsafe extern "C" fn free(opaque: *mut c_void) {
    // SAFETY: it was made by Box::into_raw in `subscribe` and is freed once.
    drop(unsafe { Box::from_raw(opaque.cast::<Sender>()) });
}
