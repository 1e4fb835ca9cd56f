//! API keys.

use crate::show::Show;
use iroko_store::api_key::ApiKey as Row;
use iroko_wire::api_key::*;

impl Show<ApiKey> for Row {
    fn show(self) -> ApiKey {
        let row = self;
        let source_networks = row.source_networks.iter().map(ToString::to_string).collect();
        let Row { id, name, prefix, permissions, created_at, expires_at, last_used_at, .. } = row;
        ApiKey { id, name, prefix, permissions, source_networks, created_at, expires_at, last_used_at }
    }
}
