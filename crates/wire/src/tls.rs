//! Certificates for one run: an authority made in memory, a server that it vouches for, and two that a client
//! must refuse.
//!
//! Each wrong server is wrong in one way only, so a client that lets it pass shows which check it leaves out.
//! Keys are drawn afresh for each run, so that none lies in the repository or outlives the process; the price is
//! that no two handshakes have the same bytes. The dates are fixed and no clock is read. The crypto is handed
//! over at every step: whatever else the process does with TLS, it has no default to agree on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::NoServerSessionStorage;

use crate::connection::Connection;

/// Where the harness listens.
const NAMES: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// A name that nothing can have.
const WRONG_NAME: &str = "wrong.invalid";

/// Wide enough that a machine with a wrong clock trusts what it should.
const YEARS: (i32, i32) = (2020, 2100);

/// All that the proxy speaks.
const ALPN: &[u8] = b"http/1.1";

/// As wide as readers of the format may expect at most.
const PEM_COLUMNS: usize = 64;

/// Who a client meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// The authority vouches for it, at every address of the loopback interface.
    Trusted,
    /// It vouches for itself.
    Untrusted,
    /// The authority vouches for it, under another name.
    WrongName,
}

/// An authority that clients can be told to trust, and the servers of one run.
pub struct Authority {
    ca_pem: String,
    trusted: TlsAcceptor,
    untrusted: TlsAcceptor,
    wrong_name: TlsAcceptor,
}

impl Authority {
    pub fn generate() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = params("Probity test authority", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = params.self_signed(&key).map_err(io::Error::other)?;
        let issuer = Issuer::new(params, key);
        Ok(Self {
            ca_pem: pem(ca.der()),
            trusted: server(&NAMES, Some(&issuer))?,
            untrusted: server(&NAMES, None)?,
            wrong_name: server(&[WRONG_NAME], Some(&issuer))?,
        })
    }

    /// What a client has to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Writes that to a file in this folder, for clients that take a path.
    pub fn write_ca(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join("ca.pem");
        fs::write(&path, &self.ca_pem)?;
        Ok(path)
    }
}

/// Shakes hands as this peer. Accepting fails with most clients that refuse: some say why in an alert, others just
/// leave, and one that checks names late leaves only after the handshake.
pub fn acceptor(authority: &Authority, peer: Peer) -> TlsAcceptor {
    let acceptor = match peer {
        Peer::Trusted => &authority.trusted,
        Peer::Untrusted => &authority.untrusted,
        Peer::WrongName => &authority.wrong_name,
    };
    acceptor.clone()
}

/// Shakes hands with this client as this peer.
pub async fn accept(
    authority: &Authority,
    peer: Peer,
    socket: TcpStream,
) -> io::Result<Connection> {
    let stream = acceptor(authority, peer).accept(socket).await?;
    Ok(Connection::Tls(Box::new(stream)))
}

/// A server of these names, vouched for by the issuer or else by itself.
fn server(names: &[&str], issuer: Option<&Issuer<'_, KeyPair>>) -> io::Result<TlsAcceptor> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = params("Probity test server", names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Without it OpenSSL refuses in its strict mode, the usual one of Python since 3.13.
    params.use_authority_key_identifier_extension = true;
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    let chain = vec![certificate.map_err(io::Error::other)?.into()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A session that is resumed would skip the checks on trial.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config).into())
}

fn params(common_name: &str, names: &[&str]) -> io::Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.not_before, params.not_after) =
        (date_time_ymd(YEARS.0, 1, 1), date_time_ymd(YEARS.1, 1, 1));
    Ok(params)
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in BASE64.encode(certificate).as_bytes().chunks(PEM_COLUMNS) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
