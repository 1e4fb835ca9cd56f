//! QoS policies.

use crate::show::Show;
use iroko_store::qos_policy::QosPolicy as Row;
use iroko_wire::label_map;
use iroko_wire::qos_policy::*;

impl Show<QosPolicy> for Row {
    fn show(self) -> QosPolicy {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, name, description, limits, generation, created_at, .. } = row;
        QosPolicy { id, name, description, network_limits: limits.0.into(), labels, generation, created_at }
    }
}
