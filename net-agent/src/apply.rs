//! Carries out a plan: the filter in one transaction, the rest step by step.
//!
//! A step that rests on a failed one is not tried: above all, no tap comes up without its filter.
//! A transaction that the kernel refuses is halved until the bad elements stand alone, so that one
//! impossible port does not keep all others waiting.

use crate::kernel::{Kernel, KernelError};
use crate::object::{Chain, Key, State, Value, vni_of};
use crate::plan::Action;
use futures::future::BoxFuture;
use std::collections::HashMap;

/// What failed, and why.
pub type Failures = HashMap<Key, KernelError>;

/// Carries out the actions in order. `observed` follows what succeeds.
pub async fn apply(kernel: &dyn Kernel, actions: &[Action], observed: &mut State) -> Failures {
    let mut failures = Failures::new();
    for part in actions.chunk_by(|a, b| a.is_filter() == b.is_filter()) {
        if part[0].is_filter() {
            filter(kernel, part, observed, &mut failures).await;
            continue;
        }
        for action in part {
            let outcome = match prerequisite(action, &failures) {
                Some(failed) => Err(KernelError::Waits(failed)),
                None => kernel.act(action).await,
            };
            settle(action, outcome, observed, &mut failures);
        }
    }
    failures
}

fn filter<'a>(
    kernel: &'a dyn Kernel,
    actions: &'a [Action],
    observed: &'a mut State,
    failures: &'a mut Failures,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        if failures.contains_key(&Key::Base) {
            // Without the tables no element can stand.
            return actions
                .iter()
                .for_each(|action| settle(action, Err(KernelError::Waits(Key::Base)), observed, failures));
        }
        match kernel.filter(actions).await {
            Ok(()) => actions.iter().for_each(|action| settle(action, Ok(()), observed, failures)),
            Err(error) if actions.len() == 1 => settle(&actions[0], Err(error), observed, failures),
            Err(_) => {
                let of_base = actions.iter().take_while(|action| action.key() == Key::Base).count();
                let (one, other) = actions.split_at(if of_base > 0 { of_base } else { actions.len() / 2 });
                filter(kernel, one, observed, failures).await;
                filter(kernel, other, observed, failures).await;
            }
        }
    })
}

fn settle(action: &Action, outcome: Result<(), KernelError>, observed: &mut State, failures: &mut Failures) {
    match outcome {
        Ok(()) => {
            tracing::debug!(%action, "applied");
            note(action, observed);
        }
        Err(error) => {
            tracing::warn!(%action, error = error.chain(), "could not be applied");
            failures.insert(action.key(), error);
        }
    }
}

/// What a successful action makes of the observed state.
pub fn note(action: &Action, observed: &mut State) {
    match action {
        Action::Ensure(key, value) => {
            if *key == Key::Base {
                observed.retain(|key, _| !key.is_filter());
            }
            observed.insert(key.clone(), value.clone());
        }
        Action::Remove(key, _) => {
            observed.remove(key);
            if matches!(key, Key::Base | Key::Bridge(_) | Key::Vxlan(_) | Key::Tap(_)) {
                observed.retain(|child, value| child.parent().as_ref() != Some(key) && !points_to(value, key));
            }
        }
        Action::Reload(_) => {}
    }
}

fn points_to(value: &Value, key: &Key) -> bool {
    matches!((value, key), (Value::Device(name), Key::Vxlan(vni)) if *name == vni.vxlan())
}

/// The failed step that this one rests on.
fn prerequisite(action: &Action, failures: &Failures) -> Option<Key> {
    if failures.is_empty() {
        return None;
    }
    let Action::Ensure(key, value) = action else { return None };
    let needs = match (key, value) {
        (Key::Tap(tap), Value::Tap { vni, .. }) => {
            if let Some(rule) = failures.keys().find(|key| is_filter_of(key, tap)) {
                return Some(rule.clone());
            }
            vec![Key::Base, Key::Bridge(*vni)]
        }
        (Key::Vxlan(vni) | Key::Service(vni), _) => vec![Key::Base, Key::Bridge(*vni)],
        (Key::Tunnel(vni, _) | Key::Flood(vni, _), _) => vec![Key::Vxlan(*vni)],
        (Key::Forward(vni, _), Value::Device(name)) => {
            let device = vni_of(name, "ikvx").map(Key::Vxlan).or_else(|| vni_of(name, "iksv").map(Key::Service));
            vec![Key::Bridge(*vni), device.unwrap_or_else(|| Key::Tap(name.clone()))]
        }
        (Key::Shape(tap, _), _) => vec![Key::Tap(tap.clone())],
        (Key::Neighbour(vni, _), _) => vec![Key::Bridge(*vni)],
        (Key::Dnsmasq(vni), _) => vec![Key::Service(*vni)],
        _ => vec![],
    };
    needs.into_iter().find(|key| failures.contains_key(key))
}

fn is_filter_of(key: &Key, tap: &str) -> bool {
    match key {
        Key::Element(element) => element.tap() == Some(tap),
        Key::Chain(
            Chain::Port(of, _) | Chain::Tap(of, _) | Chain::Limit(of, _) | Chain::Log(of, ..) | Chain::Refused(of),
        ) => of == tap,
        _ => false,
    }
}
