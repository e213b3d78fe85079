//! Pseudo-random numbers and ids: the same for the same seed.

use std::net::IpAddr;

use uuid::{Builder, Uuid, Variant, Version};

/// The use of the seed for schema versions.
const CHANCE_OF_VERSIONS: u64 = 0x7665_7200;

/// Mixes `seed` and `index` into a number (SplitMix64).
#[must_use]
pub fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A uuid of `version` (1 or 4) for the `index`-th thing that needs one.
#[must_use]
pub(crate) fn uuid(seed: u64, index: u64, version: Version) -> [u8; 16] {
    let high = mix(seed, index.wrapping_mul(2));
    let low = mix(seed, index.wrapping_mul(2).wrapping_add(1));
    let bits = Builder::from_u128(u128::from(high) << 64 | u128::from(low));
    bits.with_version(version).with_variant(Variant::RFC4122).into_uuid().into_bytes()
}

/// A uuid in its usual spelling, `8-4-4-4-12` digits.
#[must_use]
pub(crate) fn uuid_text(uuid: &[u8; 16]) -> String {
    Uuid::from_bytes(*uuid).to_string()
}

/// `address` with `offset` added to its last octet.
#[must_use]
pub(crate) fn address_after(address: IpAddr, offset: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            Some(IpAddr::from([a, b, c, d.checked_add(offset)?]))
        }
        IpAddr::V6(v6) => Some(IpAddr::V6(u128::from(v6).checked_add(u128::from(offset))?.into())),
    }
}

/// The schema version of a node that has seen `seen` changes.
#[must_use]
pub(crate) fn schema_version(seed: u64, seen: u64) -> [u8; 16] {
    uuid(seed ^ CHANCE_OF_VERSIONS, seen, Version::Mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_is_the_same_for_the_same_seed() {
        let text = uuid_text(&uuid(7, 3, Version::Random));
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'4');
        assert_eq!(uuid(7, 3, Version::Random), uuid(7, 3, Version::Random));
        assert_ne!(uuid(7, 3, Version::Random), uuid(8, 3, Version::Random));
    }

    #[test]
    fn addresses_count_up_in_the_last_octet() {
        let base = IpAddr::from([127, 0, 0, 254]);
        assert_eq!(address_after(base, 1), Some(IpAddr::from([127, 0, 0, 255])));
        assert_eq!(address_after(base, 2), None);
    }
}
