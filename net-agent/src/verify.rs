//! After a full pass: reads again, and says what is still not as it should be.

use crate::apply::Failures;
use crate::kernel::KernelError;
use crate::object::{Key, State, Value};
use crate::plan::{self, Action};
use std::collections::HashMap;

/// What is not right after a pass, and why, in plain words.
pub type Outstanding = HashMap<Key, String>;

/// What failed, as reasons.
pub fn outstanding(failures: &Failures) -> Outstanding {
    failures.iter().map(|(key, error)| (key.clone(), reason(error, failures))).collect()
}

/// What failed, and what was done but is not there when read back.
pub fn verify(wanted: &State, observed: &State, failures: &Failures) -> Outstanding {
    let mut outstanding = outstanding(failures);
    for action in plan::all(wanted, observed) {
        outstanding.entry(action.key()).or_insert_with(|| unlike(&action, observed));
    }
    outstanding
}

fn unlike(action: &Action, observed: &State) -> String {
    match (action, observed.get(&action.key())) {
        (Action::Remove(key, _), _) => format!("{key} was removed but is still there"),
        (_, Some(Value::Wrong { why, .. })) => format!("{} {why} after it was set right", action.key()),
        (_, Some(found)) => format!("{} reads back as {found:?}", action.key()),
        (_, None) => format!("{} was made but is not there", action.key()),
    }
}

/// The cause at the end of a chain of waiting steps.
fn reason(error: &KernelError, failures: &Failures) -> String {
    match error {
        KernelError::Waits(key) => match failures.get(key) {
            Some(KernelError::Waits(_)) | None => error.chain(),
            Some(cause) => cause.chain(),
        },
        _ => error.chain(),
    }
}
