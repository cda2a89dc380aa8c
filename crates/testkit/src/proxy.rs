//! A Postgres connection that can be cut between COMMIT and its answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Passes connections on to a real Postgres socket. When armed, it lets the next COMMIT through to the server, waits
/// for its answer, and cuts the connection instead of handing the answer on.
#[derive(Debug)]
pub struct Proxy {
    directory: tempfile::TempDir,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens in a socket directory of its own, for the server behind `socket_dir`.
    pub fn start(socket_dir: &Path) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432"))?;
        let target = socket_dir.join(".s.PGSQL.5432");
        let armed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target.clone(), Arc::clone(&flag)));
            }
        });
        Ok(Self { directory, armed })
    }

    /// Socket directory to connect to.
    pub fn socket_dir(&self) -> &Path {
        self.directory.path()
    }

    /// The next COMMIT succeeds, and its answer is lost.
    pub fn cut_next_commit(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether a connection was cut since it was armed.
    pub fn has_cut(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

async fn pass(mut client: UnixStream, target: PathBuf, armed: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut server = UnixStream::connect(target).await?;
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut committing = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let n = read?;
                if n == 0 {
                    return Ok(());
                }
                let message = &up[..n];
                if message.windows(6).any(|w| w == b"COMMIT") && armed.swap(false, Ordering::SeqCst) {
                    committing = true;
                }
                server.write_all(message).await?;
            }
            read = server.read(&mut down) => {
                let n = read?;
                if n == 0 || committing {
                    return Ok(());
                }
                client.write_all(&down[..n]).await?;
            }
        }
    }
}
