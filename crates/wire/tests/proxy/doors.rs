//! What stands where a server should.

use super::*;
use tokio::net::{TcpListener, TcpSocket};

/// The beginning of a handshake of TLS, and of a connection of HTTP/2.
const HELLO: &[u8] = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A door for these connections, or for all.
fn door(door: &str, connections: Option<&str>) -> String {
    let connections = connections.map(|span| format!("connections = \"{span}\"\n"));
    format!("[connect]\ndoor = \"{door}\"\n{}", connections.unwrap_or_default())
}

/// What the door says to whoever sends this, on a fresh connection.
async fn say(address: SocketAddr, bytes: &[u8]) -> Seen {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who resets at once may do so before this.
    let _ = stream.write_all(bytes).await;
    read(&mut stream, SILENCE_MS).await
}

#[tokio::test]
async fn where_nobody_listens_the_port_is_kept_all_the_same() {
    let proxy = start(&door("refuse", None), None).await.unwrap();
    for _ in 0..2 {
        let error = TcpStream::connect(proxy.address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    let error = TcpListener::bind(proxy.address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let record = proxy.finish().await;
    assert_eq!((record.connections, record.attempts.len(), record.trouble), (0, 0, None));
}

#[tokio::test]
async fn a_server_may_go_away_between_two_connections() {
    let (proxy, _server) = started(&door("refuse", Some("2-")), vec![plain()]).await;
    let mut stream = asked(proxy.address).await;
    assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(format!("{HEAD}abcdef")));
    let error = TcpStream::connect(proxy.address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // The connection that was taken is served on.
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(format!("{HEAD}abcdef")));
    drop(stream);
    pause(20).await;
    let error = TcpSocket::new_v4().unwrap().bind(proxy.address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(proxy.finish().await.connections, 1);
}

#[tokio::test]
async fn connections_that_nobody_takes_cannot_be_counted() {
    for nobody in ["refuse", "blackhole"] {
        let error = start(&door(nobody, Some("1")), None).await.err().unwrap();
        assert!(error.to_string().contains("cannot be counted"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_is_reset_before_it_is_read() {
    let (proxy, _server) = started(&door("reset", Some("1")), vec![plain()]).await;
    assert_eq!(say(proxy.address, REQUEST.as_bytes()).await, Seen::Reset(String::new()));
    let answered = Seen::Silent(format!("{HEAD}abcdef"));
    assert_eq!(say(proxy.address, REQUEST.as_bytes()).await, answered);
    let record = proxy.finish().await;
    assert_eq!((record.connections, record.attempts.len()), (2, 1));
    assert_eq!(record.attempts[0].connection, 2);
}

#[tokio::test]
async fn a_silent_server_takes_connections_and_nothing_else() {
    let proxy = start(&door("silent", None), None).await.unwrap();
    for bytes in [REQUEST.as_bytes(), HELLO] {
        assert_eq!(say(proxy.address, bytes).await, Seen::Silent(String::new()));
    }
    let record = proxy.finish().await;
    assert_eq!((record.connections, record.attempts.len(), record.notes.len()), (2, 0, 0));
}

#[tokio::test]
async fn nobody_gets_into_a_full_house() {
    for (connections, n_served) in [(None, 0), (Some("2-"), 1)] {
        let (proxy, _server) = started(&door("blackhole", connections), vec![plain()]).await;
        for _ in 0..n_served {
            let answered = Seen::Silent(format!("{HEAD}abcdef"));
            assert_eq!(ask(proxy.address, SILENCE_MS).await, answered);
        }
        // The kernel may let one more into the queue, where it waits in vain.
        let patience = Duration::from_millis(2 * SILENCE_MS);
        let asked = timeout(patience, say(proxy.address, REQUEST.as_bytes())).await;
        assert!(matches!(asked, Err(_) | Ok(Seen::Silent(_))), "{asked:?}");
        assert_eq!(proxy.finish().await.connections, n_served);
    }
}

#[tokio::test]
async fn whatever_comes_is_answered_in_the_clear() {
    let proxy = start(&door("plaintext", None), None).await.unwrap();
    for bytes in [HELLO, PREFACE, REQUEST.as_bytes()] {
        let Seen::Closed(answer) = say(proxy.address, bytes).await else { panic!("not closed") };
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    }
    let record = proxy.finish().await;
    assert_eq!((record.connections, record.notes.len(), record.trouble), (3, 2, None));
    // What can be read was sent for everybody to read.
    assert_eq!((record.attempts.len(), record.attempts[0].connection), (1, 3));
    assert!(record.attempts[0].served.starts_with(b"HTTP/1.1 400"));
}

#[tokio::test]
async fn who_speaks_something_else_is_shown_out_and_noted() {
    let (proxy, _server) = started("", vec![plain()]).await;
    for bytes in [HELLO, PREFACE, b"what?\r\n\r\n"] {
        let seen = say(proxy.address, bytes).await;
        // A close on bytes that nobody read is a reset.
        assert!(matches!(seen, Seen::Closed(_) | Seen::Reset(_)), "{seen:?}");
    }
    let record = proxy.finish().await;
    assert_eq!((record.connections, record.attempts.len(), record.trouble), (3, 0, None));
    assert_eq!(
        record.notes[0],
        "connection 1: a handshake of TLS where HTTP is spoken in the clear"
    );
    assert_eq!(record.notes[1], "connection 2: the request is not HTTP/1");
    assert_eq!(record.notes.len(), 3);
}

#[tokio::test]
async fn the_address_is_the_one_that_the_scenario_names() {
    let named = |proxy: &Proxy| (proxy.called.clone(), proxy.base_url());
    let (proxy, _server) = started("[connect]\nhost = \"localhost\"\n", vec![plain()]).await;
    let port = proxy.address.port();
    let called = format!("localhost:{port}");
    assert_eq!(named(&proxy), (called.clone(), format!("http://{called}")));
    let error = TcpStream::connect(("::1", port)).await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(ask(proxy.address, SILENCE_MS).await, Seen::Silent(format!("{HEAD}abcdef")));

    let proxy = start("[connect]\nhost = \"nowhere\"\n", None).await.unwrap();
    assert_eq!(proxy.base_url(), format!("http://nowhere.invalid:{}", proxy.address.port()));
    let proxy = start("[connect]\npath = \"/p/x/\"\n", None).await.unwrap();
    assert_eq!(named(&proxy).0, proxy.address.to_string());
    assert_eq!(proxy.base_url(), format!("http://{}/p/x/", proxy.address));
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn a_build_without_tls_says_what_is_missing() {
    let error = start("[connect]\ntls = \"trusted\"\n", None).await.err().unwrap();
    assert!(error.to_string().contains("feature `tls`"), "{error}");
    let error = wire::tls::Authority::generate().err().unwrap();
    assert!(error.to_string().contains("feature `tls`"), "{error}");
}
