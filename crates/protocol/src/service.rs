//! The interface every Varlink service has, `org.varlink.service`: it says who the service is and what it speaks.

use serde::{Deserialize, Serialize};

/// Asks who the service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetInfo {}

/// Who the service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetInfoReply {
    /// Who makes it.
    pub vendor: String,
    /// What it is called.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Where to read about it.
    pub url: String,
    /// The interfaces it answers.
    pub interfaces: Vec<String>,
}

/// Asks for the description of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetInterfaceDescription {
    /// The interface's name.
    pub interface: String,
}

/// The description of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetInterfaceDescriptionReply {
    /// The description, in Varlink's interface definition language.
    pub description: String,
}
