//! What is stuck, for operators.

use crate::show::Show;
use iroko_model::stuck::StuckCode;
use iroko_store::stuck::Stuck as Row;
use iroko_web::problem::in_its_language;
use iroko_wire::stuck::Stuck;

impl Show<Stuck> for Row {
    fn show(self) -> Stuck {
        let row = self;
        Stuck {
            // A word of a newer release says what it can by itself.
            text: row
                .code
                .parse()
                .map_or_else(|_| row.code.clone(), |code: StuckCode| in_its_language(code.text().to_owned())),
            kind: row.kind,
            id: row.common.id,
            name: row.common.name,
            code: row.code,
            detail: row.detail.map(in_its_language),
            since: row.since,
            created_at: row.common.created_at,
            instance_id: row.instance_id,
            host_id: row.host_id,
            host_name: row.host_name,
            organization_id: row.organization_id,
            organization_name: row.organization_name,
            project_id: row.project_id,
            project_name: row.project_name,
        }
    }
}
