//! A balancer in front of replicas: one address for several, as a service address of a cluster is.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes new connections on to one address at a time, and leaves those that are open where they are.
pub struct Forwarder {
    address: String,
    turns: Arc<Mutex<Turns>>,
    accepting: JoinHandle<()>,
}

struct Turns {
    target: String,
    connected: Vec<String>,
}

impl Forwarder {
    /// Listens on any port, for `target`, such as `127.0.0.1:7602`.
    pub async fn to(target: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let turns = Arc::new(Mutex::new(Turns { target: target.to_owned(), connected: Vec::new() }));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&turns)));
        Ok(Self { address, turns, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Passes connections made from now on to `target`.
    pub fn turn_to(&self, target: &str) {
        target.clone_into(&mut self.turns.lock().unwrap_or_else(PoisonError::into_inner).target);
    }

    /// To whom connections were passed on, in turn.
    pub fn turns(&self) -> Vec<String> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner).connected.clone();
        turns.dedup();
        turns
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, turns: Arc<Mutex<Turns>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let turns = Arc::clone(&turns);
        tokio::spawn(async move {
            let target = turns.lock().unwrap_or_else(PoisonError::into_inner).target.clone();
            // who is not there is not reached, as without us
            let mut server = TcpStream::connect(&target).await?;
            turns.lock().unwrap_or_else(PoisonError::into_inner).connected.push(target);
            copy_bidirectional(&mut client, &mut server).await
        });
    }
}
