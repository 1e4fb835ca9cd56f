//! Service accounts.

use crate::show::Show;
use iroko_store::service_account::ServiceAccount as Row;
use iroko_wire::label_map;
use iroko_wire::service_account::*;

impl Show<ServiceAccount> for Row {
    fn show(self) -> ServiceAccount {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, organization_id, name, disabled_at, generation, created_at, .. } = row;
        ServiceAccount { id, organization_id, name, disabled: disabled_at.is_some(), labels, generation, created_at }
    }
}
