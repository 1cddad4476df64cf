//! What the proxy sees of connections, and does to those that rest.

use super::*;
use chaos::End;

const STALL: &str = "\"stall\"";

/// Two requests on one connection, the second sent after so long, under these faults.
async fn twice(faults: &str, after_ms: u64) -> proxy::Record {
    let (proxy, _server) = started(faults, vec![plain()]).await;
    let mut stream = asked(proxy.address).await;
    pause(after_ms).await;
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    read(&mut stream, 2 * SILENCE_MS).await;
    proxy.finish().await
}

#[tokio::test]
async fn a_request_before_the_reply_is_over_is_seen() {
    let slow = |at| fault(at, "{ delay = { ms = 60 } }");
    for (faults, after_ms, pipelined) in [
        (slow("{ body-byte = 2 }"), 10, &[2][..]),
        (slow("{ head-byte = 0 }"), 0, &[2][..]),
        (slow("{ body-byte = 2 }"), 120, &[][..]),
        (String::new(), 60, &[][..]),
        // The reply is over, and what comes after it is nobody's.
        (slow("\"end\"") + &fault("\"end\"", "{ insert = { text = \"HTTP\" } }"), 30, &[][..]),
    ] {
        let record = twice(&faults, after_ms).await;
        assert_eq!(record.pipelined, pipelined, "{faults}");
        assert!(pipelined.is_empty() || record.attempts.len() == 2, "{faults}");
        assert_eq!((record.connections, record.trouble), (1, None), "{faults}");
    }
}

#[tokio::test]
async fn a_client_that_sends_ahead_is_seen_to_leave() {
    let (proxy, _server) = started(&fault("{ body-byte = 1 }", STALL), vec![plain()]).await;
    let mut stream = asked(proxy.address).await;
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    pause(20).await;
    drop(stream);
    assert_eq!(proxy.finish().await.attempts[0].end, End::Left);
}

#[tokio::test]
async fn requests_are_counted_on_their_connection() {
    let every_second = "[[fault]]\nattempts = \"every\"\nwhen = { connection-request = \"2\" }\nat = { head-byte = 0 }\nfault = \"reset\"\n";
    let (proxy, _server) = started(every_second, vec![plain()]).await;
    let answered = Seen::Silent(format!("{HEAD}abcdef"));
    let mut stream = asked(proxy.address).await;
    assert_eq!(read(&mut stream, SILENCE_MS).await, answered);
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Reset(String::new()));
    assert_eq!(ask(proxy.address, SILENCE_MS).await, answered);
    let ends: Vec<End> = proxy.finish().await.attempts.iter().map(|attempt| attempt.end).collect();
    assert_eq!(ends, [End::Kept, End::Reset, End::Kept]);
}

#[tokio::test]
async fn a_connection_that_rests_is_ended() {
    let late = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (then, expected) in [
        ("close", Seen::Closed(String::new())),
        ("reset", Seen::Reset(String::new())),
        ("request-timeout", Seen::Closed(late.to_owned())),
    ] {
        let idle = format!("[connect]\nidle = {{ after-ms = 200, then = \"{then}\" }}\n");
        let (proxy, _server) = started(&idle, vec![plain()]).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        // Who has not asked yet does not rest.
        pause(300).await;
        for _ in 0..2 {
            stream.write_all(REQUEST.as_bytes()).await.unwrap();
            assert_eq!(read(&mut stream, 50).await, Seen::Silent(format!("{HEAD}abcdef")));
        }
        assert_eq!(read(&mut stream, END_MS_MAX).await, expected);
        let record = proxy.finish().await;
        let ends: Vec<End> = record.attempts.iter().map(|attempt| attempt.end).collect();
        assert_eq!((&ends[..], record.trouble), (&[End::Kept, End::Kept][..], None));
    }
}

#[tokio::test]
async fn who_walks_away_has_time_to_let_go() {
    let stall = fault("{ body-byte = 1 }", STALL);
    let walks = format!("ask = {{ abandon-after-events = 1 }}\n{stall}");
    for (faults, end) in [(&stall, End::Unended), (&walks, End::Left)] {
        let (proxy, _server) = started(faults, vec![plain()]).await;
        let mut stream = asked(proxy.address).await;
        read(&mut stream, SILENCE_MS).await;
        let (record, ()) = tokio::join!(proxy.finish(), async {
            pause(500).await;
            drop(stream);
        });
        assert_eq!(record.attempts[0].end, end, "{faults}");
    }
}

#[tokio::test]
async fn the_head_is_kept_as_it_stood() {
    let (proxy, _server) = started("", vec![plain()]).await;
    let head = "POST /v1/messages HTTP/1.1\r\nHost:x\r\nX-Folded: a\r\n b\r\nkey:  c \r\n\r\n";
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(format!("{HEAD}abcdef")));
    let attempt = &proxy.finish().await.attempts[0];
    assert_eq!(String::from_utf8_lossy(&attempt.raw_head), head);
    assert_eq!(attempt.request.headers.get("key"), Some("c"));
}

#[tokio::test]
async fn times_are_written_down_when_things_happen() {
    let faults = fault("{ body-byte = 2 }", "{ delay = { ms = 60 } }")
        + &fault("{ body-byte = 4 }", "\"close\"");
    let (proxy, _server) = started(&faults, vec![plain()]).await;
    assert_eq!(ask(proxy.address, END_MS_MAX).await, Seen::Closed(format!("{HEAD}abcd")));
    let attempt = &proxy.finish().await.attempts[0];
    let [delay, close] = attempt.struck[..] else { panic!("{:?}", attempt.struck) };
    assert_eq!((delay.fault, close.fault), (0, 1));
    assert!(delay.at_ms + 60 <= close.at_ms, "{:?}", attempt.struck);
    let [before, after] = attempt.sent[..] else { panic!("{:?}", attempt.sent) };
    assert!(before.at_ms <= delay.at_ms && delay.at_ms + 60 <= after.at_ms, "{attempt:?}");
    assert_eq!((before.bytes, after.bytes), (HEAD.len() + 2, 2));
}

#[tokio::test]
async fn redirects_lead_where_they_say() {
    for (host, to, expected) in [
        ("loopback", "same-origin", "127.0.0.1:FIRST"),
        ("loopback", "second-origin", "127.0.0.1:SECOND"),
        ("loopback", "second-host", "localhost:SECOND"),
        ("localhost", "same-origin", "localhost:FIRST"),
        ("localhost", "second-origin", "localhost:SECOND"),
        ("localhost", "second-host", "127.0.0.1:SECOND"),
    ] {
        let lead = format!("{{ redirect = {{ status = 302, to = \"{to}\" }} }}");
        let more = format!("[connect]\nhost = \"{host}\"\n{}", fault("{ head-byte = 0 }", &lead));
        let proxy = start(&more, None).await.unwrap();
        let expected = expected
            .replace("FIRST", &proxy.address.port().to_string())
            .replace("SECOND", &proxy.second_address.port().to_string());
        let Seen::Silent(reply) = ask(proxy.address, 50).await else { panic!("{more}") };
        assert!(reply.contains(&format!("location: http://{expected}/v1/messages\r\n")), "{reply}");
    }
}
