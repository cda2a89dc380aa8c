//! What the contracts declare of each method.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

/// The option that names a method's scope.
const REQUIRED_SCOPE: &str = "laurel.common.v1.required_scope";

/// The contracts are not what they must be; a test holds them to it.
#[derive(Debug, thiserror::Error)]
pub enum MethodsError {
    /// The descriptors cannot be read.
    #[error("the contracts cannot be read: {0}")]
    Unreadable(#[from] prost_reflect::DescriptorError),
    /// A method anyone could call.
    #[error("{0} declares no required_scope")]
    NoScope(String),
}

/// A method of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    scope: String,
    streams: bool,
}

impl Method {
    /// The scope that a credential must have.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Whether its messages go on, in either direction.
    pub fn streams(&self) -> bool {
        self.streams
    }
}

/// All methods by path, such as `/laurel.orders.v1.OrderService/RecordOrder`.
#[derive(Debug)]
pub struct Methods(HashMap<String, Method>);

impl Methods {
    /// Reads them from the descriptors.
    pub fn load() -> Result<Self, MethodsError> {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS)?;
        let option = pool.get_extension_by_name(REQUIRED_SCOPE);
        let scope = |method: &MethodDescriptor| {
            let options = method.options();
            let scope = options.get_extension(option.as_ref()?);
            match scope.as_ref() {
                Value::String(scope) if !scope.is_empty() => Some(scope.clone()),
                _ => None,
            }
        };
        let mut methods = HashMap::new();
        for service in pool.services().filter(|service| service.package_name().starts_with("laurel.")) {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let scope = scope(&method).ok_or_else(|| MethodsError::NoScope(path.clone()))?;
                let streams = method.is_client_streaming() || method.is_server_streaming();
                methods.insert(path, Method { scope, streams });
            }
        }
        Ok(Self(methods))
    }

    /// The method at `path`, if it is ours.
    pub fn get(&self, path: &str) -> Option<&Method> {
        self.0.get(path)
    }

    /// All paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
