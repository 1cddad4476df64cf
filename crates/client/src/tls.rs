//! TLS: whom to trust, and which failures are for good.
//!
//! The provider of cryptography is handed over instead of installed for the whole process, where two crates that
//! disagree would meet.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// Trust in the machine's roots and in these. Where nothing is to be trusted, the machine's are not looked for.
pub(crate) fn config(url: &Url, roots_pem: &str) -> Result<ClientConfig, Error> {
    let local = |detail: String| Error::Local { detail };
    let mut roots = RootCertStore::empty();
    if url.scheme() == "https" {
        // Roots that cannot be read are not trusted, which the handshake says loudly enough.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for root in CertificateDer::pem_slice_iter(roots_pem.as_bytes()) {
        let root = root.map_err(|error| local(format!("the roots are not PEM: {error}")))?;
        roots.add(root).map_err(|error| local(format!("a root is not usable: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| local(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Whether the handshake failed over something that the next one will find again, such as a certificate.
pub(crate) fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An error of IO gives the causes of what it wraps, and not what it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let is_tls = |error: &(dyn StdError + 'static)| error.is::<rustls::Error>();
        if is_tls(error) || wrapped.is_some_and(|wrapped| is_tls(wrapped)) {
            return true;
        }
        cause =
            wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    false
}
