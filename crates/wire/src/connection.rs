//! A connection from a client, plain or under TLS, and the ways in which it ends.
//!
//! Under TLS a connection can end in one way more: with a FIN that no `close_notify` announces, which a client
//! must not take for the end of a body. To see a client leave, its records have to be taken in, since a close
//! is sealed like everything else; so the look is `&mut` where a peek at a plain socket would not need it.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// The server's end of a connection. Shutting it down is the orderly end: under TLS a `close_notify`, then a FIN.
pub enum Connection {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Connection {
    /// Writes all of it and returns once the kernel has it. A bare `write_all` may leave sealed records behind
    /// in the session when the client reads slowly, and nobody sends them while we stall.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// Returns when the client has closed or reset its side; one that closes only its sending half counts as
    /// gone, since no HTTP client of note does. Bytes that it sends ahead are left to be read, and hide a close
    /// behind them. Dropping this unfinished loses nothing.
    pub async fn peer_left(&mut self) {
        match self {
            Self::Plain(stream) => match stream.peek(&mut [0]).await {
                Ok(0) | Err(_) => {}
                Ok(_) => pending().await,
            },
            #[cfg(feature = "tls")]
            Self::Tls(stream) => sealed::peer_left(stream).await,
        }
    }

    /// Ends the connection with a RST once it is dropped.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.set_zero_linger(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().0.set_zero_linger(),
        }
    }

    /// Sends a FIN and nothing before it: under TLS the end that might be an attacker's.
    pub async fn cut(&mut self) -> io::Result<()> {
        self.flush().await?;
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_mut().0.shutdown().await,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer).map(sealed::end),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// What differs where every byte is sealed.
#[cfg(feature = "tls")]
mod sealed {
    use std::future::pending;
    use std::io::{self, ErrorKind, Read};

    use tokio::net::TcpStream;
    use tokio_rustls::server::TlsStream;

    /// Takes in records until one says that the client is gone, or holds bytes for whoever reads next: reading
    /// on past those would fill memory.
    pub(super) async fn peer_left(stream: &mut TlsStream<TcpStream>) {
        let (socket, session) = stream.get_mut();
        loop {
            match session.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() != 0 => return pending().await,
                Ok(state) if state.peer_has_closed() => return,
                Ok(_) => {}
                // Whatever that was, nothing more can be said to this client.
                Err(_) => return,
            }
            if socket.readable().await.is_err() {
                return;
            }
            match session.read_tls(&mut Arrived(socket)) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Many clients leave with a bare FIN, which is their right: the framing says whether a request was whole.
    pub(super) fn end(read: io::Result<()>) -> io::Result<()> {
        read.or_else(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Ok(()),
            _ => Err(error),
        })
    }

    /// What has arrived at a socket, without waiting for more.
    struct Arrived<'a>(&'a TcpStream);

    impl Read for Arrived<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.try_read(buffer)
        }
    }
}
