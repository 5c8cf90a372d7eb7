//! The names by which the hub is reached at home.

use std::net::IpAddr;

/// More than a machine has; a certificate stays small.
const NAMES_MAX: usize = 64;

/// The machine's names and its addresses at home, and those of the configuration; sorted, so that a change shows.
pub(super) fn all(further: &[String]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .to_ascii_lowercase();
    if is_dns(&host) && host != "localhost" {
        if !host.contains('.') {
            names.push(format!("{host}.local"));
        }
        names.push(host);
    }
    names.extend(addresses().into_iter().map(|address| address.to_string()));
    names.extend(further.iter().cloned());
    names.sort_unstable();
    names.dedup();
    names.truncate(NAMES_MAX);
    names
}

fn addresses() -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(found) => found
            .into_iter()
            .map(|interface| interface.ip())
            .filter(|address| is_home(*address))
            .collect(),
        Err(error) => {
            tracing::debug!(%error, "the machine's addresses cannot be listed");
            Vec::new()
        }
    }
}

/// Whether an address is one of homes, which the hub's authority may vouch for.
pub(super) fn is_home(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            // 100.64.0.0/10 is what private networks across the internet use.
            let [first, second, ..] = four.octets();
            four.is_loopback()
                || four.is_private()
                || four.is_link_local()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
    }
}

/// Whether a text is a DNS name as certificates have it.
pub(crate) fn is_dns(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        for (name, good) in [
            ("hub", true),
            ("hub.local", true),
            ("a-b.example.org", true),
            ("", false),
            ("-a", false),
            ("a..b", false),
            ("hub_1", false),
            ("192.0.2.1", false),
            ("ä.example", false),
        ] {
            assert_eq!(is_dns(name), good, "{name}");
        }
        for (address, home) in [
            ("127.0.0.1", true),
            ("192.168.1.4", true),
            ("172.32.0.1", false),
            ("100.100.1.1", true),
            ("8.8.8.8", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_home(address.parse().unwrap()), home, "{address}");
        }
        let names = all(&["hub.example.org".to_owned(), "localhost".to_owned()]);
        assert!(
            names.is_sorted() && names.contains(&"127.0.0.1".to_owned()),
            "{names:?}"
        );
        assert_eq!(names.iter().filter(|name| *name == "localhost").count(), 1);
    }
}
