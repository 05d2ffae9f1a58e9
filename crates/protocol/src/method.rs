//! Which call has which name and which reply.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calls::*;
use crate::moves::*;
use crate::negotiation::*;
use crate::replies::*;
use crate::service::*;
use crate::state::GetStateReply;
use crate::timelines::*;

/// A method's parameters, tied to its name and to the type of its reply.
///
/// # Examples
///
/// ```
/// use wharf_protocol::{Method, Register};
///
/// assert_eq!(Register::NAME, "dev.wharf.Broker.Register");
/// ```
pub trait Method: Into<Call> {
    /// The method's full name on the wire.
    const NAME: &'static str;

    /// What a successful call answers.
    type Reply: DeserializeOwned;
}

macro_rules! methods {
    ($($interface:literal { $($name:ident -> $reply:ident),+ $(,)? })+) => {
        $($(
            impl Method for $name {
                const NAME: &'static str = concat!($interface, ".", stringify!($name));
                type Reply = $reply;
            }

            impl From<$name> for Call {
                fn from(parameters: $name) -> Self {
                    Self::$name(parameters)
                }
            }
        )+)+

        /// A call to the broker: one variant per method, holding the method's parameters.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Call {
            $($(
                #[doc = concat!("`", $interface, ".", stringify!($name), "`")]
                $name($name),
            )+)+
        }

        impl Call {
            /// Returns the method's full name on the wire.
            pub fn method(&self) -> &'static str {
                match self {
                    $($(Self::$name(_) => <$name as Method>::NAME,)+)+
                }
            }

            /// Reads the parameters, a JSON object, of the method called `name`; `None` if there is no such method.
            pub(crate) fn from_parts(name: &str, parameters: &str) -> Option<serde_json::Result<Self>> {
                match name {
                    $($(
                        <$name as Method>::NAME => Some(serde_json::from_str(parameters).map(Self::$name)),
                    )+)+
                    _ => None,
                }
            }
        }

        /// A successful answer of the broker: one variant per method, holding the method's reply.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Reply {
            $($(
                #[doc = concat!("Answers `", $interface, ".", stringify!($name), "`.")]
                $name($reply),
            )+)+
        }

        /// The full name of every method and, for the test that compares them with the interface
        /// descriptions, what its parameters and its reply look like.
        #[cfg(test)]
        pub(crate) const METHODS: &[(
            &str,
            &zlink::idl::Type<'static>,
            &zlink::idl::Type<'static>,
        )] = &[
            $($((
                <$name as Method>::NAME,
                <$name as zlink::introspect::Type>::TYPE,
                <$reply as zlink::introspect::Type>::TYPE,
            ),)+)+
        ];
    };
}

methods! {
    "dev.wharf.Broker" {
        Register -> RegisterReply,
        AllocateBuffers -> AllocateBuffersReply,
        FreeBuffers -> Done,
        CreateStream -> CreateStreamReply,
        IssueToken -> IssueTokenReply,
        ImportBuffers -> ImportBuffersReply,
        ReleaseImport -> Done,
        JoinStream -> JoinStreamReply,
        TakeChanges -> TakeChangesReply,
        LeaveStream -> Done,
        EndStream -> Done,
        MoveBuffers -> MoveBuffersReply,
        GetMove -> GetMoveReply,
        TakeGeneration -> TakeGenerationReply,
        ReadyGeneration -> Done,
        ReleaseGeneration -> Done,
        GetGeneration -> GetGenerationReply,
        CreateSet -> CreateSetReply,
        IssueSeat -> IssueSeatReply,
        TakeSeat -> TakeSeatReply,
        SealSet -> Done,
        AwaitBuffers -> AwaitBuffersReply,
        LeaveSeat -> Done,
        ExplainSet -> ExplainSetReply,
        CheckSet -> CheckSetReply,
        CreateTimeline -> CreateTimelineReply,
        ImportTimeline -> ImportTimelineReply,
        TakeImporters -> TakeImportersReply,
        ReleaseTimeline -> Done,
        DropTimeline -> Done,
        GetState -> GetStateReply,
        WatchStream -> WatchStreamReply,
    }
    "org.varlink.service" {
        GetInfo -> GetInfoReply,
        GetInterfaceDescription -> GetInterfaceDescriptionReply,
    }
}

impl Call {
    /// Returns how many file descriptors must come with this call: the shared page of `CreateStream`, `JoinStream`,
    /// `CreateTimeline` and `ImportTimeline`, none with any other.
    pub fn expected_fds(&self) -> usize {
        match self {
            Self::CreateStream(_)
            | Self::JoinStream(_)
            | Self::CreateTimeline(_)
            | Self::ImportTimeline(_) => 1,
            _ => 0,
        }
    }

    /// Tells whether this call does more than look: what it does can be noticed later, even by who never sees its reply.
    pub fn changes_something(&self) -> bool {
        !matches!(
            self,
            Self::TakeChanges(_)
                | Self::TakeImporters(_)
                | Self::GetMove(_)
                | Self::GetGeneration(_)
                | Self::ExplainSet(_)
                | Self::CheckSet(_)
                | Self::GetState(_)
                | Self::WatchStream(_)
                | Self::GetInfo(_)
                | Self::GetInterfaceDescription(_)
        )
    }

    /// Tells whether this call is refused before `Register`. The exceptions only look: `Register` itself,
    /// `GetState`, `WatchStream` and `org.varlink.service`.
    pub fn needs_registration(&self) -> bool {
        !matches!(
            self,
            Self::Register(_)
                | Self::GetState(_)
                | Self::WatchStream(_)
                | Self::GetInfo(_)
                | Self::GetInterfaceDescription(_)
        )
    }
}
