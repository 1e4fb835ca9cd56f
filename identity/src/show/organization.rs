//! Organizations.

use crate::noun::common;
use crate::show::Show;
use iroko_store::organization::Organization as Row;
use iroko_wire::organization::*;
use iroko_wire::status;

impl Show<Organization> for Row {
    fn show(self) -> Organization {
        let Row { common: of_all, parent_id, suspended_at, purging_at } = self;
        Organization { common: common(of_all), parent_id, status: status(suspended_at, purging_at) }
    }
}
