//! Listening, and stopping.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use yuan_model::Model;

use super::guard::Guarded;
use super::router::{Front, router};
use crate::app::{App, Options, Say, Served};
use crate::engine::{Limits, work};
use crate::{Error, Result};

/// Connections at one time; more wait until one is closed.
const CONNECTIONS: usize = 1024;

/// Bytes of the head of a request.
const HEAD: usize = 64 << 10;

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens at an address; port 0 for any.
    ///
    /// # Errors
    /// If there is no such address or it is taken.
    pub fn bind(host: &str, port: u16) -> Result<Self> {
        let failed = |source| Error::Bind { address: format!("{host}:{port}"), source };
        let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(failed)?.collect();
        let listener = TcpListener::bind(addresses.as_slice()).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Answers until SIGTERM or SIGINT: then it takes no request any more, ends those that it has within the grace period, and
    /// returns; at a second signal at once. The calling thread runs the model. `say` gets a line for each request.
    ///
    /// # Errors
    /// An option that makes no sense; a thread, timer or signal that the system refuses.
    pub fn run(self, model: &Model, served: Served, options: Options, say: Say) -> Result<()> {
        options.check()?;
        let system = |action| move |source| Error::System { action, source };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).thread_name("http").enable_all();
        let runtime = runtime.build().map_err(system("start threads for connections"))?;
        let app = Arc::new(App::new(served, options, say));
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(system("listen"))?;
        let signals = Signals::new().map_err(system("wait for signals"))?;
        drop(entered);
        let serving = runtime.spawn(serve(listener, signals, app.clone()));
        let limits = Limits {
            texts: app.options.max_texts,
            cache_tokens: app.options.cache_tokens,
            batch_tokens: app.options.batch_tokens,
        };
        // Whatever ends the work ends what waits for it.
        let stop = StopOnDrop(&app);
        work(model.engine(), &app.queue, &*app.served.vocabulary, &app.served.never, limits, &app.metrics);
        drop(stop);
        let _ = runtime.block_on(async { timeout(Duration::from_secs(5), serving).await });
        runtime.shutdown_timeout(Duration::from_secs(1));
        Ok(())
    }
}

struct StopOnDrop<'a>(&'a App);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.queue.stop();
    }
}

/// Accepts connections until a signal, and ends what they asked for.
async fn serve(listener: tokio::net::TcpListener, mut signals: Signals, app: Arc<App>) {
    let front = Front { app: app.clone(), router: router(app.clone()) };
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = signals.next() => break,
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, slot)) => {
                let connection = connection(stream, front.clone(), stopping.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Out of files, most often: others end meanwhile.
            Err(error) => {
                (app.say)(&format!("warning: a connection cannot be accepted: {error}"));
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, stopping));
    let grace = app.options.grace;
    (app.say)(&format!("stopping: {} connections have {} seconds to end", connections.len(), grace.as_secs()));
    let _ = stop.send(());
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = sleep(grace) => {}
        () = signals.next() => {}
    }
    // Those that are left are told that the server stops, and have a moment to hear it.
    app.queue.stop();
    let _ = timeout(Duration::from_secs(2), async { while connections.join_next().await.is_some() {} }).await;
}

async fn accept(
    listener: &tokio::net::TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Tokens are to arrive when they are made.
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

async fn connection(stream: TcpStream, front: Front, mut stopping: watch::Receiver<()>) {
    let patience = front.app.options.client_timeout;
    let io = TokioIo::new(Guarded::new(stream, patience));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience).max_header_size(HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(io, front));
    tokio::select! {
        // A client that left is told of in the log of its request.
        _ = connection.as_mut() => return,
        _ = stopping.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// SIGTERM and SIGINT.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
