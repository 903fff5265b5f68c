//! Bytes that can be used but not shown.

use std::fmt;

use zeroize::Zeroizing;

/// A secret. Has no `Display`, no `Serialize`, no `Clone`; `Debug` says nothing of the content.
/// Its memory is zeroed on drop.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes bytes over. They are not copied, so that no second copy stays behind.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Lends the bytes to a function, e.g. the one that logs in.
    pub fn expose<T>(&self, with: impl FnOnce(&[u8]) -> T) -> T {
        with(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiles only while `$type` lacks `$trait`: with it, `check` would be ambiguous.
    macro_rules! lacks {
        ($type:ty: $($trait:path),+) => {$(
            const _: fn() = || {
                trait Ambiguous<A> {
                    fn check() {}
                }
                impl<T: ?Sized> Ambiguous<()> for T {}
                struct Has;
                impl<T: ?Sized + $trait> Ambiguous<Has> for T {}
                let _ = <$type as Ambiguous<_>>::check;
            };
        )+};
    }

    lacks!(Secret: fmt::Display, serde::Serialize, Clone, std::ops::Deref, AsRef<[u8]>, PartialEq);

    #[test]
    fn debug_says_nothing_of_the_content() {
        let secret = Secret::new(b"hunter2-canary".to_vec());
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("canary").count(), 0);
        assert_eq!(secret.expose(<[u8]>::len), 14);
    }
}
