//! The cluster's own certificate authority. Its key lies in the API's state directory.
//!
//! An agent's certificate names it in a URI: `iroko://host/HOST-ID/compute`. Whatever else a signing
//! request asks for is ignored.

use iroko_agent_wire::AgentKind;
use iroko_daemon::private;
use iroko_model::HostId;
use iroko_web::hex;
use rand::Rng;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use time::{Duration, OffsetDateTime};

const KEY_FILE: &str = "authority.key.pem";
const CERTIFICATE_FILE: &str = "authority.pem";
/// How long the authority holds.
const AUTHORITY_LIFE: Duration = Duration::days(20 * 365);
/// Clocks of hosts that come back from a power cut may be a little behind.
const BACKDATE: Duration = Duration::hours(24);

/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of the state directory.
    #[error("{0} cannot be read or written")]
    File(String, #[source] io::Error),
    /// The key or certificate is unusable.
    #[error("the authority's key or certificate is unusable")]
    Crypto(#[from] rcgen::Error),
    /// The signing request is not one.
    #[error("the signing request is not readable")]
    Request(#[source] rcgen::Error),
}

/// See the module.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    fingerprint: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// A certificate for an agent.
#[derive(Debug)]
pub struct Issued {
    /// PEM.
    pub certificate_pem: String,
    /// Serial number, hexadecimal.
    pub serial: String,
}

impl Authority {
    /// Reads the authority of `state_dir`, or makes it.
    pub fn load(state_dir: &Path) -> Result<Self, AuthorityError> {
        let file = |name: &str| state_dir.join(name);
        let told = |name: &str| {
            let path = file(name).display().to_string();
            move |e| AuthorityError::File(path, e)
        };
        let key_pem =
            private::read_or_make(&file(KEY_FILE), || Ok(KeyPair::generate()?.serialize_pem()), told(KEY_FILE))?;
        let key = KeyPair::from_pem(&key_pem)?;
        let make = || Ok::<_, AuthorityError>(authority_params().self_signed(&key)?.pem());
        let certificate_pem = private::read_or_make(&file(CERTIFICATE_FILE), make, told(CERTIFICATE_FILE))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)?;
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { issuer, fingerprint: hex(&Sha256::digest(&der)), certificate_pem })
    }

    /// SHA-256 of the authority's certificate: what enrolment tokens carry.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The authority's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Signs an agent's request.
    pub fn sign(&self, csr_pem: &str, host: HostId, kind: AgentKind, days: i64) -> Result<Issued, AuthorityError> {
        let mut request = CertificateSigningRequestParams::from_pem(csr_pem).map_err(AuthorityError::Request)?;
        let serial: [u8; 16] = rand::rng().random();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("{} agent of {host}", kind.as_str()));
        params.subject_alt_names = vec![SanType::URI(agent_uri(host, kind).try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - BACKDATE, now + Duration::days(days));
        request.params = params;
        let certificate = request.signed_by(&self.issuer)?;
        Ok(Issued { certificate_pem: certificate.pem(), serial: serial_text(&serial) })
    }

    /// A certificate and key for the agent link's own server, made anew at each start.
    pub fn server(
        &self,
        names: &[String],
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "iroko agent link");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - BACKDATE, now + AUTHORITY_LIFE / 2);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let authority = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())
            .map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok((vec![certificate.der().clone(), authority], key))
    }
}

/// Serial number as text; leading zero octets do not survive DER.
pub fn serial_text(octets: &[u8]) -> String {
    hex(octets).trim_start_matches('0').to_owned()
}

/// The name of an agent in its certificate.
fn agent_uri(host: HostId, kind: AgentKind) -> String {
    format!("iroko://host/{host}/{}", kind.as_str())
}

/// The agent that a certificate's URI names.
pub fn parse_agent_uri(uri: &str) -> Option<(HostId, AgentKind)> {
    let (host, kind) = uri.strip_prefix("iroko://host/")?.split_once('/')?;
    let kind = match kind {
        "compute" => AgentKind::Compute,
        "net" => AgentKind::Net,
        _ => return None,
    };
    Some((host.parse().ok()?, kind))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Iroko cluster authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - BACKDATE, now + AUTHORITY_LIFE);
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_agents() {
        let host = HostId::new();
        for kind in [AgentKind::Compute, AgentKind::Net] {
            assert_eq!(parse_agent_uri(&agent_uri(host, kind)), Some((host, kind)));
        }
        for bad in ["", "iroko://host/x/net", &format!("iroko://host/{host}/root"), &format!("http://host/{host}/net")]
        {
            assert_eq!(parse_agent_uri(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_authority_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::load(dir.path()).unwrap();
        assert_eq!(first.fingerprint(), Authority::load(dir.path()).unwrap().fingerprint());
        assert!(matches!(first.sign("x", HostId::new(), AgentKind::Net, 1), Err(AuthorityError::Request(_))));
    }
}
