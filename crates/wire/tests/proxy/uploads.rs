//! Requests that are large, or answered before they are over.

use super::*;
use chaos::End;

const MB: usize = 1 << 20;

/// A reply that ends with its connection, so that nobody waits for more.
fn last() -> Script {
    script("# framing: close\nHTTP/1.1 200 OK\n\nabcdef\n")
}

const LAST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcdef";

/// Sends a request of so many bytes in full, as a client does that only then reads to the end.
async fn upload(address: SocketAddr, n_bytes: usize) -> Seen {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /v1/messages HTTP/1.1\r\ncontent-length: {n_bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; n_bytes]).await.unwrap();
    read(&mut stream, END_MS_MAX).await
}

#[tokio::test]
async fn who_is_answered_early_can_send_on_and_read_the_answer() {
    let refuse = fault("{ request-byte = 65536 }", "{ replace = { reply = \"scripted\" } }");
    let proxy = start(&refuse, None).await.unwrap();
    let answer = "HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\nno".to_owned();
    assert_eq!(upload(proxy.address, 8 * MB).await, Seen::Closed(answer));
    let record = proxy.finish().await;
    let attempt = &record.attempts[0];
    assert_eq!((attempt.request.body.len(), attempt.body_cut), (65536, true));
    assert_eq!((attempt.end, &*record.unfired, record.trouble), (End::Closed, &[][..], None));
}

#[tokio::test]
async fn a_server_may_read_slowly() {
    let slow = fault("{ request-byte = 1000 }", "{ delay = { ms = 60 } }");
    let (proxy, server) = started(&slow, vec![last()]).await;
    let before = Instant::now();
    assert_eq!(upload(proxy.address, 4000).await, Seen::Closed(LAST.to_owned()));
    assert!(Duration::from_millis(60) <= before.elapsed());
    let record = proxy.finish().await;
    let attempt = &record.attempts[0];
    assert_eq!((attempt.request.body.len(), attempt.body_cut), (4000, false));
    assert_eq!((attempt.end, &*record.unfired), (End::Closed, &[][..]));
    assert_eq!(server.seen()[0].request.body.len(), 4000);
}

#[tokio::test]
async fn a_request_that_never_comes_so_far_is_left_alone() {
    let refuse = fault("{ request-byte = 1000 }", "{ replace = { reply = \"scripted\" } }");
    let (proxy, _server) = started(&refuse, vec![last()]).await;
    assert_eq!(upload(proxy.address, 999).await, Seen::Closed(LAST.to_owned()));
    assert_eq!(proxy.finish().await.unfired, [0]);
}

#[tokio::test]
async fn of_a_large_request_the_beginning_is_kept_and_all_of_it_passed() {
    let (proxy, server) = started("", vec![last()]).await;
    assert_eq!(upload(proxy.address, 20 * MB).await, Seen::Closed(LAST.to_owned()));
    let attempt = &proxy.finish().await.attempts[0];
    assert_eq!((attempt.request.body.len(), attempt.body_cut), (16 << 20, true));
    assert_eq!(server.seen()[0].request.body.len(), 20 << 20);
}

#[tokio::test]
async fn of_a_large_reply_the_beginning_is_kept_and_all_of_it_passed() {
    let text = "x".repeat(1024);
    let flood = fault(
        "{ body-byte = 3 }",
        &format!("{{ flood = {{ text = \"{text}\", times = 20480 }} }}"),
    );
    let (proxy, _server) = started(&flood, vec![last()]).await;
    let Seen::Closed(reply) = ask(proxy.address, END_MS_MAX).await else { panic!("not closed") };
    assert_eq!(reply.len(), LAST.len() + 20 * MB);
    let record = proxy.finish().await;
    let attempt = &record.attempts[0];
    assert_eq!((attempt.served.len(), &*record.unfired, record.trouble), (16 * MB, &[][..], None));
    assert_eq!(attempt.sent.iter().map(|sent| sent.bytes).sum::<usize>(), reply.len());
    assert!(attempt.sent.len() <= 512);
}

#[tokio::test]
async fn a_request_that_is_left_in_the_middle_is_an_attempt() {
    let (proxy, _server) = started("", vec![plain()]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    drop(stream);
    let mut n_attempts = 0;
    while n_attempts == 0 {
        pause(5).await;
        n_attempts = proxy.look(<[_]>::len);
    }
    let record = proxy.finish().await;
    let attempt = &record.attempts[0];
    assert_eq!((attempt.end, attempt.body_cut), (End::Left, true));
    assert_eq!(&*attempt.request.body.to_bytes(), b"abc");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_noted() {
    for framing in ["content-length: many", "transfer-encoding: chunked\r\n\r\nZZ"] {
        let (proxy, _server) = started("", vec![plain()]).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let request = format!("POST / HTTP/1.1\r\n{framing}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(!matches!(read(&mut stream, END_MS_MAX).await, Seen::Silent(_)), "{framing}");
        let record = proxy.finish().await;
        assert_eq!((record.attempts.len(), record.notes.len()), (1, 1), "{framing}");
        assert_eq!(record.trouble, None, "{framing}");
    }
}

#[tokio::test]
async fn what_follows_a_chunked_request_is_the_next() {
    let (proxy, server) = started("", vec![plain()]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
        1;x=y\r\n{\r\n1\r\n}\r\n0\r\na: b\r\n\r\n";
    stream.write_all(format!("{chunked}{REQUEST}").as_bytes()).await.unwrap();
    let both = format!("{HEAD}abcdef{HEAD}abcdef");
    assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(both));
    assert_eq!(proxy.finish().await.pipelined, [2]);
    for seen in server.seen() {
        assert_eq!(&*seen.request.body.to_bytes(), b"{}");
    }
}

#[tokio::test]
async fn an_answer_holds_the_nonce_of_its_request() {
    let reply = script("HTTP/1.1 200 OK\n\nnonce-00000000, nonce-00000000!\n");
    let (proxy, _server) = started("", vec![reply]).await;
    for (body, expected) in [
        ("Say hello. nonce-12ab90ef", "nonce-12ab90ef, nonce-12ab90ef!"),
        ("a nonce-less prompt", "nonce-00000000, nonce-00000000!"),
    ] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let request = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 31\r\n\r\n{expected}");
        assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(answer));
    }
}
