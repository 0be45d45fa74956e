//! The admin thread: its runtime, its server and its end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::health;
use super::listener::{BoundedListener, Peer};
use super::routes::{self, Site};
use super::view::AdminView;

/// How long answers under way may take once the server is told to stop.
const GRACE: Duration = Duration::from_millis(500);

/// How long a stop waits for the thread.
const JOIN_LIMIT: Duration = Duration::from_secs(1);

/// A running admin port. Stops when dropped, for which the drop blocks up to one second.
#[derive(Debug)]
pub struct AdminServer {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
}

/// Serves `view` on `listener`, on a thread of its own.
///
/// # Errors
/// The listener is not usable, or the runtime or the thread cannot be made.
pub fn start(listener: TcpListener, view: AdminView) -> io::Result<AdminServer> {
    let addr = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _entered = runtime.enter();
        BoundedListener::new(tokio::net::TcpListener::from_std(listener)?)
    };
    let (stop, stopped) = oneshot::channel();
    let (alive, ended) = mpsc::channel::<()>();
    let serving = move || {
        runtime.block_on(serve(listener, Arc::new(Site::new(view, addr)), stopped));
        // The runtime goes before `alive`, and with it every connection and our hold on the view.
        drop(runtime);
        drop(alive);
    };
    std::thread::Builder::new().name("tether-admin".into()).spawn(serving)?;
    Ok(AdminServer { addr, stop: Some(stop), ended })
}

impl AdminServer {
    /// Stops the server: no new connections, half a second for answers under way, then the end. Returns when the
    /// thread has ended, after one second at the latest.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
            let _ = self.ended.recv_timeout(JOIN_LIMIT);
        }
    }
}

async fn serve(listener: BoundedListener, site: Arc<Site>, stopped: oneshot::Receiver<()>) {
    let (drain, drained) = oneshot::channel::<()>();
    let router = routes::router(site.clone()).into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = drained.await;
    });
    let end = async {
        let _ = stopped.await;
        let _ = drain.send(());
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        _ = server => {}
        () = end => {}
        never = health::watch(&site) => match never {},
    }
}
