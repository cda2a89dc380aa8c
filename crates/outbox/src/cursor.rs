//! Opaque cursors. A cursor is (epoch, position, scope): whoever resumes at one misses nothing and repeats nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use proto::common::ErrorReason as Reason;
use rpc::Error;
use tonic::Code;
use types::TenantId;

/// Whose events a watch delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's.
    Tenant(TenantId),
    /// Everybody's; for the services of this deployment.
    All,
}

impl Scope {
    /// What `caller` may read.
    pub fn of(caller: &rpc::Caller) -> Self {
        caller.acts_for().map_or(Self::All, |tenant| Self::Tenant(tenant.clone()))
    }
}

/// A place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Identity of the stream; another one means it was restored from a backup.
    pub epoch: i64,
    /// Everything up to and including this position is behind the reader.
    pub position: i64,
}

const BYTES: usize = 24;

impl Cursor {
    /// As clients see it, bound to stream and scope.
    pub fn encode(self, stream: &str, scope: &Scope) -> String {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..].copy_from_slice(&binding(stream, scope));
        BASE64.encode(bytes)
    }

    /// Reads what a client sent; refuses cursors of another stream or scope (INVALID_CURSOR).
    pub fn decode(text: &str, stream: &str, scope: &Scope) -> Result<Self, Error> {
        let invalid = || {
            let what = "is not a cursor of this stream and tenant".to_owned();
            Error::fields(Reason::InvalidCursor, vec![("cursor".to_owned(), what)])
        };
        let bytes = BASE64.decode(text).map_err(|_| invalid())?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| invalid())?;
        if bytes[16..] != binding(stream, scope) {
            return Err(invalid());
        }
        Ok(Self { epoch: number(&bytes[..8]), position: number(&bytes[8..16]) })
    }

    /// Refuses cursors that this stream cannot have given out (CURSOR_OUT_OF_RANGE).
    pub(crate) fn check(self, epoch: i64, head: i64) -> Result<(), Error> {
        if self.epoch == epoch && (0..=head).contains(&self.position) {
            return Ok(());
        }
        let message =
            "the cursor is of another epoch of this stream, or beyond its end; read from the beginning";
        Err(Error::new(Code::OutOfRange, Reason::CursorOutOfRange, message))
    }
}

fn number(bytes: &[u8]) -> i64 {
    bytes.iter().rev().fold(0, |n, b| (n << 8) | i64::from(*b))
}

/// FNV-1a: guards against mix-ups, not against forgery, which would gain nothing: the scope comes from the credential.
fn binding(stream: &str, scope: &Scope) -> [u8; 8] {
    let tenant = match scope {
        Scope::Tenant(tenant) => tenant.as_str(),
        Scope::All => "*",
    };
    let bytes = stream.bytes().chain([0]).chain(tenant.bytes());
    bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
        .to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> Scope {
        Scope::Tenant(id.parse().unwrap())
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        for cursor in [Cursor { epoch: -5, position: 0 }, Cursor { epoch: i64::MAX, position: 1 << 40 }] {
            assert_eq!(
                Cursor::decode(&cursor.encode("orders", &tenant("a")), "orders", &tenant("a")),
                Ok(cursor)
            );
        }
    }

    #[test]
    fn a_cursor_is_refused_where_it_does_not_belong() {
        let text = Cursor { epoch: 1, position: 2 }.encode("orders", &tenant("a"));
        for (stream, scope) in [("orders", tenant("b")), ("rewards", tenant("a")), ("orders", Scope::All)] {
            let error = Cursor::decode(&text, stream, &scope).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidCursor);
        }
        assert!(Cursor::decode("nonsense", "orders", &tenant("a")).is_err());
    }

    #[test]
    fn a_cursor_of_another_epoch_or_beyond_the_head_is_out_of_range() {
        assert!(Cursor { epoch: 1, position: 5 }.check(1, 5).is_ok());
        for cursor in [Cursor { epoch: 2, position: 5 }, Cursor { epoch: 1, position: 6 }] {
            assert_eq!(cursor.check(1, 5).unwrap_err().reason(), Reason::CursorOutOfRange);
        }
    }
}
