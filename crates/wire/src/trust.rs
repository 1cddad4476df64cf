//! Whom to trust behind `https`, for requests of our own.
//!
//! The roots are compiled in, and a gateway's own authority is added by the user: no store of the machine and no
//! variable of the environment decides whether a run can be repeated elsewhere. The price is that roots age with
//! the release, and that a proxy which opens TLS has to be named.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Both senders speak this and nothing newer: what is tried are bytes.
const ALPN: &[u8] = b"http/1.1";

/// The authorities that may vouch for a target.
#[derive(Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The usual authorities, and those of `ca_pem`.
    pub(crate) fn new(ca_pem: Option<&str>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let mut added = 0;
        for root in CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default().as_bytes()) {
            let root = root.map_err(|error| format!("the authority's file is not PEM: {error}"))?;
            roots.add(root).map_err(|error| format!("the authority is not usable: {error}"))?;
            added += 1;
        }
        if ca_pem.is_some() && added == 0 {
            return Err("the authority's file holds no certificate".to_owned());
        }
        Ok(Self(Arc::new(config(roots))))
    }

    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.0)
    }

    /// Shakes hands with the server of that name or address.
    pub(crate) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        TlsConnector::from(self.0.clone()).connect(name, socket).await
    }
}

/// A configuration that trusts nobody, for clients that speak plain HTTP alone.
pub(crate) fn nobody() -> ClientConfig {
    config(RootCertStore::empty())
}

fn config(roots: RootCertStore) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the usual versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// Why no connection was made, if TLS is the reason: a certificate that is no good, or a peer that speaks
/// something else. Nothing was asked then, so that it says nothing about the contract.
pub(crate) fn refusal(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An error of IO gives the causes of what it wraps, and not what it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static));
        let found = [Some(error), wrapped].into_iter().flatten();
        if let Some(error) = found.filter_map(|error| error.downcast_ref::<rustls::Error>()).next()
        {
            return Some(format!("no connection could be opened: TLS: {error}"));
        }
        cause = wrapped.or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_must_be_one() {
        let check = |pem: Option<&str>, expected: Option<&str>| {
            let trust = Trust::new(pem).err();
            match (trust, expected) {
                (None, None) => {}
                (Some(error), Some(part)) => assert!(error.contains(part), "{error}"),
                (error, expected) => panic!("{expected:?}, got {error:?}"),
            }
        };
        check(None, None);
        check(Some("hello"), Some("holds no certificate"));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(Some(broken), Some("not usable"));
    }
}
