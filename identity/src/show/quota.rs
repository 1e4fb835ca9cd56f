//! Quotas.

use crate::show::Show;
use iroko_store::quota::{DefaultQuota, Quota as Row};
use iroko_wire::quota::*;

impl Show<Quota> for Row {
    fn show(self) -> Quota {
        let row = self;
        Quota { name: row.name, limit: row.most, used: row.used }
    }
}

impl Show<DefaultQuotas> for Vec<DefaultQuota> {
    fn show(self) -> DefaultQuotas {
        let (of_organizations, of_projects): (Self, Self) =
            self.into_iter().partition(|limit| limit.owner == "organization");
        let limits = |of: Self| of.into_iter().map(|limit| (limit.name, limit.most)).collect();
        DefaultQuotas { organization: limits(of_organizations), project: limits(of_projects) }
    }
}
