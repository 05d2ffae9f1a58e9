//! The suites of the contract against `wharf-core`, with devices, caches and exporters of a soft machine.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod core_buffers;

use wharf_conformance::contract::{Kind, MismatchPolicy};
use wharf_core::{Coherency, SecondRange};

use core_buffers::Core;

/// Static exporters, with the mapping at attach.
fn fixed() -> Core {
    Core::new(Kind::Static, MismatchPolicy::MapAtAttach)
}

/// Dynamic exporters, with the mapping at attach.
fn dynamic() -> Core {
    Core::new(Kind::Dynamic, MismatchPolicy::MapAtAttach)
}

/// Dynamic exporters, pinned around each mapping.
fn dynamic_late() -> Core {
    Core::new(Kind::Dynamic, MismatchPolicy::PinOnMap)
}

/// Static exporters, mapped for dynamic importers each time.
fn fixed_late() -> Core {
    Core::new(Kind::Static, MismatchPolicy::PinOnMap)
}

mod buffer {
    wharf_conformance::contract_buffer_cases!(super::fixed());
}

mod cpu {
    wharf_conformance::contract_cpu_cases!(super::fixed());
}

mod vmap {
    wharf_conformance::contract_vmap_cases!(super::fixed());
}

mod fenced {
    wharf_conformance::contract_fenced_cases!(super::fixed());
}

mod shared_fences {
    wharf_conformance::contract_shared_fences_cases!(super::fixed());
}

mod coherency {
    wharf_conformance::contract_coherency_cases!(super::fixed());
}

mod pairing {
    wharf_conformance::contract_pairing_cases!(super::fixed());
}

/// The suites whose answers may depend on the exporter's kind and the rule for mismatched sides, for one pair of them.
macro_rules! for_exporters {
    ($($module:ident),+ $(,)?) => {
        $(
            mod $module {
                mod lifetime {
                    wharf_conformance::contract_lifetime_cases!(crate::$module());
                }

                mod device {
                    wharf_conformance::contract_device_cases!(crate::$module());
                }

                mod hostile {
                    wharf_conformance::contract_hostile_cases!(crate::$module());
                }

                mod locking {
                    wharf_conformance::contract_locking_cases!(crate::$module());
                }

                mod tracked {
                    use wharf_core::{Coherency, SecondRange};

                    wharf_conformance::contract_tracked_cases!(
                        crate::$module().declaring(Coherency::FaultTracked, SecondRange::SameAsFirst)
                    );
                }
            }
        )+
    };
}

for_exporters!(fixed, fixed_late, dynamic, dynamic_late);

/// The suites for exporters that map a static importer anew each time.
macro_rules! for_late_maps {
    ($($module:ident => $sut:ident),+ $(,)?) => {
        $(
            mod $module {
                mod deferred {
                    wharf_conformance::contract_deferred_cases!(crate::$sut());
                }

                mod fenced_device {
                    wharf_conformance::contract_fenced_device_cases!(crate::$sut());
                }
            }
        )+
    };
}

for_late_maps!(maps_fixed => fixed, maps_fixed_late => fixed_late, maps_dynamic_late => dynamic_late);

mod moves {
    wharf_conformance::contract_moves_cases!(super::dynamic());
}

mod moves_late {
    wharf_conformance::contract_moves_cases!(super::dynamic_late());
}

/// The suites of user mappings, for one declaration.
macro_rules! for_declarations {
    ($($module:ident: $declared:ident, $second:ident;)+) => {
        $(
            mod $module {
                fn sut() -> crate::Core {
                    crate::fixed().declaring(crate::Coherency::$declared, crate::SecondRange::$second)
                }

                mod user_mapping {
                    wharf_conformance::contract_user_mapping_cases!(super::sut());
                }

                mod redirect {
                    wharf_conformance::contract_redirect_cases!(super::sut());
                }
            }
        )+
    };
}

for_declarations! {
    coherent: Coherent, SameAsFirst;
    coherent_and_explicit: Coherent, Explicit;
    fault_tracked: FaultTracked, SameAsFirst;
    fault_tracked_and_explicit: FaultTracked, Explicit;
    explicit: Explicit, SameAsFirst;
}
