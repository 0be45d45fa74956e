//! A TLS connection to a server whose name is verified.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::trust::Trust;
use crate::base::authority::Host;
use crate::net::socket::{Idle, look};

/// What connections to servers have in common. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The server is not who it should be: another name, an issuer that is not trusted, or out of date.
    Untrusted,
    /// The server speaks no TLS that we speak, or broke off.
    Handshake,
}

impl TlsClient {
    /// Connections to servers that `trust` vouches for: TLS 1.2 and 1.3. Reads the certificates of the machine where those
    /// count.
    ///
    /// # Errors
    /// When the library has no protocol version that its own cryptography can do.
    pub fn trusting(trust: &Trust) -> io::Result<Self> {
        // Named, and not the default of the process: with two in one program the library cannot choose.
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let config = builder.with_root_certificates(trust.roots()).with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    /// Shakes hands on `stream` with a server that must prove to be `host`, which it is told (SNI) where it is a name.
    ///
    /// # Errors
    /// [`TlsFault`]; the connection is closed.
    pub async fn connect(&self, host: &Host, stream: TcpStream) -> Result<TlsStream, TlsFault> {
        let name = match host {
            Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
            Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_| TlsFault::Untrusted)?,
        };
        let shaken = TlsConnector::from(self.config.clone()).connect(name, stream).await;
        shaken.map(|stream| TlsStream(Box::new(stream))).map_err(|error| fault(&error))
    }
}

fn fault(error: &io::Error) -> TlsFault {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => TlsFault::Untrusted,
        _ => TlsFault::Handshake,
    }
}

/// A connection under TLS. Dropping it closes the socket without a word.
#[derive(Debug)]
pub struct TlsStream(Box<tokio_rustls::client::TlsStream<TcpStream>>);

impl TlsStream {
    /// Receives into `buffer`; 0 is the peer's end of stream.
    ///
    /// # Errors
    /// What the kernel or the library says; also an end that the peer did not announce.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *self.0).poll_read(cx, &mut room))?;
        Poll::Ready(Ok(room.filled().len()))
    }

    /// Takes bytes to be sent; they have gone only after [`TlsStream::poll_flush`].
    ///
    /// # Errors
    /// What the kernel or the library says.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    /// Sends what was taken and has not gone.
    ///
    /// # Errors
    /// What the kernel or the library says.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    /// Looks at it while it is idle. What the peer says to the library, and not to us, is taken out of the way: a ticket
    /// for another connection is no sign of life.
    pub fn look(&mut self) -> Idle {
        if let seen @ (Idle::Fin | Idle::Reset) = look(self.socket()) {
            return seen;
        }
        match self.poll_recv(&mut Context::from_waker(Waker::noop()), &mut [0]) {
            Poll::Pending => Idle::Quiet,
            Poll::Ready(Ok(0)) => Idle::Fin,
            Poll::Ready(Ok(_)) => Idle::Spoken,
            Poll::Ready(Err(_)) => Idle::Reset,
        }
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        self.0.get_ref().0
    }
}
