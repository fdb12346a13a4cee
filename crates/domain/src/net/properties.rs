//! What holds for every address, not only for those of the tables.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{is_private_name, is_public, is_public_v4, is_public_v6};

/// Every block that is somebody's inside, as its registry writes it.
const INSIDE: [(&str, u32); 15] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
];

fn is_inside(address: Ipv4Addr) -> bool {
    INSIDE.iter().any(|(block, bits)| {
        let block: Ipv4Addr = block.parse().expect("a block");
        (address.to_bits() ^ block.to_bits()) >> (32 - bits) == 0
    })
}

/// Any address, and as often one at the edge of a block.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let edges = INSIDE.map(|(block, bits)| {
        let first = block.parse::<Ipv4Addr>().expect("a block").to_bits();
        (first, first | (u32::MAX >> bits))
    });
    let edge = (prop::sample::select(edges.to_vec()), any::<bool>(), -1..=1_i32).prop_map(
        |((first, last), end, by)| {
            Ipv4Addr::from_bits(if end { last } else { first }.wrapping_add_signed(by))
        },
    );
    prop_oneof![any::<u32>().prop_map(Ipv4Addr::from_bits), edge]
}

proptest! {
    #[test]
    fn an_ipv4_address_is_public_when_no_registry_keeps_it_back(address in v4()) {
        prop_assert_eq!(is_public_v4(address), !is_inside(address));
    }

    #[test]
    fn an_address_within_another_is_judged_by_itself(address in v4(), tail in any::<u64>()) {
        let [a, b, c, d] = address.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let tail = tail.to_be_bytes().map(u16::from);
        let carriers = [
            address.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, tail[0], tail[1], tail[2], tail[3], tail[4]),
        ];
        for carrier in carriers {
            prop_assert_eq!(is_public_v6(carrier), is_public_v4(address), "{}", carrier);
        }
        prop_assert!(!is_public_v6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low)), "compatible addresses are of no network");
    }

    #[test]
    fn nothing_outside_what_is_given_out_is_public(bits in any::<u128>()) {
        let address = Ipv6Addr::from_bits(bits);
        let carries = address.to_ipv4_mapped().is_some() || address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
        prop_assert!(bits >> 125 == 1 || carries || !is_public(address.into()));
    }

    #[test]
    fn no_address_of_a_private_prefix_is_public(bits in any::<u128>()) {
        // Unique local with Fly's 6PN, link-local, site-local, multicast.
        for (prefix, length) in [(0xfc00_u128, 7), (0xfe80, 10), (0xfec0, 10), (0xff00, 8)] {
            let address = Ipv6Addr::from_bits(prefix << 112 | bits & (u128::MAX >> length));
            prop_assert!(!is_public_v6(address), "{}", address);
        }
    }

    #[test]
    fn a_name_stays_private_however_it_is_written(label in "[a-z0-9-]{1,20}", upper in any::<bool>(), dot in any::<bool>()) {
        let mut name = format!("{label}.internal");
        if upper {
            name.make_ascii_uppercase();
        }
        if dot {
            name.push('.');
        }
        prop_assert!(is_private_name(&name));
        let public = format!("{label}.example.com");
        prop_assert!(!is_private_name(&public));
    }
}
