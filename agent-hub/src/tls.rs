//! TLS of the agent link: 1.3 only, client certificates of the cluster's own authority. A client
//! without one gets in as far as enrolment.

use crate::authority::{Authority, AuthorityError};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use std::sync::Arc;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The server's certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// rustls refused the certificates.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// rustls refused the authority.
    #[error("the authority cannot be used to check clients")]
    Verifier(#[from] VerifierBuilderError),
    /// The authority's PEM is unreadable.
    #[error("the authority's certificate is unreadable")]
    Pem,
}

/// The server's side.
pub fn server_config(authority: &Authority, names: &[String]) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).map_err(|_| TlsError::Pem)?)?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let (chain, key) = authority.server(names)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
