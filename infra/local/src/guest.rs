//! Which sizes of machine exist: Fly's rules for CPUs and memory.

use crate::config::Guest;

/// Refuses a size that Fly would refuse, in its words where they are known.
pub fn check(guest: &Guest) -> Result<(), String> {
    let (counts, least, most): (&[u32], u32, u32) = match guest.cpu_kind.as_str() {
        "shared" => (&[1, 2, 4, 6, 8], 256, 2048),
        "performance" => (&[1, 2, 4, 6, 8, 10, 12, 14, 16], 2048, 8192),
        other => return Err(format!("invalid config.guest.cpu_kind, unknown cpu kind {other:?}")),
    };
    if !counts.contains(&guest.cpus) {
        let listed: Vec<String> = counts.iter().map(u32::to_string).collect();
        return Err(format!("invalid config.guest.cpus, must be one of [{}]", listed.join(" ")));
    }
    let (least, most) = (least * guest.cpus, most * guest.cpus);
    if guest.memory_mb < least {
        return Err(format!("invalid config.guest.memory_mb, minimum required {least} MiB"));
    }
    if guest.memory_mb > most {
        return Err(format!("invalid config.guest.memory_mb, cannot exceed {most} MiB"));
    }
    if !guest.memory_mb.is_multiple_of(256) {
        return Err("invalid config.guest.memory_mb, must be in a 256 MiB increment".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(cpu_kind: &str, cpus: u32, memory_mb: u32) -> Guest {
        Guest { cpu_kind: cpu_kind.to_owned(), cpus, memory_mb, ..Guest::default() }
    }

    #[test]
    fn sizes_of_flys_price_list_are_accepted_and_others_are_not() {
        for (kind, cpus, memory, fine) in [
            ("shared", 1, 256, true),
            ("shared", 2, 4096, true),
            ("shared", 8, 16384, true),
            ("performance", 1, 2048, true),
            ("performance", 16, 131_072, true),
            ("shared", 3, 1024, false),
            ("shared", 4, 512, false),
            ("shared", 1, 4096, false),
            ("shared", 1, 300, false),
            ("performance", 8, 8192, false),
            ("huge", 1, 2048, false),
        ] {
            assert_eq!(check(&guest(kind, cpus, memory)).is_ok(), fine, "{kind} {cpus} {memory}");
        }
    }

    #[test]
    fn the_refusal_names_the_bound_as_fly_does() {
        let short = check(&guest("shared", 4, 512)).unwrap_err();
        assert_eq!(short, "invalid config.guest.memory_mb, minimum required 1024 MiB");
        assert!(check(&guest("shared", 1, 4096)).unwrap_err().contains("cannot exceed 2048 MiB"));
    }
}
