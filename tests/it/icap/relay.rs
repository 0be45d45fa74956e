//! In front of a scripted server: a relay that takes TLS, or a socket of this machine, and passes everything on in plain.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// The authority that vouches for the server.
pub const AUTHORITY: &[u8] = include_bytes!("tls/ca.pem");
/// For `localhost` and nobody else.
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// A relay; dropping it cuts everything.
pub struct Relay {
    _runtime: Runtime,
    port: u16,
    names: Arc<Mutex<Vec<Option<String>>>>,
}

impl Relay {
    /// Takes TLS at a port of its own.
    pub fn tls(server: SocketAddr) -> Relay {
        let (runtime, names) = (runtime(), Arc::<Mutex<Vec<_>>>::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("bind");
        let (port, told) = (listener.local_addr().expect("address").port(), names.clone());
        let acceptor = TlsAcceptor::from(config());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, told) = (acceptor.clone(), told.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    told.lock().expect("names").push(stream.get_ref().1.server_name().map(str::to_owned));
                    pass_on(stream, server).await;
                });
            }
        });
        Relay { _runtime: runtime, port, names }
    }

    /// Takes a socket of this machine at `path`.
    pub fn unix(path: &Path, server: SocketAddr) -> Relay {
        let runtime = runtime();
        let listener = runtime.block_on(async { UnixListener::bind(path) }).expect("bind");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, server));
            }
        });
        Relay { _runtime: runtime, port: 0, names: Arc::default() }
    }

    /// The port of loopback that takes TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name that each client asked for, in the order of their handshakes.
    pub fn names(&self) -> Vec<Option<String>> {
        self.names.lock().expect("names").clone()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

fn config() -> Arc<ServerConfig> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(CERTIFICATE).collect();
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    Arc::new(builder.with_single_cert(certificates.expect("a certificate"), key).expect("a pair"))
}

async fn pass_on(mut client: impl AsyncRead + AsyncWrite + Unpin, server: SocketAddr) {
    let mut server = TcpStream::connect(server).await.expect("the server");
    // However it ends, both sides are closed.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
