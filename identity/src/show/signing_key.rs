//! The keys that sign access tokens.

use crate::show::Show;
use iroko_store::signing_key::SigningKey as Row;
use iroko_wire::signing_key::*;

impl Show<SigningKey> for Row {
    fn show(self) -> SigningKey {
        let row = self;
        let Row { kid, state, created_at, activated_at, retired_at, .. } = row;
        SigningKey { kid, state, created_at, activated_at, retired_at }
    }
}
