//! Who calls (M6). Without authentication, which is for loopback only, the tenant is the metadata `laurel-tenant`, else
//! `test-default`; services name themselves in `laurel-service` and act for all tenants.

use types::TenantId;

use crate::Error;

/// Metadata that names the tenant where there is no authentication.
pub const TENANT_METADATA: &str = "laurel-tenant";
/// Metadata by which a service of this deployment names itself where there is no authentication.
pub const SERVICE_METADATA: &str = "laurel-service";
/// The tenant of a caller who names none.
pub const DEFAULT_TENANT: &str = "test-default";

/// The identity behind a call; put into its extensions before any handler runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Acts for one tenant.
    Tenant(TenantId),
    /// A service of this deployment; acts for several tenants, each item naming its own.
    Service,
}

impl Caller {
    /// Reads the identity from a request's metadata.
    pub fn from_headers(headers: &http::HeaderMap) -> Result<Self, Error> {
        if headers.contains_key(SERVICE_METADATA) {
            return Ok(Self::Service);
        }
        // a proxy may have added its own to the caller's: whichever were taken would be a guess
        if headers.get_all(TENANT_METADATA).iter().nth(1).is_some() {
            return Err(Error::field(TENANT_METADATA, "is given more than once"));
        }
        let text = match headers.get(TENANT_METADATA) {
            Some(value) => value.to_str().map_err(|_| Error::field(TENANT_METADATA, "is not plain text"))?,
            None => DEFAULT_TENANT,
        };
        text.parse().map(Self::Tenant).map_err(|e: types::IdError| Error::field(TENANT_METADATA, e))
    }

    /// The caller of `request`. Every request that came through [`crate::layers`] has one.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Error> {
        request.extensions().get::<Self>().cloned().ok_or_else(Error::internal)
    }

    /// The tenant that a call is for; services must say.
    pub fn tenant(&self) -> Result<&TenantId, Error> {
        match self {
            Self::Tenant(tenant) => Ok(tenant),
            Self::Service => Err(Error::field(TENANT_METADATA, "is required from a service for this call")),
        }
    }

    /// The tenant of one item of a call: services name it in the item, tenants must not name another.
    pub fn item_tenant(&self, named: &str, path: &str) -> Result<TenantId, Error> {
        match self {
            Self::Tenant(tenant) if named.is_empty() || named == tenant.as_str() => Ok(tenant.clone()),
            Self::Tenant(_) => Err(Error::field(path, "is not the tenant of the credential")),
            Self::Service => named.parse().map_err(|e: types::IdError| Error::field(path, e)),
        }
    }
}

/// The tenant that a request is for.
pub fn tenant<T>(request: &tonic::Request<T>) -> Result<TenantId, Error> {
    Caller::of(request)?.tenant().cloned()
}
