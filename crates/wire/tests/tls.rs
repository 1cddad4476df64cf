//! Certificates are refused for the reason they were made for, and every end of a connection is told apart.

#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::cell::Cell;
use std::fs;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, Error, RootCertStore, SupportedProtocolVersion,
};
use wire::connection::Connection;
use wire::tls::{Authority, Peer, acceptor};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Silence is believed after this long, and what must come is waited for.
const SILENCE_MS: u64 = 100;
const END_MS_MAX: u64 = 10_000;

/// A wakeup for each record, and some to spare.
const LOOKS_MAX: u32 = 10;

/// One record, and more of them than the buffers of two sockets hold.
const PIECE_BYTES: usize = 16 << 10;
const PIECES_MAX: usize = 4096;

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

fn connector(ca_pem: &str, version: &'static SupportedProtocolVersion) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

/// A handshake for this name, from both sides.
async fn shake(
    authority: &Authority,
    peer: Peer,
    name: &'static str,
    version: &'static SupportedProtocolVersion,
) -> (io::Result<TlsStream<TcpStream>>, io::Result<Connection>) {
    let (client, server) = sockets().await;
    let connector = connector(authority.ca_pem(), version);
    let (client, server) = tokio::join!(
        connector.connect(ServerName::try_from(name).unwrap(), client),
        acceptor(authority, peer).accept(server)
    );
    (client, server.map(|stream| Connection::Tls(Box::new(stream))))
}

async fn pair(version: &'static SupportedProtocolVersion) -> (TlsStream<TcpStream>, Connection) {
    let authority = Authority::generate().unwrap();
    let (client, server) = shake(&authority, Peer::Trusted, "127.0.0.1", version).await;
    (client.unwrap(), server.unwrap())
}

fn told(error: &io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

/// What the client says of its peer under this name, and with which alert the peer hears of it.
async fn check(peer: Peer, name: &'static str, refusal: Option<(&str, AlertDescription)>) {
    let authority = Authority::generate().unwrap();
    for version in VERSIONS {
        let (client, server) = shake(&authority, peer, name, version).await;
        let Some((reason, alert)) = refusal else {
            let stream = client.unwrap();
            let session = stream.get_ref().1;
            assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]), "{peer:?} {name}");
            assert!(server.is_ok(), "{peer:?} {name}");
            continue;
        };
        let error = client.unwrap_err();
        assert!(error.to_string().starts_with(reason), "{peer:?} {name}: {error}");
        let error = server.err().unwrap();
        assert_eq!(*told(&error), Error::AlertReceived(alert), "{peer:?} {name}");
    }
}

#[tokio::test]
async fn each_peer_is_refused_for_its_own_fault_only() {
    let unknown = ("invalid peer certificate: UnknownIssuer", AlertDescription::UnknownCA);
    let misnamed = (
        "invalid peer certificate: certificate not valid for name",
        AlertDescription::BadCertificate,
    );
    for name in ["127.0.0.1", "::1", "localhost"] {
        check(Peer::Trusted, name, None).await;
        check(Peer::Untrusted, name, Some(unknown)).await;
        check(Peer::WrongName, name, Some(misnamed)).await;
    }
    check(Peer::WrongName, "wrong.invalid", None).await;
}

#[test]
fn the_file_holds_the_certificate_and_no_key() {
    let authority = Authority::generate().unwrap();
    let path = authority.write_ca(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text, authority.ca_pem());
    assert_eq!(CertificateDer::pem_slice_iter(text.as_bytes()).count(), 1);
    assert!(!text.contains("PRIVATE"));
}

/// How the server ends a connection.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Cut,
    Orderly,
    Reset,
}

/// What a client reads, and how it ends.
async fn read(
    ending: Ending,
    version: &'static SupportedProtocolVersion,
) -> Result<String, ErrorKind> {
    let (mut client, mut server) = pair(version).await;
    server.send(b"half a bo").await.unwrap();
    let mut text = vec![0; 9];
    client.read_exact(&mut text).await.unwrap();
    match ending {
        Ending::Cut => server.cut().await.unwrap(),
        Ending::Orderly => server.shutdown().await.unwrap(),
        Ending::Reset => server.set_zero_linger().unwrap(),
    }
    drop(server);
    client.read_to_end(&mut text).await.map_err(|error| error.kind())?;
    Ok(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_client_can_tell_the_ends_apart() {
    for version in VERSIONS {
        assert_eq!(read(Ending::Orderly, version).await, Ok("half a bo".to_owned()));
        assert_eq!(read(Ending::Cut, version).await, Err(ErrorKind::UnexpectedEof));
        assert_eq!(read(Ending::Reset, version).await, Err(ErrorKind::ConnectionReset));
    }
}

/// What a client does while its server waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Doing {
    Nothing,
    /// Sends bytes ahead, then leaves.
    Ahead,
    /// Says that it closes, and keeps the socket.
    Notify,
    Fin,
    Reset,
}

const DOINGS: [Doing; 5] = [Doing::Nothing, Doing::Ahead, Doing::Notify, Doing::Fin, Doing::Reset];

/// Whether the server sees the client leave, and that it does not look at every turn of the loop.
async fn check_left(server: &mut Connection, expected: bool, doing: &str) {
    let patience_ms = if expected { END_MS_MAX } else { SILENCE_MS };
    let looks = Cell::new(0);
    let mut leaving = pin!(server.peer_left());
    let counted = poll_fn(|context| {
        looks.set(looks.get() + 1);
        leaving.as_mut().poll(context)
    });
    let left = timeout(Duration::from_millis(patience_ms), counted).await.is_ok();
    assert_eq!(left, expected, "{doing}");
    assert!(looks.get() < LOOKS_MAX, "{doing}: {} looks", looks.get());
}

#[tokio::test]
async fn a_client_under_tls_is_seen_to_leave() {
    for version in VERSIONS {
        for doing in DOINGS {
            let (mut client, mut server) = pair(version).await;
            if doing == Doing::Ahead {
                client.write_all(b"more").await.unwrap();
                client.flush().await.unwrap();
            }
            let (socket, session) = client.get_mut();
            match doing {
                Doing::Nothing => {}
                Doing::Notify => {
                    session.send_close_notify();
                    client.flush().await.unwrap();
                }
                Doing::Ahead | Doing::Fin => socket.shutdown().await.unwrap(),
                Doing::Reset => socket.set_zero_linger().unwrap(),
            }
            let kept = (doing != Doing::Reset).then_some(client);
            let stays = matches!(doing, Doing::Nothing | Doing::Ahead);
            check_left(&mut server, !stays, &format!("{doing:?}")).await;
            // It is safe to ask again.
            check_left(&mut server, !stays, &format!("{doing:?}")).await;
            if doing == Doing::Ahead {
                let mut ahead = String::new();
                server.read_to_string(&mut ahead).await.unwrap();
                assert_eq!(ahead, "more");
            }
            drop(kept);
        }
    }
}

#[tokio::test]
async fn a_plain_client_is_seen_to_leave() {
    for doing in DOINGS {
        let (mut client, server) = sockets().await;
        let mut server = Connection::Plain(server);
        match doing {
            Doing::Nothing => {}
            Doing::Ahead => client.write_all(b"more").await.unwrap(),
            Doing::Fin | Doing::Notify => client.shutdown().await.unwrap(),
            Doing::Reset => client.set_zero_linger().unwrap(),
        }
        let kept = (doing != Doing::Reset).then_some(client);
        let stays = matches!(doing, Doing::Nothing | Doing::Ahead);
        check_left(&mut server, !stays, &format!("{doing:?}")).await;
        drop(kept);
    }
}

#[tokio::test]
async fn a_half_closed_client_is_still_heard() {
    for version in VERSIONS {
        let (mut client, mut server) = pair(version).await;
        server.shutdown().await.unwrap();
        check_left(&mut server, false, "half closed").await;
        client.shutdown().await.unwrap();
        check_left(&mut server, true, "closed").await;
    }
}

#[tokio::test]
async fn what_is_sent_arrives_without_our_help() {
    let (mut client, mut server) = pair(&TLS13).await;
    let piece = [7; PIECE_BYTES];
    let mut n_sent = 0;
    while timeout(Duration::from_millis(SILENCE_MS), server.send(&piece)).await.is_ok() {
        n_sent += 1;
        assert!(n_sent < PIECES_MAX, "the sockets are never full");
    }
    let mut read = vec![0; n_sent * PIECE_BYTES];
    let patience = Duration::from_millis(END_MS_MAX);
    timeout(patience, client.read_exact(&mut read)).await.unwrap().unwrap();
    assert!(read.iter().all(|&byte| byte == 7));
}
