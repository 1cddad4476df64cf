//! One connection from a client, from its first byte to its end.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use chaos::End;
use chaos::scenario::{Door, Idle, Parting};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::Client;
use super::exchange::{Exchange, Exit};
use super::seen::{Origin, State};
use super::{Handshakes, Seal};
use crate::connection::Connection;
use crate::tls;

/// What a web server says in the clear to a client that speaks TLS.
const PLAINTEXT: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 39\r\n\
connection: close\r\n\r\nClient sent an HTTPS request over HTTP\n";

/// What a server says to a client that it is tired of waiting for.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

pub(super) async fn serve(state: Arc<State>, socket: TcpStream, number: u32, origin: Origin) {
    if origin == Origin::Second {
        return exchange(&state, Client::on(Connection::Plain(socket)), number, origin).await;
    }
    state.book().record.connections += 1;
    match (state.door(number), &state.seal) {
        (Some(Door::Plaintext), _) => answer_in_the_clear(&state, socket, number).await,
        (Some(Door::Refuse | Door::Reset), _) => drop(socket.set_zero_linger()),
        (Some(Door::Blackhole | Door::Silent), _) => pending().await,
        (None, None) => {
            exchange(&state, Client::on(Connection::Plain(socket)), number, origin).await;
        }
        (None, Some(seal)) => {
            if let Some(connection) = shake(&state, seal, socket, number).await {
                exchange(&state, Client::on(connection), number, origin).await;
            }
        }
    }
}

async fn shake(
    state: &State,
    (authority, peer): &Seal,
    socket: TcpStream,
    number: u32,
) -> Option<Connection> {
    state.book().n_shaking += 1;
    let shaken = tls::accept(authority, *peer, socket).await;
    if let Err(error) = &shaken {
        state.note(number, &format!("no handshake: {error}"));
    }
    let mut book = state.book();
    book.n_shaking -= 1;
    let Handshakes { completed, failed } = &mut book.record.handshakes;
    *(if shaken.is_ok() { completed } else { failed }) += 1;
    shaken.ok()
}

/// Whatever comes, the answer is the same. What is a request all the same is an attempt: it should not have
/// been sent in the clear.
async fn answer_in_the_clear(state: &State, socket: TcpStream, number: u32) {
    let origin = Origin::First;
    let mut client = Client::on(Connection::Plain(socket));
    let attempt = match client.head().await {
        Ok(None) => return,
        Ok(Some(head)) => Some(state.begin(&head, number, origin, false)),
        Err(error) => {
            state.note(number, &error.to_string());
            None
        }
    };
    let sent = client.connection.send(PLAINTEXT).await;
    if let Some(attempt) = attempt {
        if sent.is_ok() {
            state.sent(origin, attempt, PLAINTEXT);
        }
        state.end(origin, attempt, End::Closed);
    }
    client.linger().await;
}

/// Requests and replies, one after the other.
async fn exchange(state: &State, mut client: Client, connection: u32, origin: Origin) {
    let idle = state.connect.idle.filter(|_| origin == Origin::First);
    for on_connection in 1.. {
        if on_connection != 1
            && let Some(Idle { after_ms, then }) = idle
            && client.rests(after_ms).await
        {
            return part(client, then).await;
        }
        let head = match client.head().await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(error) => return unreadable(state, connection, &error),
        };
        let ahead = std::mem::take(&mut client.is_ahead);
        let number = state.begin(&head, connection, origin, ahead);
        let mut exchange =
            Exchange { state, client: &mut client, origin, connection, on_connection, number };
        let closes = head.announces_close();
        // Who announces that it will close waits for the end of the connection.
        let exit = match exchange.run(head).await {
            Exit::Keep if closes => Exit::Close,
            exit => exit,
        };
        state.end(origin, number, exit.end());
        if exit != Exit::Keep {
            return leave(client, exit).await;
        }
    }
}

fn unreadable(state: &State, connection: u32, error: &io::Error) {
    match error.kind() {
        // A client that drops an idle connection is within its rights.
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::NotConnected => {}
        ErrorKind::InvalidData | ErrorKind::TimedOut => state.note(connection, &error.to_string()),
        _ => state.trouble(format!("cannot read a request: {error}")),
    }
}

/// Ends a connection on which something was exchanged.
async fn leave(mut client: Client, exit: Exit) {
    match exit {
        Exit::Close if client.is_sending => client.linger().await,
        Exit::Close | Exit::Keep | Exit::Leave => drop(client.connection.shutdown().await),
        Exit::Cut => drop(client.connection.cut().await),
        Exit::HalfClose => client.drain().await,
        Exit::Reset => drop(client.connection.set_zero_linger()),
    }
}

/// Ends a connection that lay idle.
async fn part(mut client: Client, then: Parting) {
    match then {
        Parting::Close => drop(client.connection.shutdown().await),
        Parting::RequestTimeout => {
            let _ = client.connection.send(REQUEST_TIMEOUT).await;
            client.linger().await;
        }
        Parting::Reset => drop(client.connection.set_zero_linger()),
    }
}
