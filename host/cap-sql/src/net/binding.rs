//! The channel binding `tls-server-end-point`: a hash of the server's certificate, by the hash of
//! its signature (RFC 5929 §4.1).

use sha2::{Digest as _, Sha256, Sha384, Sha512};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The binding's data, none where the certificate's signature names no hash.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match hash_of(signature_algorithm(certificate)?)? {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(certificate)?;
    let (_, behind) = element(certificate)?;
    element(behind).map(|(algorithm, _)| algorithm)
}

/// Contents of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = usize::from(*der.get(1)?);
    let (start, length) = if first < 0x80 {
        (2, first)
    } else {
        let bytes = der.get(2..2 + (first & 0x7f))?;
        let length = match bytes.len() {
            1..=4 => bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)),
            _ => return None,
        };
        (2 + bytes.len(), length)
    };
    let end = start.checked_add(length)?;
    Some((der.get(start..end)?, &der[end..]))
}

/// MD5 and SHA-1 are replaced by SHA-256, as the RFC says.
fn hash_of(algorithm: &[u8]) -> Option<Hash> {
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const SHA2: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let (oid, parameters) = element(algorithm)?;
    if let Some([kind]) = oid.strip_prefix(&ECDSA_SHA2) {
        return Some(match kind {
            2 => Hash::Sha256,
            3 => Hash::Sha384,
            4 => Hash::Sha512,
            _ => return None,
        });
    }
    match oid.strip_prefix(&RSA)? {
        [4 | 5 | 11] => Some(Hash::Sha256),
        [12] => Some(Hash::Sha384),
        [13] => Some(Hash::Sha512),
        // RSASSA-PSS names its hash in the parameters.
        [10] => {
            let at = parameters.windows(SHA2.len()).position(|bytes| bytes == SHA2)?;
            match parameters.get(at + SHA2.len())? {
                1 => Some(Hash::Sha256),
                2 => Some(Hash::Sha384),
                3 => Some(Hash::Sha512),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let algorithm = |oid: &[u8]| {
            let mut der = vec![6, u8::try_from(oid.len()).unwrap()];
            der.extend_from_slice(oid);
            der
        };
        let rsa = |last| algorithm(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last]);
        assert_eq!(hash_of(&rsa(5)), Some(Hash::Sha256), "SHA-1 is replaced");
        assert_eq!(hash_of(&rsa(12)), Some(Hash::Sha384));
        assert_eq!(hash_of(&rsa(13)), Some(Hash::Sha512));
        let ecdsa = algorithm(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]);
        assert_eq!(hash_of(&ecdsa), Some(Hash::Sha384));
        assert_eq!(hash_of(&algorithm(&[0x2b, 0x65, 0x70])), None, "Ed25519 names no hash");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_binding_or_none(bytes: Vec<u8>) {
            let _ = server_end_point(&bytes);
        }
    }
}
