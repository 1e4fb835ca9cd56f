//! Who the agent is: its key, its certificate, the authority it trusts.
//!
//! Enrolment makes it once. The key never leaves the host. A token is
//! `iroko-enrol-SECRET-AUTHORITY`: the secret proves the operator's word, the authority's SHA-256
//! tells the agent that it speaks to the right control plane before it says the secret.

use crate::config::LinkConfig;
use crate::tls;
use iroko_agent_wire::{AgentKind, EnrolReply, EnrolRequest};
use iroko_daemon::private;
use iroko_model::HostId;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use std::{fs, io};
use time::OffsetDateTime;

const FILE: &str = "identity.json";
const TOKEN_PREFIX: &str = "iroko-enrol-";
const TIMEOUT: Duration = Duration::from_secs(20);

/// Key, certificate and authority of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The host it belongs to.
    pub host_id: HostId,
    /// Private key, PEM (PKCS #8).
    pub key_pem: String,
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// The cluster's authority, PEM.
    pub authority_pem: String,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("the agent's identity in {0} cannot be read or written")]
    File(String, #[source] io::Error),
    /// The file holds something else.
    #[error("the agent's identity in {0} is damaged; remove it and enrol again")]
    Damaged(String, #[source] serde_json::Error),
    /// Not enrolled, and no token to enrol with.
    #[error("the agent has not enrolled yet and link.enrolment_token is not set; ask the operator for a token")]
    NoToken,
    /// The token is not one.
    #[error("link.enrolment_token is not an enrolment token (iroko-enrol-...)")]
    BadToken,
    /// Making the key or the signing request failed.
    #[error("a key or signing request could not be made")]
    Crypto(#[source] rcgen::Error),
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// The control plane refused the enrolment.
    #[error("the control plane refused the enrolment: {0}")]
    Refused(String),
    /// The control plane could not be reached; try again.
    #[error("the control plane could not be reached")]
    Unreachable(#[source] reqwest::Error),
}

impl IdentityError {
    /// True where trying again later may help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl Identity {
    /// The identity stored in `dir`, if the agent has enrolled.
    pub fn load(dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|e| IdentityError::File(path.display().to_string(), e))?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|e| IdentityError::Damaged(path.display().to_string(), e))
    }

    /// Stores the identity in `dir`, readable by its owner only, in one step.
    pub fn save(&self, dir: &Path) -> Result<(), IdentityError> {
        let path = dir.join(FILE);
        let told = |e| IdentityError::File(path.display().to_string(), e);
        private::directory(dir).map_err(told)?;
        let new = dir.join(".identity.new");
        let mut file = private::open(&private::new_file(), &new).map_err(told)?;
        serde_json::to_writer(&mut file, self).map_err(|e| told(e.into()))?;
        file.sync_all().map_err(told)?;
        fs::rename(&new, &path).map_err(told)
    }

    /// Enrols with the token of `config` and returns the new identity, not yet stored.
    pub async fn enrol(config: &LinkConfig, kind: AgentKind) -> Result<Self, IdentityError> {
        let token = config.enrolment_token.as_deref().ok_or(IdentityError::NoToken)?;
        let authority = authority_of(token).ok_or(IdentityError::BadToken)?;
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls::pinned(authority)?).timeout(TIMEOUT);
        let client = client.build().map_err(IdentityError::Unreachable)?;
        let (key_pem, csr_pem) = signing_request(&config.host_name).map_err(IdentityError::Crypto)?;
        let request =
            EnrolRequest { token: token.to_owned(), agent: kind, host_name: config.host_name.clone(), csr_pem };
        let url = format!("{}/agent/v1/enrol", config.control_plane.trim_end_matches('/'));
        let answer = client.post(url).json(&request).send().await.map_err(IdentityError::Unreachable)?;
        if answer.status().is_client_error() {
            return Err(IdentityError::Refused(answer.text().await.unwrap_or_default()));
        }
        let reply: EnrolReply =
            async { answer.error_for_status()?.json().await }.await.map_err(IdentityError::Unreachable)?;
        Ok(Self {
            host_id: reply.host_id,
            key_pem,
            certificate_pem: reply.certificate_pem,
            authority_pem: reply.authority_pem,
        })
    }

    /// When to renew the certificate: after two thirds of its life. At once if it is unreadable.
    pub fn renew_at(&self) -> OffsetDateTime {
        let validity = x509_parser::pem::parse_x509_pem(self.certificate_pem.as_bytes()).ok().and_then(|(_, pem)| {
            let validity = pem.parse_x509().ok()?.validity().clone();
            Some((validity.not_before.to_datetime(), validity.not_after.to_datetime()))
        });
        validity.map_or(OffsetDateTime::UNIX_EPOCH, |(from, to)| from + (to - from) * 2 / 3)
    }
}

/// A new key and a request to sign it, both PEM.
pub(crate) fn signing_request(host_name: &str) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, host_name);
    Ok((key.serialize_pem(), params.serialize_request(&key)?.pem()?))
}

/// The authority's SHA-256 at the end of a token.
fn authority_of(token: &str) -> Option<[u8; 32]> {
    let hex = token.strip_prefix(TOKEN_PREFIX)?.rsplit_once('-')?.1;
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut sha256 = [0; 32];
    for (i, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_carry_the_authority() {
        let hex = "ab".repeat(32);
        assert_eq!(authority_of(&format!("iroko-enrol-sec-ret_x-{hex}")), Some([0xab; 32]));
        for bad in ["", "iroko-enrol-x", "iroko-enrol-x-zz", &format!("x-{hex}")] {
            assert_eq!(authority_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn identities_survive_files() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Identity::load(dir.path()).unwrap().is_none());
        let identity = Identity {
            host_id: HostId::new(),
            key_pem: "k".into(),
            certificate_pem: "c".into(),
            authority_pem: "a".into(),
        };
        identity.save(dir.path()).unwrap();
        assert_eq!(Identity::load(dir.path()).unwrap().unwrap().host_id, identity.host_id);
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(matches!(Identity::load(dir.path()), Err(IdentityError::Damaged(..))));
    }
}
