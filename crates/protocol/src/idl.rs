//! The interface descriptions: what the broker's methods demand, do and answer, for people and for programs.

/// The name of the broker's interface.
pub const INTERFACE: &str = "dev.wharf.Broker";

/// The name of the interface every Varlink service has.
pub const SERVICE_INTERFACE: &str = "org.varlink.service";

/// The description of `dev.wharf.Broker`, in Varlink's interface definition language. This text is the reference
/// for each method's request, preconditions, reply and errors.
pub const INTERFACE_DESCRIPTION: &str = include_str!("../dev.wharf.Broker.varlink");

/// The description of `org.varlink.service`.
pub const SERVICE_DESCRIPTION: &str = include_str!("../org.varlink.service.varlink");

/// Returns the description of the interface called `name`; `None` if the broker does not speak it.
///
/// # Examples
///
/// ```
/// let description = wharf_protocol::interface_description("dev.wharf.Broker").unwrap();
/// assert!(description.contains("interface dev.wharf.Broker"));
/// ```
pub fn interface_description(name: &str) -> Option<&'static str> {
    match name {
        INTERFACE => Some(INTERFACE_DESCRIPTION),
        SERVICE_INTERFACE => Some(SERVICE_DESCRIPTION),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
