//! Projects.

use crate::noun::common;
use crate::show::Show;
use iroko_store::project::Project as Row;
use iroko_wire::project::*;
use iroko_wire::status;

impl Show<Project> for Row {
    fn show(self) -> Project {
        let Row { common: of_all, organization_id, organization_name, suspended_at, purging_at } = self;
        Project { common: common(of_all), organization_id, organization_name, status: status(suspended_at, purging_at) }
    }
}
