//! The client and certificates.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use client::{Client, Injected, Policy};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::{MESSAGE, key, policy, request};

/// A server that shows a certificate of its own for this name, its address, and the certificate.
fn serve(name: &str) -> (SocketAddr, String) {
    let pair = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.self_signed(&pair).unwrap().der().clone();
    let private = PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(config);
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let _ = answer(StreamOwned::new(connection, stream.unwrap()));
        }
    });
    (address, pem(&certificate))
}

fn answer(mut stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    let _ = stream.read(&mut [0; 4096])?;
    let length = MESSAGE.len();
    write!(
        stream,
        "HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{MESSAGE}"
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// The certificate in the form that roots come in.
fn pem(der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = |bytes: &[u8]| -> String {
        let bits = bytes.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - bytes.len()));
        let letter = |at: usize| match at <= bytes.len() {
            true => char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        };
        (0..4).map(letter).collect()
    };
    let text: String = der.chunks(3).map(letters).collect();
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// What a call to such a server comes to, and how many waits there were before.
async fn call(address: SocketAddr, roots_pem: &str) -> (Result<String, String>, usize) {
    let waits = Injected::new(0);
    let base_url = format!("https://{address}");
    let client = Client::trusting(&base_url, key(), policy(), roots_pem).unwrap();
    let result = client.create(&request(), &waits).await;
    let told = result.map(|message| message.text).map_err(|error| {
        assert_eq!(error.class(), "transport-error");
        error.to_string()
    });
    (told, waits.waits_ms().len())
}

#[tokio::test]
async fn only_a_certificate_of_a_trusted_root_for_this_name_is_taken() {
    let (address, root) = serve("127.0.0.1");
    assert_eq!(call(address, &root).await, (Ok("Hi".to_owned()), 0));
    for (address, roots) in [(address, String::new()), serve("wrong.invalid")] {
        let (told, n_waits) = call(address, &roots).await;
        let told = told.unwrap_err();
        assert!(told.contains("certificate"), "{told}");
        assert_eq!(n_waits, 0, "{told}");
    }
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let (told, n_waits) = call(address, "").await;
    assert_eq!((told.is_err(), n_waits), (true, 0), "{told:?}");
}

#[test]
fn roots_that_are_none_are_refused() {
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let client = Client::trusting("https://h", key(), Policy::official(), bad);
    assert_eq!(client.err().unwrap().class(), "local-error");
}
