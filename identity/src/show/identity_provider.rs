//! Identity providers.

use crate::show::Show;
use iroko_store::identity_provider::IdentityProvider as Row;
use iroko_wire::identity_provider::*;

/// Rules of a row.
pub fn rules(row: &Row) -> Vec<Rule> {
    serde_json::from_value(row.rules.clone()).unwrap_or_default()
}

impl Show<IdentityProvider> for Row {
    fn show(self) -> IdentityProvider {
        let row = self;
        IdentityProvider {
            rules: rules(&row),
            id: row.id.as_uuid(),
            name: row.name,
            issuer: row.issuer,
            client_id: row.client_id,
            has_client_secret: row.sealed_secret.is_some(),
            scopes: row.scopes,
            redirect_uris: row.redirect_uris,
            username_claim: row.username_claim,
            username_prefix: row.username_prefix,
            rule_required: row.rule_required,
            is_disabled: row.disabled_at.is_some(),
            created_at: row.created_at,
        }
    }
}
