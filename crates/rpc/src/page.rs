//! Page sizes and page tokens (AIP-158). A token holds the key after which the next page begins, and a checksum of it
//! together with tenant, list and query.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use prost::Message;
use proto::common::ErrorReason as Reason;
use sha2::{Digest, Sha256};
use types::TenantId;

use crate::Error;

/// Items on a page when the caller does not say.
pub const DEFAULT_SIZE: i32 = 100;
/// Items on a page at most.
pub const MAX_SIZE: i32 = 1000;

/// Bytes of a page's items at most, unless it has but one.
const MAX_BYTES: usize = 3 << 20;

const CHECKSUM_BYTES: usize = 8;

/// One list call: how many, and after which key.
#[derive(Debug, Clone)]
pub struct Page {
    size: usize,
    after: Option<String>,
    /// Over tenant, list and query; a token's key follows.
    binding: Sha256,
}

impl Page {
    /// Reads `page_size` and `page_token`. `query` is all else that selects or orders, so that a token of another query
    /// is refused.
    pub fn read(
        tenant: &TenantId,
        list: &str,
        query: &[&str],
        page_size: i32,
        page_token: &str,
    ) -> Result<Self, Error> {
        let size = match page_size {
            0 => DEFAULT_SIZE,
            1..=MAX_SIZE => page_size,
            _ => return Err(Error::field("page_size", format!("must be 0 to {MAX_SIZE}"))),
        };
        let binding = bind(tenant, list, query);
        let after = if page_token.is_empty() { None } else { Some(open(page_token, &binding)?) };
        Ok(Self { size: usize::try_from(size).unwrap_or(1), after, binding })
    }

    /// The key after which the page begins, in the caller's own encoding; `None` for the first.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The same, parsed; a token whose content does not parse was not made by us.
    pub fn after_as<T: std::str::FromStr>(&self) -> Result<Option<T>, Error> {
        self.after.as_deref().map(|key| key.parse().map_err(|_| invalid())).transpose()
    }

    /// Rows to ask the database for: one more than fit, to see whether there is a next page.
    pub fn limit(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX - 1) + 1
    }

    /// Makes the page of what [`Page::limit`] brought, and the next token from the key of its last item. It is shorter than was
    /// asked for where it would be too large for clients that take the usual 4 MiB.
    pub fn cut<T, M: Message>(
        &self,
        items: Vec<T>,
        key: impl Fn(&T) -> String,
        mut wire: impl FnMut(T) -> M,
    ) -> (Vec<M>, String) {
        let (mut page, mut bytes, mut last) = (Vec::new(), 0, String::new());
        for item in items {
            let item_key = key(&item);
            let message = wire(item);
            bytes += message.encoded_len();
            if page.len() == self.size || (bytes > MAX_BYTES && !page.is_empty()) {
                return (page, self.token(&last));
            }
            page.push(message);
            last = item_key;
        }
        (page, String::new())
    }

    fn token(&self, key: &str) -> String {
        BASE64.encode([&checksum(&self.binding, key.as_bytes())[..], key.as_bytes()].concat())
    }
}

fn bind(tenant: &TenantId, list: &str, query: &[&str]) -> Sha256 {
    let mut hash = Sha256::new();
    for part in [tenant.as_str(), list].iter().chain(query) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash
}

fn checksum(binding: &Sha256, key: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = binding.clone().chain_update(key).finalize().into();
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    checksum
}

fn open(token: &str, binding: &Sha256) -> Result<String, Error> {
    let bytes = BASE64.decode(token).map_err(|_| invalid())?;
    let (sum, key) = bytes.split_first_chunk().ok_or_else(invalid)?;
    if *sum != checksum(binding, key) {
        return Err(invalid());
    }
    String::from_utf8(key.to_vec()).map_err(|_| invalid())
}

fn invalid() -> Error {
    let what = "is not a token of this list and query".to_owned();
    Error::fields(Reason::InvalidPageToken, vec![("page_token".to_owned(), what)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(tenant: &str, query: &str, token: &str) -> Result<Page, Error> {
        Page::read(&tenant.parse().unwrap(), "ListThings", &[query], 2, token)
    }

    fn cut<const N: usize>(page: &Page, items: [&str; N]) -> (Vec<String>, String) {
        page.cut(items.to_vec(), |item| (*item).to_owned(), str::to_owned)
    }

    #[test]
    fn a_page_that_would_be_too_large_is_shorter_but_never_empty() {
        let large = "x".repeat(MAX_BYTES);
        let page = page("t", "q", "").unwrap();
        let (items, token) = cut(&page, ["small", &large]);
        assert_eq!(items, ["small"]);
        assert_eq!(self::page("t", "q", &token).unwrap().after(), Some("small"));
        assert_eq!(cut(&page, [&large, "small"]).0.len(), 1);
        assert_eq!(cut(&page, [&large]), (vec![large.clone()], String::new()));
    }

    #[test]
    fn a_token_brings_back_the_last_key() {
        let (items, token) = cut(&page("t", "q", "").unwrap(), ["a", "b", "c"]);
        assert_eq!(items, ["a", "b"]);
        assert_eq!(page("t", "q", &token).unwrap().after(), Some("b"));
    }

    #[test]
    fn a_token_of_another_query_or_tenant_is_refused() {
        let (_, token) = cut(&page("t", "q", "").unwrap(), ["a", "b", "c"]);
        for (tenant, query) in [("t", "other"), ("u", "q")] {
            let error = page(tenant, query, &token).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidPageToken);
        }
        assert!(page("t", "q", "%%%").is_err());
    }

    #[test]
    fn a_token_that_is_damaged_anywhere_is_refused() {
        let (_, token) = cut(&page("t", "q", "").unwrap(), ["a", "b", "c"]);
        for at in 0..token.len() {
            let mut damaged = token.clone();
            let other = if damaged.as_bytes()[at] == b'A' { "B" } else { "A" };
            damaged.replace_range(at..=at, other);
            assert!(page("t", "q", &damaged).is_err(), "{damaged}");
            assert!(page("t", "q", &token[..at]).is_err() || at == 0, "{at}");
        }
    }

    #[test]
    fn the_last_page_has_no_token() {
        assert_eq!(cut(&page("t", "q", "").unwrap(), ["a", "b"]).1, "");
    }

    #[test]
    fn page_sizes_out_of_range_are_refused() {
        for size in [-1, 1001] {
            let error = Page::read(&"t".parse().unwrap(), "L", &[], size, "").unwrap_err();
            assert_eq!(error.first_field(), "page_size");
        }
    }
}
