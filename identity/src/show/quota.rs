//! Quotas.

use crate::show::Show;
use iroko_store::quota::Quota as Row;
use iroko_wire::quota::*;

impl Show<Quota> for Row {
    fn show(self) -> Quota {
        let row = self;
        Quota { name: row.name, limit: row.most, used: row.used }
    }
}
