//! Identifiers shaped like Fly's: 14 hexadecimal digits for a machine, a ULID for events and versions.

use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Counts every ULID of this process, so that two of the same millisecond still sort in order of birth.
static BORN: AtomicU64 = AtomicU64::new(0);

/// A new machine id.
pub fn machine() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(14);
    id
}

/// A new ULID: 48 bits of time, 32 of a counter, 48 of chance.
pub fn ulid() -> String {
    let time = u128::from(clock::now_us() / 1000) & 0xffff_ffff_ffff;
    let count = u128::from(BORN.fetch_add(1, Ordering::Relaxed)) & 0xffff_ffff;
    let chance = uuid::Uuid::new_v4().as_u128() & 0xffff_ffff_ffff;
    let mut bits = (time << 80) | (count << 48) | chance;
    let mut text = ['0'; 26];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(bits & 31).unwrap_or_default();
        *place = char::from(CROCKFORD[digit]);
        bits >>= 5;
    }
    text.iter().collect()
}

/// A private address in the range Fly gives to machines.
pub fn private_ip() -> String {
    let chance = uuid::Uuid::new_v4().as_u128();
    format!("fdaa:0:1:a7b:{:x}:{:x}:{:x}:2", chance & 0xfff, (chance >> 16) & 0xffff, (chance >> 32) & 0xffff)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ulids_sort_in_order_of_birth_and_have_26_digits() {
        let born: Vec<String> = (0..500).map(|_| super::ulid()).collect();
        assert!(born.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(born.iter().all(|id| id.len() == 26));
    }

    #[test]
    fn a_machine_id_is_14_hexadecimal_digits() {
        let id = super::machine();
        assert_eq!(id.len(), 14);
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
