//! The bearer token of calls that go out, and the file it may come from.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::sync::Mutex;

use super::Error;

/// A token file is not tried again so soon, whether it could be read or not.
const FRESH: Duration = Duration::from_secs(10);

/// Where a bearer token comes from. Its `Debug` does not show the token.
#[derive(Clone, Default)]
pub enum Token {
    /// There is none.
    #[default]
    None,
    /// It is this.
    Fixed(HeaderValue),
    /// It is in a file, which is replaced before the token expires.
    File(TokenFile),
}

/// A file with a token; what was read is kept for a while. Cheap to clone.
#[derive(Clone)]
pub struct TokenFile {
    path: Arc<str>,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    header: HeaderValue,
    /// When to read again.
    due: Instant,
}

impl Token {
    /// The token itself.
    pub fn fixed(token: &str) -> Result<Self, Error> {
        Ok(Self::Fixed(bearer(token)?))
    }

    /// The token in the file at `path`, which must be there.
    pub fn file(path: &str) -> Result<Self, Error> {
        let header = parse(path, std::fs::read_to_string(path))?;
        let kept = Kept { header, due: Instant::now() + FRESH };
        Ok(Self::File(TokenFile { path: path.into(), kept: Arc::new(Mutex::new(kept)) }))
    }

    pub(super) async fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Fixed(header) => Some(header.clone()),
            Self::File(file) => Some(file.header().await),
        }
    }
}

impl TokenFile {
    /// A file that cannot be read for the moment leaves the last token in use.
    async fn header(&self) -> HeaderValue {
        // others wait for the one who reads: what is kept may be from long ago, and have expired
        let mut kept = self.kept.lock().await;
        if kept.due <= Instant::now() {
            kept.due = Instant::now() + FRESH;
            match parse(&self.path, tokio::fs::read_to_string(&*self.path).await) {
                Ok(header) => kept.header = header,
                Err(error) => tracing::warn!(%error, "keep the old token"),
            }
        }
        kept.header.clone()
    }
}

fn parse(path: &str, text: std::io::Result<String>) -> Result<HeaderValue, Error> {
    bearer(&text.map_err(|error| Error::TokenFile(path.to_owned(), error))?)
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut header = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| Error::Token)?;
    // keeps it out of logs and out of header compression
    header.set_sensitive(true);
    Ok(header)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Fixed(_) => f.write_str("Fixed(..)"),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
        }
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token file, and a way to let its time pass.
    struct Fixture {
        directory: tempfile::TempDir,
        token: Token,
    }

    impl Fixture {
        fn new(token: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("token");
            std::fs::write(&path, token).unwrap();
            Self { token: Token::file(path.to_str().unwrap()).unwrap(), directory }
        }

        fn replace(&self, token: &str) {
            std::fs::write(self.directory.path().join("token"), token).unwrap();
        }

        fn remove(&self) {
            std::fs::remove_file(self.directory.path().join("token")).unwrap();
        }

        async fn wait_until_due(&self) {
            let Token::File(file) = &self.token else { panic!("not a file") };
            file.kept.lock().await.due = Instant::now();
        }

        async fn header(&self) -> String {
            self.token.header().await.unwrap().to_str().unwrap().to_owned()
        }
    }

    #[tokio::test]
    async fn a_token_file_is_read_again_after_a_while_and_not_before() {
        let file = Fixture::new("first\n");
        assert_eq!(file.header().await, "Bearer first");
        file.replace("second");
        assert_eq!(file.header().await, "Bearer first");
        file.wait_until_due().await;
        assert_eq!(file.header().await, "Bearer second");
    }

    #[tokio::test]
    async fn a_token_file_that_cannot_be_read_leaves_the_old_token_and_is_not_tried_with_every_call() {
        let file = Fixture::new("first");
        file.remove();
        file.wait_until_due().await;
        assert_eq!(file.header().await, "Bearer first");
        file.replace("second");
        assert_eq!(file.header().await, "Bearer first", "it was tried just now");
        file.wait_until_due().await;
        assert_eq!(file.header().await, "Bearer second");
    }
}
