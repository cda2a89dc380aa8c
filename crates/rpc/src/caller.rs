//! Who calls, and for whom (M6). [`crate::layers`] puts the caller and the origin into each request before a handler runs.
//!
//! Without authentication, which is for loopback only, the tenant is the metadata `laurel-tenant`, else `test-default`;
//! services name themselves in `laurel-service`. With it, both come from the credential, and the metadata may only repeat
//! the tenant; a service may narrow itself to one tenant by it.

use std::sync::Arc;

use http::HeaderMap;
use types::{Origin, TenantId};

use crate::Error;

/// Metadata that names the tenant where there is no authentication.
pub const TENANT_METADATA: &str = "laurel-tenant";
/// Metadata by which a service of this deployment names itself where there is no authentication.
pub const SERVICE_METADATA: &str = "laurel-service";
/// The tenant of a caller who names none.
pub const DEFAULT_TENANT: &str = "test-default";
/// Who calls where nobody has to say.
const ANONYMOUS: &str = "anonymous";

/// The identity behind a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    principal: Arc<str>,
    acts_for: Option<TenantId>,
}

impl Caller {
    /// Acts for one tenant.
    pub fn for_tenant(principal: &str, tenant: TenantId) -> Self {
        Self { principal: principal.into(), acts_for: Some(tenant) }
    }

    /// A service of this deployment; acts for several tenants, each item naming its own.
    pub fn service(name: &str) -> Self {
        Self { principal: format!("service:{name}").into(), acts_for: None }
    }

    /// Nobody in particular: for what needs no identity.
    pub(crate) fn anonymous() -> Self {
        Self { principal: ANONYMOUS.into(), acts_for: None }
    }

    /// Believes what a request's metadata says: for calls within the process, and where there is no authentication.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let named = named_tenant(headers)?;
        if let Some(service) = headers.get(SERVICE_METADATA) {
            return Ok(Self::service(service.to_str().unwrap_or_default()).narrowed(named));
        }
        let tenant = named.map_or_else(|| fields_error(DEFAULT_TENANT.parse()), Ok)?;
        Ok(Self::for_tenant(ANONYMOUS, tenant))
    }

    /// A service that acts for one tenant only, if one is named.
    #[must_use]
    pub fn narrowed(self, tenant: Option<TenantId>) -> Self {
        Self { acts_for: self.acts_for.or(tenant), ..self }
    }

    /// The caller of `request`. Every request that came through [`crate::layers`] has one.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Error> {
        request.extensions().get::<Self>().cloned().ok_or_else(Error::internal)
    }

    /// Who it is, for the audit.
    pub fn principal(&self) -> &Arc<str> {
        &self.principal
    }

    /// The tenant it acts for; none for a service, which acts for all.
    pub fn acts_for(&self) -> Option<&TenantId> {
        self.acts_for.as_ref()
    }

    /// Whether it is a service of this deployment.
    pub fn is_service(&self) -> bool {
        self.principal.starts_with("service:")
    }

    /// The tenant that a call is for; services must say.
    pub fn tenant(&self) -> Result<&TenantId, Error> {
        let missing = || Error::field(TENANT_METADATA, "is required from a service for this call");
        self.acts_for().ok_or_else(missing)
    }

    /// The tenant of one item of a call: services name it in the item, tenants must not name another.
    pub fn item_tenant(&self, named: &str, path: &str) -> Result<TenantId, Error> {
        match self.acts_for() {
            Some(tenant) if named.is_empty() || named == tenant.as_str() => Ok(tenant.clone()),
            Some(_) => Err(Error::field(path, "is not the tenant of the credential")),
            None => named.parse().map_err(|e: types::IdError| Error::field(path, e)),
        }
    }
}

/// The tenant that a request is for.
pub fn tenant<T>(request: &tonic::Request<T>) -> Result<TenantId, Error> {
    Caller::of(request)?.tenant().cloned()
}

/// Where the command of `request` comes from.
pub fn origin<T>(request: &tonic::Request<T>) -> Result<Origin, Error> {
    request.extensions().get::<Origin>().cloned().ok_or_else(Error::internal)
}

/// The tenant that metadata names, if it names one.
pub(crate) fn named_tenant(headers: &HeaderMap) -> Result<Option<TenantId>, Error> {
    // a proxy may have added its own to the caller's: whichever were taken would be a guess
    if headers.get_all(TENANT_METADATA).iter().nth(1).is_some() {
        return Err(Error::field(TENANT_METADATA, "is given more than once"));
    }
    let Some(value) = headers.get(TENANT_METADATA) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::field(TENANT_METADATA, "is not plain text"))?;
    fields_error(text.parse()).map(Some)
}

fn fields_error(parsed: Result<TenantId, types::IdError>) -> Result<TenantId, Error> {
    parsed.map_err(|e| Error::field(TENANT_METADATA, e))
}
