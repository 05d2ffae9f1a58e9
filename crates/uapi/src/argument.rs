//! Arguments as structures and as bytes.

/// A field of an argument.
pub(crate) trait Field: Sized {
    /// Takes the field from the beginning of `bytes`, which are moved on. Too few bytes count as zeros.
    fn take(bytes: &mut &[u8]) -> Self;
    /// Adds the field's bytes.
    fn put(&self, bytes: &mut Vec<u8>);
}

/// The next `N` bytes.
fn next<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let mut field = [0; N];
    let (head, tail) = bytes.split_at(N.min(bytes.len()));
    field[..head.len()].copy_from_slice(head);
    *bytes = tail;
    field
}

impl<const N: usize> Field for [u8; N] {
    fn take(bytes: &mut &[u8]) -> Self {
        next(bytes)
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }
}

macro_rules! number_fields {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn take(bytes: &mut &[u8]) -> Self {
                Self::from_ne_bytes(next(bytes))
            }

            fn put(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}

number_fields!(u32, i32, u64);

/// Defines the structure of an argument with its layout in C and its way from and to bytes. It must have no gaps.
macro_rules! argument {
    ($(#[$doc:meta])* pub struct $name:ident: $size:literal { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// Its size, in bytes.
            pub const SIZE_BYTES: usize = $size;

            /// Reads it; what lies beyond `bytes` is taken as zeros.
            #[must_use]
            pub fn from_bytes(mut bytes: &[u8]) -> Self {
                Self { $($field: $crate::argument::Field::take(&mut bytes),)* }
            }

            /// Its bytes, [`SIZE_BYTES`](Self::SIZE_BYTES) of them.
            #[must_use]
            pub fn to_bytes(&self) -> Vec<u8> {
                let mut bytes = Vec::with_capacity(Self::SIZE_BYTES);
                $($crate::argument::Field::put(&self.$field, &mut bytes);)*
                bytes
            }
        }

        const _: () = assert!(std::mem::size_of::<$name>() == $size, "no gaps, and the size is as said");
        const _: () = assert!(0 $(+ std::mem::size_of::<$type>())* == $size, "no gaps");
    };
}
