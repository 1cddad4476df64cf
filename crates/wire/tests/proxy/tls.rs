//! What differs where the client is asked for https.

use std::sync::Arc;

use super::*;
use chaos::End;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wire::proxy::Handshakes;
use wire::tls::Authority;

/// A proxy behind a certificate, and what stands behind it.
struct Sealed {
    proxy: Proxy,
    connector: TlsConnector,
    _server: ScriptServer,
}

impl Sealed {
    /// The stage of a scenario with this in it, faults last.
    async fn start(connect: &str, faults: &str, reply: Script) -> Self {
        let server = script::serve(vec![reply]).await.unwrap();
        let scenario = scenario(&format!("[connect]\n{connect}{faults}"));
        let authority = Arc::new(Authority::generate().unwrap());
        let connector = connector(authority.ca_pem());
        let plan = Plan::new(&scenario, &BTreeMap::new()).unwrap();
        let (started, authority) = (Instant::now(), Some(authority));
        let upstream = Some(server.address);
        let stand = Stand { scenario: &scenario, plan, upstream, started, authority, port: 0 };
        Self { proxy: proxy::start(stand).await.unwrap(), connector, _server: server }
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.proxy.address).await?;
        self.connector.connect(ServerName::try_from("127.0.0.1").unwrap(), socket).await
    }

    async fn ask(&self) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await.unwrap();
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        stream
    }
}

fn connector(ca_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

/// A reply that only the end of its connection ends.
fn endless() -> Script {
    script("# framing: close\nHTTP/1.1 200 OK\n\nabcdef\n")
}

#[tokio::test]
async fn a_trusted_server_answers_and_faults_strike() {
    let stage = Sealed::start("tls = \"trusted\"\n", "", plain()).await;
    assert_eq!(stage.proxy.base_url(), format!("https://{}", stage.proxy.address));
    let mut stream = stage.ask().await;
    let mut answer = vec![0; HEAD.len() + 6];
    for _ in 0..2 {
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), format!("{HEAD}abcdef"));
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
    }
    let record = stage.proxy.finish().await;
    assert_eq!((record.connections, record.trouble), (1, None));
    assert_eq!(record.handshakes, Handshakes { completed: 1, failed: 0 });
}

#[tokio::test]
async fn the_ends_of_a_connection_differ() {
    for (fault_name, expected) in [
        ("close", Ok(())),
        ("cut", Err(ErrorKind::UnexpectedEof)),
        ("reset", Err(ErrorKind::ConnectionReset)),
    ] {
        let faults = fault("{ body-byte = 3 }", &format!("\"{fault_name}\""));
        let stage = Sealed::start("tls = \"trusted\"\n", &faults, endless()).await;
        let mut text = vec![];
        let read = stage.ask().await.read_to_end(&mut text).await;
        assert_eq!(read.map(drop).map_err(|error| error.kind()), expected, "{fault_name}");
        assert!(text.ends_with(b"\r\n\r\nabc") || fault_name == "reset", "{fault_name}");
        let end = if fault_name == "reset" { End::Reset } else { End::Closed };
        assert_eq!(stage.proxy.finish().await.attempts[0].end, end);
    }
}

#[tokio::test]
async fn a_client_that_refuses_has_connected_and_asked_nothing() {
    for wrong in ["untrusted", "wrong-name"] {
        let stage = Sealed::start(&format!("tls = \"{wrong}\"\n"), "", plain()).await;
        let error = stage.connect().await.err().unwrap();
        assert!(error.to_string().contains("certificate"), "{error}");
        let record = stage.proxy.finish().await;
        assert_eq!((record.connections, record.attempts.len(), record.trouble), (1, 0, None));
        assert_eq!(record.handshakes, Handshakes { completed: 0, failed: 1 });
        assert!(record.notes[0].starts_with("connection 1: no handshake: "), "{}", record.notes[0]);
    }
}

#[tokio::test]
async fn doors_stand_before_the_handshake() {
    let stage = Sealed::start("tls = \"trusted\"\ndoor = \"plaintext\"\n", "", plain()).await;
    let error = stage.connect().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    let record = stage.proxy.finish().await;
    assert_eq!((record.connections, record.attempts.len(), record.trouble), (1, 0, None));

    let door = "tls = \"trusted\"\ndoor = \"silent\"\nconnections = \"1\"\n";
    let stage = Sealed::start(door, "", plain()).await;
    assert!(timeout(Duration::from_millis(SILENCE_MS), stage.connect()).await.is_err());
    stage.ask().await.read_exact(&mut vec![0; HEAD.len()]).await.unwrap();
    let record = stage.proxy.finish().await;
    assert_eq!(record.handshakes, Handshakes { completed: 1, failed: 0 });
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_a_step_down() {
    let lead =
        fault("{ head-byte = 0 }", "{ redirect = { status = 307, to = \"second-origin\" } }");
    let stage = Sealed::start("tls = \"trusted\"\n", &lead, plain()).await;
    let location = format!("location: http://{}/v1/messages\r\n", stage.proxy.second_address);
    let mut reply = [0; 512];
    let n_bytes = stage.ask().await.read(&mut reply).await.unwrap();
    let reply = String::from_utf8_lossy(&reply[..n_bytes]);
    assert!(reply.contains(&location), "{reply}");
    let answered = Seen::Silent(format!("{HEAD}abcdef"));
    assert_eq!(ask(stage.proxy.second_address, SILENCE_MS).await, answered);
}

#[tokio::test]
async fn a_client_is_seen_to_leave_and_to_send_ahead() {
    let faults = fault("{ body-byte = 1 }", "{ delay = { ms = 60 } }")
        + &fault("\"end\"", "\"stall\"").replace('1', "2");
    let stage = Sealed::start("tls = \"trusted\"\n", &faults, plain()).await;
    let mut stream = stage.ask().await;
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut both = vec![0; 2 * (HEAD.len() + 6)];
    stream.read_exact(&mut both).await.unwrap();
    drop(stream);
    let record = stage.proxy.finish().await;
    assert_eq!((record.attempts[1].end, &record.pipelined[..]), (End::Left, &[2][..]));
}

#[tokio::test]
async fn who_speaks_http_to_a_server_of_https_is_noted() {
    let stage = Sealed::start("tls = \"trusted\"\n", "", plain()).await;
    let mut stream = asked(stage.proxy.address).await;
    // What comes back is an alert.
    let _ = stream.read_to_end(&mut vec![]).await;
    let record = stage.proxy.finish().await;
    assert_eq!((record.attempts.len(), record.notes.len(), record.trouble), (0, 1, None));
}
