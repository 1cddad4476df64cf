//! What becomes of a reply on its way.

use super::*;
use chaos::End;

/// One exchange through the proxy: what the client sees, and what the proxy says about it.
async fn check(faults: &str, reply: Script, expected: Seen, end: End) {
    let (proxy, _server) = started(faults, vec![reply]).await;
    let patience_ms = if matches!(expected, Seen::Silent(_)) { SILENCE_MS } else { END_MS_MAX };
    let seen = ask(proxy.address, patience_ms).await;
    assert_eq!(seen, expected, "{faults}");
    let record = proxy.finish().await;
    let (Seen::Closed(text) | Seen::Reset(text) | Seen::Silent(text)) = seen;
    assert_eq!(String::from_utf8_lossy(&record.attempts[0].served), text, "{faults}");
    assert_eq!((record.attempts[0].end, &*record.unfired), (end, &[][..]), "{faults}");
    assert_eq!(record.trouble, None);
}

#[tokio::test]
async fn a_reply_without_faults_passes_to_the_byte() {
    check("", plain(), Seen::Silent(format!("{HEAD}abcdef")), End::Kept).await;
    let odd = script("# framing: close\nHTTP/1.1 200 OK\nX-Odd:  \u{e9} \n\nabc\n\n\n");
    let bytes = String::from_utf8(odd.wire_bytes()).unwrap();
    check("", odd, Seen::Closed(bytes), End::Closed).await;
}

#[tokio::test]
async fn cuts_and_resets_reach_the_client_as_such() {
    let cut = || fault("{ body-byte = 3 }", "\"close\"");
    check(&cut(), plain(), Seen::Closed(format!("{HEAD}abc")), End::Closed).await;
    let reset = || fault("{ body-byte = 3 }", "\"reset\"");
    check(&reset(), plain(), Seen::Reset(format!("{HEAD}abc")), End::Reset).await;
    let early = fault("{ head-byte = 0 }", "\"reset\"");
    check(&early, plain(), Seen::Reset(String::new()), End::Reset).await;
    let in_head = fault("{ head-byte = 10 }", "\"close\"");
    check(&in_head, plain(), Seen::Closed("HTTP/1.1 2".to_owned()), End::Closed).await;
}

#[tokio::test]
async fn a_scripts_own_end_reaches_the_client() {
    let cut = script("# end: closed 2\nHTTP/1.1 200 OK\n\nabcdef\n");
    check("", cut, Seen::Closed(format!("{HEAD}ab")), End::Closed).await;
    let reset = script("# end: reset 2\nHTTP/1.1 200 OK\n\nabcdef\n");
    check("", reset, Seen::Reset(format!("{HEAD}ab")), End::Reset).await;
}

#[tokio::test]
async fn replies_are_replaced_and_amended() {
    let replaced = "HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\nno".to_owned();
    let inject = fault("{ head-byte = 0 }", "{ replace = { reply = \"scripted\" } }");
    check(&inject, plain(), Seen::Silent(replaced), End::Kept).await;
    let insert = fault("\"headers-start\"", r#"{ insert = { text = "a: b\r\n" } }"#);
    let amended = "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 6\r\n\r\nabcdef".to_owned();
    check(&insert, plain(), Seen::Silent(amended), End::Kept).await;
}

#[tokio::test]
async fn a_stall_lasts_until_the_client_leaves() {
    let stall = fault("{ body-byte = 1 }", "\"stall\"");
    check(&stall, plain(), Seen::Silent(format!("{HEAD}a")), End::Left).await;
}

#[tokio::test]
async fn faults_strike_at_the_end_too() {
    let poison = fault("\"end\"", "{ insert = { text = \"HTTP\" } }");
    check(&poison, plain(), Seen::Silent(format!("{HEAD}abcdefHTTP")), End::Kept).await;
    let cut = script("# end: closed 2\nHTTP/1.1 200 OK\n\nabcdef\n");
    let open = fault("\"end\"", "\"stall\"");
    check(&open, cut, Seen::Silent(format!("{HEAD}ab")), End::Left).await;
    let reset = fault("\"end\"", "\"reset\"");
    check(&reset, plain(), Seen::Reset(format!("{HEAD}abcdef")), End::Reset).await;
}

#[tokio::test]
async fn a_half_closed_connection_still_takes_what_the_client_sends() {
    let half = fault("{ body-byte = 3 }", "\"half-close\"");
    let (proxy, _server) = started(&half, vec![plain()]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, END_MS_MAX).await, Seen::Closed(format!("{HEAD}abc")));
    // A whole close would answer the first of these with a reset, which the second would meet.
    for _ in 0..2 {
        stream.write_all(b"x").await.unwrap();
        pause(20).await;
    }
    assert_eq!(proxy.finish().await.attempts[0].end, End::Closed);
}

#[tokio::test]
async fn a_dripping_reply_takes_its_time() {
    let drip = fault("{ body-byte = 0 }", "{ drip = { bytes = 2, ms = 30 } }");
    let before = Instant::now();
    check(&drip, plain(), Seen::Silent(format!("{HEAD}abcdef")), End::Kept).await;
    assert!(Duration::from_millis(60) <= before.elapsed());
}

#[tokio::test]
async fn a_reply_is_coded_only_for_those_who_offer_to_take_it() {
    let gzip = fault("{ head-byte = 0 }", "{ gzip = \"negotiated\" }");
    check(&gzip, plain(), Seen::Silent(format!("{HEAD}abcdef")), End::Kept).await;
    let (proxy, _server) = started(&gzip, vec![plain()]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let offer = REQUEST.replace("host: x", "host: x\r\naccept-encoding: gzip");
    stream.write_all(offer.as_bytes()).await.unwrap();
    let mut bytes = [0; 512];
    let n_bytes = stream.read(&mut bytes).await.unwrap();
    let seen = String::from_utf8_lossy(&bytes[..n_bytes]);
    assert!(seen.contains("content-encoding: gzip\r\n") && !seen.contains("abcdef"), "{seen}");
}

#[tokio::test]
async fn a_redirect_leads_to_the_second_origin_where_no_fault_strikes() {
    let lead =
        fault("{ head-byte = 0 }", "{ redirect = { status = 307, to = \"second-origin\" } }");
    let (proxy, _server) = started(&lead, vec![plain()]).await;
    let location = format!("http://{}/v1/messages", proxy.second_address);
    let led = format!("HTTP/1.1 307 Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(ask(proxy.address, SILENCE_MS).await, Seen::Silent(led));
    let answered = Seen::Silent(format!("{HEAD}abcdef"));
    assert_eq!(ask(proxy.second_address, SILENCE_MS).await, answered);
    let record = proxy.finish().await;
    assert_eq!((record.attempts.len(), record.second_origin.len()), (1, 1));
    assert_eq!(&*record.second_origin[0].request.body.to_bytes(), b"{}");
    assert_eq!((&*record.unfired, record.trouble), (&[][..], None));
}

#[tokio::test]
async fn a_delay_delays() {
    let (proxy, _server) =
        started(&fault("{ body-byte = 2 }", "{ delay = { ms = 60 } }"), vec![plain()]).await;
    let before = Instant::now();
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let whole = format!("{HEAD}abcdef");
    let mut bytes = vec![0; whole.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), whole);
    assert!(Duration::from_millis(60) <= before.elapsed());
}

#[tokio::test]
async fn attempts_count_over_connections_and_on_kept_ones() {
    let replies = vec![plain(), script("HTTP/1.1 200 OK\n\nsecond\n")];
    let (proxy, server) = started("", replies).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    for expected in ["abcdef", "second"] {
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(format!("{HEAD}{expected}")));
    }
    assert_eq!(ask(proxy.address, SILENCE_MS).await, Seen::Silent(format!("{HEAD}second")));
    let record = proxy.finish().await;
    let places: Vec<_> = record.attempts.iter().map(|a| (a.number, a.connection)).collect();
    assert_eq!(places, [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(server.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    for attempt in &record.attempts {
        assert_eq!(&*attempt.request.body.to_bytes(), b"{}");
    }
}

#[tokio::test]
async fn a_chunked_request_is_read_and_passed_with_a_length() {
    let (proxy, server) = started("", vec![plain()]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(format!("{HEAD}abcdef")));
    let seen = server.seen();
    assert_eq!(&*seen[0].request.body.to_bytes(), b"{}");
    assert_eq!(seen[0].request.headers.get("content-length"), Some("2"));
}

#[tokio::test]
async fn what_is_not_the_clients_doing_is_trouble() {
    let proxy = start("", None).await.unwrap();
    assert_eq!(ask(proxy.address, END_MS_MAX).await, Seen::Closed(String::new()));
    let record = proxy.finish().await;
    assert_eq!(record.trouble.as_deref(), Some("cannot ask the upstream: there is none"));
}
