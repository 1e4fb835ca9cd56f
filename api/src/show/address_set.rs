//! Address sets.

use crate::show::Show;
use ipnetwork::IpNetwork;
use iroko_store::address_set::AddressSet as Row;
use iroko_wire::address_set::*;
use iroko_wire::label_map;

impl Show<AddressSet> for Row {
    fn show(self) -> AddressSet {
        let row = self;
        let labels = label_map(&row.labels);
        let cidrs = row.cidrs.iter().map(IpNetwork::to_string).collect();
        let Row { id, name, description, generation, created_at, .. } = row;
        AddressSet { id, name, description, cidrs, labels, generation, created_at }
    }
}
