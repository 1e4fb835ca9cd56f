//! Networks.

use crate::show::Show;
use iroko_store::network::Network as Row;
use iroko_wire::label_map;
use iroko_wire::network::*;

impl Show<Network> for Row {
    fn show(self) -> Network {
        let row = self;
        let labels = label_map(&row.labels);
        Network {
            id: row.id,
            name: row.name,
            mtu: row.mtu,
            labels,
            generation: row.generation,
            created_at: row.created_at,
        }
    }
}
