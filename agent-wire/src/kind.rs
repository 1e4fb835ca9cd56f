//! What every kind of objects says of its objects.

use crate::key::ObjectKey;
use crate::need::Need;
use iroko_model::NetworkId;

/// A need, and the network of the port that leads to it, where one does: what a group needs differs by network.
pub type Reference = (Need, Option<NetworkId>);

/// An object that agents hold. A new kind implements this in a file of its own and gets a variant of
/// [`crate::Object`] and [`ObjectKey`]; the compiler names the other places.
pub trait Kind {
    /// Its name.
    fn key(&self) -> ObjectKey;

    /// The need that it is a part of. `None`: a root, which its host has until it is gone.
    fn part_of(&self) -> Option<Need>;

    /// What a host needs because it has this object, which it has because of a port on the network `on`, if of any.
    fn needs(&self, on: Option<NetworkId>) -> Vec<Reference> {
        let _ = on;
        Vec::new()
    }
}
