//! A report as it comes in.

use iroko_agent_wire::Report;
use iroko_model::HostId;

/// A report and the host it is from, known by its certificate.
pub type Sent<'a> = (HostId, &'a Report);
