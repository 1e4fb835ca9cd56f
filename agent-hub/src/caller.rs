//! Who calls: the agent that the verified client certificate names. A certificate that was replaced, or whose host is
//! gone, is refused at once.

use crate::authority::{parse_agent_uri, serial_text};
use crate::state::AgentHub;
use crate::turns::Turn;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum_server::tls::TlsInfo;
use iroko_agent_wire::AgentKind;
use iroko_model::HostId;
use iroko_web::problem::{Plain, Problem, Result, Rule};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// The agent that calls.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its host.
    pub host: HostId,
    /// Which of the host's two.
    pub kind: AgentKind,
    /// Serial number of its certificate.
    serial: String,
    _turn: Turn,
}

impl Agent {
    /// Its certificate holds still: for what goes on after it was let in.
    pub async fn holds(&self, link: &AgentHub) -> Result<()> {
        match link.certificates.hold(self.host, self.kind, self.serial.clone()).await {
            Some(true) => Ok(()),
            Some(false) => Err(Problem::refuse(Rule::AgentRefused, REFUSED)),
            None => Err(Problem::new(Plain::Unavailable)),
        }
    }
}

const REFUSED: &str = "the agent's certificate is missing or no longer holds; enrol again";

impl FromRequestParts<AgentHub> for Agent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, link: &AgentHub) -> Result<Self> {
        let refused = || Problem::refuse(Rule::AgentRefused, REFUSED);
        let (host, kind, serial) = parts.extensions.get::<Arc<TlsInfo>>().and_then(named).ok_or_else(refused)?;
        let agent = Self { host, kind, serial, _turn: link.turns.take(host, kind)? };
        agent.holds(link).await?;
        Ok(agent)
    }
}

/// Whom the verified client certificate names, and its serial number.
fn named(tls: &Arc<TlsInfo>) -> Option<(HostId, AgentKind, String)> {
    let (_, certificate) = X509Certificate::from_der(tls.peer_certificates.first()?).ok()?;
    let uri = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => names.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        }),
        _ => None,
    })?;
    let (host, kind) = parse_agent_uri(uri)?;
    Some((host, kind, serial_text(certificate.raw_serial())))
}

/// Refuses an agent that speaks for the other of its host.
pub fn is_itself(agent: &Agent, said: AgentKind) -> Result<()> {
    if agent.kind == said {
        Ok(())
    } else {
        Err(Problem::refuse(Rule::AgentRefused, "the certificate is of the host's other agent"))
    }
}
