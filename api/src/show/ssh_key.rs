//! SSH keys.

use crate::show::Show;
use iroko_store::ssh_key::SshKey as Row;
use iroko_wire::label_map;
use iroko_wire::ssh_key::*;

impl Show<SshKey> for Row {
    fn show(self) -> SshKey {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, name, public_key, fingerprint, created_at, .. } = row;
        SshKey { id, name, public_key, fingerprint, labels, created_at }
    }
}
